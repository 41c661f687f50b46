from pysips.sip.timing import Timing


def test_the_durations_of_rfc_3261_table_4() -> None:
    timing = Timing()
    assert (timing.t1, timing.t2, timing.t4) == (0.5, 4.0, 5.0)
    assert timing.b == timing.h == timing.j == timing.l == timing.m == timing.d == 32.0
    assert timing.i == timing.k == 5.0
    assert timing.c == 180.0


def test_timers_follow_t1_and_d_is_never_short() -> None:
    timing = Timing(t1=0.1, t4=1.0, b=5.0, c=120.0)
    assert (timing.b, timing.c, timing.h, timing.k) == (5.0, 120.0, 6.4, 1.0)
    assert timing.d == 32.0
    assert Timing(t1=1.0).d == 64.0
