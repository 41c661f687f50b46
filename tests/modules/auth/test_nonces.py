"""Nonces: made without a memory, good once, for all workers, until they end."""

import base64

import pytest

from pysips.modules.auth.nonces import KIND
from pysips.sip.message import Message, read
from pysips.testing.story import run_through

from .conftest import Caller, pv_story

ONE_FOR_ALL = 'modparam("auth", "secret", "johndoessecretphrase")\n'
COUNTS = (1, 2, 2, 3, 1, 9, 7, 7, 8, 9, 200, 130, 136, 137)
MANY_TIMES = 'modparam("auth", "disable_nonce_check", 1)\n'


def nonce(answer: Message) -> str:
    return (answer.header("WWW-Authenticate") or "").partition('nonce="')[2].partition('"')[0]


def is_stale(answer: Message) -> bool:
    return answer.status == 401 and "stale=true" in (answer.header("WWW-Authenticate") or "")


def test_a_nonce_is_good_once(caller: Caller) -> None:
    challenged = caller.ask()
    assert caller.prove(challenged).status == 200
    refused = caller.prove(challenged)
    assert is_stale(refused)
    assert caller.prove(refused).status == 200
    assert caller.logged() == ["-4", "alice", "-3", "alice"]


def test_a_wrong_password_uses_it_up(caller: Caller) -> None:
    challenged = caller.ask()
    refused = caller.prove(challenged, password="guess")
    assert refused.status == 401 and not is_stale(refused)
    assert caller.prove(challenged).status == 401
    assert caller.logged() == ["-4", "-2", "-3"]


def test_a_retransmission_is_no_second_use(caller: Caller) -> None:
    assert caller.prove(caller.ask()).status == 200
    assert [caller.again().status for _ in range(3)] == [200, 200, 200]


def test_the_same_bytes_from_elsewhere_are_a_replay(caller: Caller) -> None:
    caller.prove(caller.ask())
    thief = Caller(caller.story, "10.0.0.66")
    thief.last = caller.last
    thief.party.said(caller.last)
    assert caller.logged() == ["-4", "alice", "-3"]


def test_a_nonce_ends() -> None:
    caller = Caller(pv_story(parameters='modparam("auth", "nonce_expire", 5)\n'))
    challenged = caller.ask()
    caller.story.after(4)
    assert caller.prove(challenged).status == 200
    challenged = caller.ask()
    caller.story.after(5)
    assert caller.prove(challenged).status == 401
    assert caller.logged()[-1] == "-3"


def test_workers_share_what_is_used_and_take_each_others_nonces() -> None:
    one, two = Caller(pv_story(parameters=ONE_FOR_ALL)), Caller(pv_story(parameters=ONE_FOR_ALL))
    two.story.program.services.tables = one.story.program.services.tables
    challenged = one.ask()
    assert two.prove(challenged).status == 200
    assert is_stale(one.prove(challenged))


def test_another_secret_knows_nothing_of_it() -> None:
    one, two = Caller(pv_story()), Caller(pv_story())
    assert is_stale(two.prove(one.ask()))


def test_counts_are_good_once_where_nonces_are_not() -> None:
    caller = Caller(pv_story(', "auth"', MANY_TIMES))
    challenged = caller.ask()
    good = [count for count in COUNTS if caller.prove(challenged, count=count).status == 200]
    assert good == [1, 2, 3, 9, 7, 8, 200, 137]


def test_without_a_count_it_is_good_until_it_ends() -> None:
    caller = Caller(pv_story("", MANY_TIMES))
    challenged = caller.ask()
    assert [caller.prove(challenged).status for _ in range(3)] == [200, 200, 200]
    caller.story.after(31)
    assert caller.prove(challenged).status == 401


@pytest.mark.parametrize(
    ("challenge", "said", "code"),
    [
        (', "auth", "SHA-256"', ", algorithm=SHA-256", "-3"), (', "auth", "MD5-sess"', ", algorithm=MD5-sess", "-3"),
        (', "auth-int"', ', qop="auth-int"', "-3"),
        (', "auth"', ', qop="auth"', "alice"),  # RFC 8760 section 2.6: no qop stands for auth
    ],
)  # fmt: skip
def test_nobody_answers_a_strong_challenge_as_a_weak_one(challenge: str, said: str, code: str) -> None:
    caller = Caller(pv_story(challenge))
    caller.prove(read(caller.ask().data().replace(said.encode(), b"")))
    assert caller.logged() == ["-4", code]


@pytest.mark.parametrize("spoil", [0, 5, 20, 43])
def test_a_nonce_that_was_touched_is_none(caller: Caller, spoil: int) -> None:
    challenged = caller.ask()
    good = nonce(challenged)
    bad = good[:spoil] + ("A" if good[spoil] != "A" else "B") + good[spoil + 1 :]
    assert caller.prove(read(challenged.data().replace(good.encode(), bad.encode()))).status == 401
    assert caller.logged() == ["-4", "-3"]
    assert len(base64.urlsafe_b64decode(good)) == 33


@pytest.mark.parametrize("made_up", ["", "x", "=" * 44, "é" * 44, "A" * 44, "A" * 60000])
def test_a_nonce_that_is_made_up_is_stale_or_unreadable(caller: Caller, made_up: str) -> None:
    said = f'Digest username="alice", realm="r.example", nonce="{made_up}", uri="sip:r", response="0"'
    assert caller.ask(f"Authorization: {said}\r\n").status == (401 if made_up else 400)


def test_uses_are_forgotten_when_they_are_over(caller: Caller) -> None:
    for _ in range(450):
        caller.prove(caller.ask())
    tables = caller.story.program.services.tables
    auth = caller.story.program.registry.loaded["auth"]
    run_through(auth.sweep())  # type: ignore[attr-defined]
    assert tables.count(KIND) == 450
    caller.story.after(20)
    late = caller.ask()
    caller.prove(late)
    caller.story.after(11)
    run_through(auth.sweep())  # type: ignore[attr-defined]
    assert tables.count(KIND) == 1
