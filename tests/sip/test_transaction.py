"""The arrows of the four drawings. When the timers run out is `tm`'s: tests/modules/tm/test_timers.py."""

from itertools import product

import pytest

from pysips.sip import transaction as tx
from pysips.sip.transaction import (
    ACCEPTED,
    ACKNOWLEDGE,
    CALLING,
    COMPLETED,
    CONFIRMED,
    EVENTS,
    FORGET,
    HEARD_1XX,
    HEARD_2XX,
    HEARD_ACK,
    HEARD_AGAIN,
    HEARD_FINAL,
    LINGERED,
    NO_ARROW,
    NOTHING,
    PASS,
    PROCEEDING,
    REPEAT,
    RESEND,
    SEND,
    SEND_FAILED,
    SENT_1XX,
    SENT_2XX,
    SENT_FINAL,
    STATES,
    TELL,
    TERMINATED,
    TIME_OUT,
    TRYING,
    heard,
    sent,
)

TABLES = {
    "INVITE server": (tx.INVITE_SERVER, tx.INVITE_SERVER_TABLE, PROCEEDING),
    "server": (tx.NON_INVITE_SERVER, tx.NON_INVITE_SERVER_TABLE, TRYING),
    "INVITE client": (tx.INVITE_CLIENT, tx.INVITE_CLIENT_TABLE, CALLING),
    "client": (tx.NON_INVITE_CLIENT, tx.NON_INVITE_CLIENT_TABLE, TRYING),
}

# What happens, one thing after the other, and what is to be done each time.
LIVES = [
    ("INVITE client", [(HEARD_1XX, PASS), (HEARD_FINAL, PASS | ACKNOWLEDGE), (HEARD_FINAL, ACKNOWLEDGE),
                       (HEARD_2XX, NOTHING), (LINGERED, FORGET)]),
    ("INVITE client", [(REPEAT, RESEND), (HEARD_2XX, PASS), (HEARD_2XX, PASS), (HEARD_FINAL, NOTHING),
                       (LINGERED, FORGET)]),
    ("INVITE client", [(HEARD_1XX, PASS), (REPEAT, NOTHING), (TIME_OUT, TELL | FORGET)]),
    ("INVITE server", [(SENT_1XX, SEND), (HEARD_AGAIN, RESEND), (SENT_FINAL, SEND), (REPEAT, RESEND),
                       (HEARD_ACK, NOTHING), (HEARD_ACK, NOTHING), (HEARD_AGAIN, NOTHING), (LINGERED, FORGET)]),
    ("INVITE server", [(SENT_2XX, SEND), (HEARD_AGAIN, NOTHING), (SENT_2XX, SEND), (HEARD_ACK, PASS),
                       (SENT_FINAL, NOTHING), (LINGERED, FORGET)]),
    ("INVITE server", [(SEND_FAILED, TELL), (SENT_FINAL, SEND), (SEND_FAILED, TELL), (TIME_OUT, TELL | FORGET)]),
    ("server", [(HEARD_AGAIN, NOTHING), (SENT_1XX, SEND), (HEARD_AGAIN, RESEND), (SENT_FINAL, SEND),
                (SENT_2XX, NOTHING), (HEARD_AGAIN, RESEND), (LINGERED, FORGET)]),
    ("server", [(SENT_1XX, SEND), (SEND_FAILED, TELL | FORGET)]),
    ("client", [(REPEAT, RESEND), (HEARD_1XX, PASS), (REPEAT, RESEND), (HEARD_2XX, PASS), (HEARD_2XX, NOTHING),
                (LINGERED, FORGET)]),
    ("client", [(TIME_OUT, TELL | FORGET), (HEARD_2XX, NOTHING)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "life"), LIVES)
def test_a_life_goes_as_it_is_drawn(name: str, life: list[tuple[int, int]]) -> None:
    _, table, state = TABLES[name]
    for what, todo in life:
        arrow = table[state * EVENTS + what]
        assert (arrow & 255 if arrow != NO_ARROW else NOTHING) == todo
        state = arrow >> 8 if arrow != NO_ARROW else state
    assert state == TERMINATED


@pytest.mark.parametrize("name", TABLES)
def test_the_flat_table_has_every_arrow_and_no_other(name: str) -> None:
    arrows, table, _ = TABLES[name]
    for state, what in product(range(len(STATES)), range(EVENTS)):
        after = arrows.get((state, what))
        assert table[state * EVENTS + what] == (NO_ARROW if after is None else after[0] * 256 + after[1])


@pytest.mark.parametrize("name", TABLES)
def test_whoever_is_over_is_forgotten_and_nothing_else_is(name: str) -> None:
    for after, todo in TABLES[name][0].values():
        assert (after == TERMINATED) == bool(todo & FORGET)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_and_ends(name: str) -> None:
    arrows, _, first = TABLES[name]
    reached, news = set[int](), {first}
    while news:
        reached |= news
        news = {after for (state, _), (after, _) in arrows.items() if state in news} - reached
    assert reached == {state for state, _ in arrows} | {TERMINATED}
    for state in reached - {TERMINATED}:
        assert (state, TIME_OUT) in arrows or (state, LINGERED) in arrows or name.endswith("server")


def test_states_have_their_names() -> None:
    assert [STATES[state] for state in (ACCEPTED, COMPLETED, CONFIRMED)] == ["Accepted", "Completed", "Confirmed"]


@pytest.mark.parametrize(
    ("status", "one", "other"), [(100, SENT_1XX, HEARD_1XX), (299, SENT_2XX, HEARD_2XX), (300, SENT_FINAL, HEARD_FINAL)]
)
def test_a_status_is_an_event(status: int, one: int, other: int) -> None:
    assert (sent(status), heard(status)) == (one, other)
