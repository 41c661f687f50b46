"""What a soak makes of its figures."""

import pytest

from .soak import Minute, judge, percentiles


def minute(pss_kb: int, p99: float) -> Minute:
    return Minute(60, pss_kb, 1000, 1000, 70, 0, 0, 1, {"REGISTER": {"p50": 1, "p99": p99}})


def test_percentiles_lie_between_the_milliseconds_that_sipp_says() -> None:
    assert percentiles([0.0] * 100) == {"p50": 0.5, "p99": 0.99}
    assert percentiles([0.0] * 50 + [7.0] * 50) == {"p50": 1.0, "p99": 7.98}


@pytest.mark.parametrize("pss_kb, p99, said", [(1000, 2.0, (1.0, 1.0)), (1100, 3.0, (1.1, 1.5))])
def test_the_last_quarter_is_held_against_the_second(pss_kb: int, p99: float, said: tuple[float, float]) -> None:
    warm = [minute(1, 900)] * 10
    found = judge(warm + [minute(1000, 2)] * 36 + [minute(pss_kb, p99)] * 14)
    assert (found["pss"], found["p99 REGISTER"]) == said
    assert found["rss"] == 1


def test_bad_minutes_are_not_the_server() -> None:
    minutes = [minute(1000, 2)] * 60
    minutes[50:58] = [minute(1000, 900)] * 8
    assert judge(minutes)["p99 REGISTER"] == 1
