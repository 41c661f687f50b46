"""The branch set: groups by q, the message's own branch among them."""

from types import SimpleNamespace

from pysips.core.branches import Branch, append, from_message, next_group, serialize
from pysips.core.context import REQUEST, Context
from pysips.core.services import Peer, Services, Socket
from pysips.sip.message import read

INVITE = (
    b"INVITE sip:first@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    b"To: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def context() -> Context:
    socket = Socket(0, "udp", "127.0.0.1", 5060)
    program = SimpleNamespace(vars={})
    return Context(Services(), program, read(INVITE), Peer("udp", "127.0.0.1", 5070, socket), REQUEST)  # type: ignore[arg-type]


def test_groups_come_by_falling_q_and_the_last_one_says_so() -> None:
    ctx = context()
    ctx.q = 500
    for uri, q in (("sip:low@x", 100), ("sip:also@x", 500), ("sip:high@x", 900)):
        assert append(ctx, Branch(uri, q=q))
    serialize(ctx, clear=True, one_by_one=False)
    assert (ctx.request_uri(), ctx.branches) == ("sip:first@example.com", [])
    assert next_group(ctx) == 1
    assert ctx.request_uri() == "sip:high@x"
    assert next_group(ctx) == 1
    assert (ctx.request_uri(), [b.uri for b in ctx.branches]) == ("sip:first@example.com", ["sip:also@x"])
    assert next_group(ctx) == 2
    assert ctx.request_uri() == "sip:low@x"
    assert next_group(ctx) == -1


def test_one_group_of_equal_q_stays_as_it_is() -> None:
    ctx = context()
    append(ctx, Branch("sip:second@x"))
    serialize(ctx, clear=True, one_by_one=False)
    assert ctx.groups == []
    assert [b.uri for b in ctx.branches] == ["sip:second@x"]


def test_one_by_one_keeps_the_order_whatever_the_q() -> None:
    ctx = context()
    append(ctx, Branch("sip:second@x", q=900))
    serialize(ctx, clear=True, one_by_one=True)
    assert next_group(ctx) == 1
    assert ctx.request_uri() == "sip:first@example.com"
    assert next_group(ctx) == 2
    assert ctx.request_uri() == "sip:second@x"


def test_the_twelfth_added_branch_finds_no_room() -> None:
    ctx = context()
    assert all(append(ctx, Branch(f"sip:{n}@x")) for n in range(11))
    assert not append(ctx, Branch("sip:12@x"))


def test_the_message_s_own_branch_carries_all_that_was_set_on_it() -> None:
    ctx = context()
    ctx.set_uri("sip:new@x")
    ctx.dst, ctx.path, ctx.q, ctx.bflags = "sip:next@y", "<sip:p;lr>", 300, 5
    own = from_message(ctx)
    assert (own.uri, own.dst, own.path, own.q, own.flags) == ("sip:new@x", "sip:next@y", "<sip:p;lr>", 300, 5)
