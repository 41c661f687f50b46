"""The management commands of tm."""

import pytest

from pysips.core.exports import MiError
from pysips.core.waiting import Runs
from pysips.modules.tm import Tm
from pysips.modules.tm.management import dialog_of, header_values, without_tag
from pysips.sip.message import read
from pysips.testing.messages import answer, invite, request
from pysips.testing.story import Story


def tm_of(story: Story) -> Tm:
    module = story.program.registry.loaded["tm"]
    assert isinstance(module, Tm)
    return module


def test_a_request_is_sent_and_its_answer_shown() -> None:
    story = Story("route { exit; }", "tm")
    bob = story.party("10.0.0.2")
    headers = "From: <sip:me@example.com>;tag=mine\\r\\nTo: sip:b@10.0.0.2\\r\\nX-A: 1\\r\\nCSeq: 7 OPTIONS"
    answers: list[object] = []
    failures: list[BaseException] = []
    call = tm_of(story).mi_request("OPTIONS", "sip:b@10.0.0.2", headers)
    runs: Runs = story.program.runs
    ctx = story.program.dummy_context(1)
    runs.start(ctx, call, lambda _, answer: answers.append(answer), lambda _, problem: failures.append(problem))
    came = bob.heard("OPTIONS")
    assert (came.from_tag(), came.header("X-A"), came.cseq()) == ("mine", "1", (7, "OPTIONS"))
    bob.answered(came, 200, "Fine")
    assert not failures
    assert answers[0]["Status"] == "200 Fine"  # type: ignore[index]


def test_a_reply_that_makes_a_dialog_tells_where_its_requests_would_go() -> None:
    routes = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nRecord-Route: <sip:p0;lr>\r\nContact: <sip:b@10.0.0.2>\r\n"
    assert dialog_of(read(answer(read(invite().encode()), 200, "", "b", routes).encode())) == {
        "RURI": "sip:b@10.0.0.2", "Next-hop": "sip:p0;lr", "Routes": ["<sip:p0;lr>", "<sip:p1;lr>", "<sip:p2;lr>"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ("To: <sip:b@b>", "", "From missing"),
        ("From: <sip:a@b>", "", "To missing"),
        ("From: <sip:a@b>\r\nTo: <sip:b@b>", "x", "Content-Type missing"),
        ("From: <sip:a@b>\r\nTo: <sip:b@b>\r\nContent-Length: 3", "", "Content-Length disallowed"),
        ("From: <sip:a@b>\r\nTo: <sip:b@b>\r\nCSeq: x OPTIONS", "", "Bad CSeq number"),
        ("From: <sip:a@b>\r\nTo: <sip:b@b>\r\nCSeq: 1 INVITE", "", "CSeq method mismatch"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(headers: str, body: str, said: str) -> None:
    story = Story("route { exit; }", "tm")
    with pytest.raises(MiError, match=said):
        tm_of(story).mi_request("OPTIONS", "sip:b@10.0.0.2", headers, body=body).send(None)


def test_the_owner_of_its_call_id_sends_it() -> None:
    story = Story("route { exit; }", "tm")
    assert tm_of(story).mi_call_id("OPTIONS", "sip:b", "From: a\r\ni: mine@x") == "mine@x"
    assert tm_of(story).mi_call_id("OPTIONS", "sip:b", "From: a") == ""


def test_a_transaction_is_answered_by_its_id() -> None:
    story = Story('route { t_reply(180, "Ringing"); t_wait_for_new_branches(); xlog("@@ $T_id\n"); }', "tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    name = next(line for line in story.lines if "@@" in line).partition("@@ ")[2].strip()
    tm = tm_of(story)
    assert tm.mi_reply(486, "Busy", name, "tag1", "X-B: 2\r\n") == "OK"
    assert alice.heard_all()[:2] == [100, 180]
    with pytest.raises(MiError, match="final reply"):
        tm.mi_reply(486, "Busy", name, "tag1")
    with pytest.raises(MiError, match="not found"):
        tm.mi_reply(486, "Busy", "0:ffff", "tag1")


def test_a_call_is_cancelled_by_call_id() -> None:
    story = Story('route { $du = "sip:10.0.0.2"; t_relay(); }', "tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    assert tm_of(story).mi_cancel("call-1", "1 INVITE") == "OK"
    bob.heard("CANCEL")
    with pytest.raises(MiError):
        tm_of(story).mi_cancel("nobody", "1")


def test_the_load_of_the_table_is_told() -> None:
    story = Story('route { t_reply(200, "OK"); }', "tm")
    story.party("10.0.0.1").said(request("MESSAGE"))
    assert tm_of(story).mi_hash() == [{"index": 0, "Current": 1, "Total": 1}]


def test_headers_are_taken_apart() -> None:
    known, rest = header_values("From: a\r\nt: b\r\nX-A: 1\r\n")
    assert (known["F"], known["T"], rest) == ("a", "b", "X-A: 1\r\n")
    with pytest.raises(MiError):
        header_values("no header")


@pytest.mark.parametrize(
    ("value", "kept", "tag"),
    [("<sip:a@b>;tag=1;x=2", "<sip:a@b>;x=2", "1"), ("sip:a@b", "sip:a@b", ""), ("<sip:a@b>", "<sip:a@b>", "")],
)
def test_a_tag_is_taken_off(value: str, kept: str, tag: str) -> None:
    assert without_tag(value) == (kept, tag)
