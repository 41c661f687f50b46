"""Each arrow of the four drawings, and whole lives told with a clock of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.sip import transaction as tx
from pysips.sip.timing import Timing
from pysips.sip.transaction import (
    ACCEPTED,
    ACKNOWLEDGE,
    COMPLETED,
    CONFIRMED,
    FORGET,
    HEARD_1XX,
    HEARD_2XX,
    HEARD_ACK,
    HEARD_AGAIN,
    HEARD_FINAL,
    NOTHING,
    PASS,
    PROCEEDING,
    RESEND,
    SEND,
    SEND_FAILED,
    SENT_1XX,
    SENT_2XX,
    SENT_FINAL,
    TELL,
    TERMINATED,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    heard,
    sent,
)

Machine = InviteServer | NonInviteServer | InviteClient | NonInviteClient


def times(machine: Machine, until: float) -> list[tuple[float, int]]:
    """Fire the machine whenever it is due; what it asked for, and when."""
    found = []
    while machine.due and machine.due <= until:
        now = machine.due
        found.append((now, machine.fire(now)))
    return found


def make(name: str, reliable: bool = False) -> Machine:
    match name:
        case "invite server":
            return InviteServer(Timing(), reliable)
        case "server":
            return NonInviteServer(Timing(), reliable)
        case "invite client":
            return InviteClient(Timing(), reliable, 0.0)
        case _:
            return NonInviteClient(Timing(), reliable, 0.0)


# ------------------------------------------------------------------------------------------------------- INVITE client


def test_an_invite_is_repeated_at_doubling_distances_until_timer_b() -> None:
    machine = InviteClient(Timing(), False, 10.0)
    assert times(machine, 100.0) == [
        (10.5, RESEND),
        (11.5, RESEND),
        (13.5, RESEND),
        (17.5, RESEND),
        (25.5, RESEND),
        (41.5, RESEND),
        (42.0, TELL | FORGET),
    ]
    assert (machine.state, machine.due) == (TERMINATED, 0.0)


def test_nothing_is_repeated_over_a_stream() -> None:
    assert times(InviteClient(Timing(), True, 10.0), 100.0) == [(42.0, TELL | FORGET)]
    assert times(NonInviteClient(Timing(), True, 10.0), 100.0) == [(42.0, TELL | FORGET)]


def test_a_provisional_answer_ends_the_repetitions_and_starts_timer_c() -> None:
    machine = InviteClient(Timing(c=180.0), False, 0.0)
    assert machine.step(HEARD_1XX, 0.1) == PASS
    assert machine.due == 180.1
    assert machine.step(HEARD_1XX, 9.0) == PASS
    assert machine.due == 180.1  # 100 starts nothing anew; the proxy says which answers do
    machine.postpone(9.0)
    assert times(machine, 999.0) == [(189.0, TELL | FORGET)]


def test_a_negative_answer_is_acknowledged_each_time_it_comes_and_passed_once() -> None:
    machine = InviteClient(Timing(), False, 0.0)
    assert machine.step(HEARD_FINAL, 1.0) == PASS | ACKNOWLEDGE
    assert machine.step(HEARD_FINAL, 2.0) == ACKNOWLEDGE
    assert machine.step(HEARD_2XX, 3.0) == NOTHING
    assert times(machine, 99.0) == [(33.0, FORGET)]
    assert InviteClient(Timing(), True, 0.0).step(HEARD_FINAL, 1.0) == PASS | ACKNOWLEDGE


def test_timer_d_is_zero_over_a_stream() -> None:
    machine = InviteClient(Timing(), True, 0.0)
    machine.step(HEARD_FINAL, 1.0)
    assert times(machine, 1.0) == [(1.0, FORGET)]


def test_every_2xx_is_passed_until_timer_m() -> None:
    machine = InviteClient(Timing(), True, 0.0)
    assert machine.step(HEARD_2XX, 1.0) == PASS
    assert machine.step(HEARD_2XX, 2.0) == PASS
    assert machine.step(HEARD_FINAL, 2.0) == NOTHING
    assert machine.state == ACCEPTED
    assert times(machine, 99.0) == [(33.0, FORGET)]


# ------------------------------------------------------------------------------------------------------- INVITE server


def test_a_negative_answer_is_repeated_until_the_ack_comes() -> None:
    machine = InviteServer(Timing(), False)
    assert machine.step(SENT_1XX, 0.0) == SEND
    assert machine.step(HEARD_AGAIN, 0.5) == RESEND
    assert machine.step(SENT_FINAL, 1.0) == SEND
    assert machine.step(HEARD_AGAIN, 1.1) == RESEND
    assert times(machine, 13.0) == [(1.5, RESEND), (2.5, RESEND), (4.5, RESEND), (8.5, RESEND), (12.5, RESEND)]
    assert machine.step(HEARD_ACK, 13.0) == NOTHING
    assert machine.state == CONFIRMED
    assert machine.step(HEARD_ACK, 13.1) == NOTHING
    assert machine.step(HEARD_AGAIN, 13.1) == NOTHING
    assert times(machine, 99.0) == [(18.0, FORGET)]


def test_without_an_ack_the_user_is_told_at_timer_h() -> None:
    machine = InviteServer(Timing(), False)
    machine.step(SENT_FINAL, 0.0)
    assert times(machine, 99.0)[-1] == (32.0, TELL | FORGET)
    machine = InviteServer(Timing(), True)
    machine.step(SENT_FINAL, 0.0)
    assert times(machine, 99.0) == [(32.0, TELL | FORGET)]


def test_after_a_2xx_invites_are_absorbed_and_acks_passed_until_timer_l() -> None:
    machine = InviteServer(Timing(), False)
    assert machine.step(SENT_2XX, 0.0) == SEND
    assert machine.step(HEARD_AGAIN, 1.0) == NOTHING
    assert machine.step(SENT_2XX, 1.0) == SEND
    assert machine.step(HEARD_ACK, 1.0) == PASS
    assert machine.step(SENT_FINAL, 1.0) == NOTHING
    assert times(machine, 99.0) == [(32.0, FORGET)]


def test_a_transport_error_is_told_and_ends_no_invite_server() -> None:
    machine = InviteServer(Timing(), False)
    assert machine.step(SEND_FAILED, 0.0) == TELL
    assert machine.step(SENT_FINAL, 0.0) == SEND
    assert machine.step(SEND_FAILED, 0.0) == TELL
    assert machine.state == COMPLETED


# ---------------------------------------------------------------------------------------------------- non-INVITE server


def test_a_final_reply_is_repeated_when_asked_until_timer_j() -> None:
    machine = NonInviteServer(Timing(t1=0.5), False)
    assert machine.step(HEARD_AGAIN, 9.0) == NOTHING
    assert machine.step(SENT_FINAL, 10.0) == SEND
    assert machine.due == 42.0
    assert machine.step(HEARD_AGAIN, 11.0) == RESEND
    assert machine.step(SENT_2XX, 11.0) == NOTHING
    assert times(machine, 99.0) == [(42.0, FORGET)]


def test_a_provisional_reply_is_repeated_when_asked() -> None:
    machine = NonInviteServer(Timing(), True)
    assert machine.step(SENT_1XX, 0.0) == SEND
    assert machine.step(HEARD_AGAIN, 0.0) == RESEND
    assert machine.step(SENT_2XX, 1.0) == SEND
    assert times(machine, 1.0) == [(1.0, FORGET)]


@pytest.mark.parametrize("before", [(), (SENT_1XX,), (SENT_2XX,)])
def test_a_transport_error_ends_a_non_invite_server(before: tuple[int, ...]) -> None:
    machine = NonInviteServer(Timing(), False)
    for what in before:
        machine.step(what, 0.0)
    assert machine.step(SEND_FAILED, 1.0) == TELL | FORGET
    assert machine.due == 0.0


# ---------------------------------------------------------------------------------------------------- non-INVITE client


def test_a_request_is_repeated_at_distances_up_to_t2_until_timer_f() -> None:
    machine = NonInviteClient(Timing(), False, 0.0)
    found = times(machine, 99.0)
    assert [now for now, _ in found] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]
    assert found[-1] == (32.0, TELL | FORGET)


def test_after_a_provisional_answer_every_t2() -> None:
    machine = NonInviteClient(Timing(), False, 0.0)
    assert times(machine, 1.0) == [(0.5, RESEND)]
    assert machine.step(HEARD_1XX, 1.0) == PASS
    assert [now for now, _ in times(machine, 12.0)] == [1.5, 5.5, 9.5]
    assert machine.step(HEARD_2XX, 12.0) == PASS
    assert machine.step(HEARD_2XX, 12.1) == NOTHING
    assert times(machine, 99.0) == [(17.0, FORGET)]


# ------------------------------------------------------------------------------------------------------- all four

NAMES = ("invite server", "server", "invite client", "client")
TABLES = {
    "invite server": tx.INVITE_SERVER,
    "server": tx.NON_INVITE_SERVER,
    "invite client": tx.INVITE_CLIENT,
    "client": tx.NON_INVITE_CLIENT,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reliable", [False, True])
def test_every_arrow_is_taken_and_nothing_else(name: str, reliable: bool) -> None:
    for state in range(len(tx.STATES)):
        for what in range(tx.EVENTS):
            machine = make(name, reliable)
            machine.state = state
            after, todo = TABLES[name].get((state, what), (state, NOTHING))
            assert machine.step(what, 1.0) == todo
            assert machine.state == after


@pytest.mark.parametrize("name", NAMES)
def test_whoever_forgets_waits_for_nothing(name: str) -> None:
    for (state, what), (after, todo) in TABLES[name].items():
        assert (after == TERMINATED) == bool(todo & FORGET)
        machine = make(name)
        machine.state = state
        machine.step(what, 1.0)
        if after == TERMINATED:
            assert machine.due == 0.0


@given(st.sampled_from(NAMES), st.booleans(), st.lists(st.tuples(st.integers(0, 11), st.floats(0.0, 20.0))))
def test_every_life_ends(name: str, reliable: bool, story: list[tuple[int, float]]) -> None:
    machine = make(name, reliable)
    now = 1.0
    for what, seconds in story:
        now += seconds
        while machine.due and machine.due <= now:
            machine.fire(machine.due)
        machine.step(what, now)
    finals = {"invite server": SENT_2XX, "server": SENT_2XX, "invite client": HEARD_2XX, "client": HEARD_2XX}
    machine.step(finals[name], now)
    times(machine, now + 1000.0)
    assert machine.state == TERMINATED
    assert machine.due == 0.0


def test_firing_too_early_does_nothing() -> None:
    for name in NAMES:
        assert make(name).fire(0.0) == NOTHING


@pytest.mark.parametrize(
    ("status", "one", "other"), [(100, SENT_1XX, HEARD_1XX), (299, SENT_2XX, HEARD_2XX), (300, SENT_FINAL, HEARD_FINAL)]
)
def test_a_status_is_an_event(status: int, one: int, other: int) -> None:
    assert (sent(status), heard(status)) == (one, other)


def test_a_machine_begins_where_the_drawing_does() -> None:
    assert [make(name).state for name in NAMES] == [PROCEEDING, tx.TRYING, tx.CALLING, tx.TRYING]
