"""Contacts between the nodes of a pair: told, merged, repaired."""

import pytest

from pysips.core.bin_interface import BadPacket, Reader
from pysips.modules.usrloc.contacts import Domain, Follower
from pysips.modules.usrloc.packets import (
    ContactDelete,
    ContactInsert,
    ContactUpdate,
    Matching,
    decode_chunk,
    encode,
)
from pysips.modules.usrloc.records import Contact
from pysips.modules.usrloc.translating import contact_of, insert, update

from .in_memory import Node, Platform

ALICE = "alice@home.example"
A, C = "10.0.0.150", "10.0.0.180"
PHONE = "sip:alice@192.0.2.7"


@pytest.fixture
def pair() -> Platform:
    return Platform(A, A, C)


def sent(node: Node) -> list[tuple[int, int]]:
    """(to whom, type) of the contact packets that a node sent; forgets them."""
    found = [(to, kind) for to, capability, kind in node.links.sent if capability == "usrloc-contact-repl"]
    node.links.sent.clear()
    return found


def test_only_the_partner_is_told_of_what_arose_here(pair: Platform) -> None:
    one, two, far = pair.nodes.values()
    one.register(ALICE)
    pair.run()
    assert sent(one) == [(2, 1), (2, 3)]
    one.register(ALICE, cseq=2)
    pair.run()
    assert sent(one) == [(2, 4)]
    assert two.contacts(ALICE)[0].cseq == 2
    one.register(ALICE, expires=0, cseq=3)
    pair.run()
    assert sent(one) == [(2, 5), (2, 2)]
    assert not two.has(ALICE) and sent(two) == [] and sent(far) == []


def test_expiry_is_not_told(pair: Platform) -> None:
    one = pair.nodes[1]
    one.register(ALICE, expires=3)
    pair.run()
    sent(one)
    pair.run(6)
    assert not one.has(ALICE) and sent(one) == []


def test_a_contact_is_the_same_at_the_partner(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    work = one.location.open(one.domain, ALICE)
    made = one.contact(PHONE)
    made.q, made.path, made.received, made.cflags = 700, "<sip:edge;lr>", "sip:192.0.2.7:7", 1
    made.instance, made.attr, made.methods, made.tag, made.more = "<urn:x>", "a", 31, "vip", {"k": 1}
    work.insert(made)
    work.record.more = {"aor": "store"}
    work.commit()
    pair.run()
    there = two.contacts(ALICE)[0]
    assert there.socket == ""  # it is none of the partner's sockets
    assert [getattr(there, name) for name in Contact.__struct_fields__ if name != "socket"] == [
        getattr(made, name) for name in Contact.__struct_fields__ if name != "socket"
    ]
    record = two.location.read(two.domain, ALICE)
    assert record is not None and record.more == {"aor": "store"}


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_every_version_can_be_spoken(pair: Platform, version: int) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register(ALICE)
    record = one.location.read(one.domain, ALICE)
    assert record is not None
    record.contacts[0].cflags = 1
    for message in (
        insert(one.part.replica.rows, "location", ALICE, record, record.contacts[0]),
        update(one.part.replica.rows, "location", ALICE, record, record.contacts[0]),
    ):
        two.part.replica.received(1, 1, message.TYPE, version, Reader(encode(message, version)))
        assert two.contacts(ALICE)[0].cflags == 1
    assert two.contacts(ALICE)[0].uri == PHONE
    chunks = list(one.part.replica.donate(1, 2, version))
    assert isinstance(decode_chunk(version, chunks[1]), ContactInsert)


def test_of_one_call_the_higher_cseq_wins_and_of_two_the_later_one(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    pair.cut(1, 2)
    one.register(ALICE, cseq=5)
    two.register(ALICE, cseq=7)
    pair.run(2)
    two.sync_from(one)
    assert [node.contacts(ALICE)[0].cseq for node in (one, two)] == [5, 7]
    one.sync_from(two)
    assert [node.contacts(ALICE)[0].cseq for node in (one, two)] == [7, 7]
    work = one.location.open(one.domain, ALICE)
    work.replace(0, one.contact(PHONE, cseq=1, callid="another"))
    work.commit()
    one.sync_from(two)
    assert [node.contacts(ALICE)[0].callid for node in (one, two)] == ["another", "call-1"]
    two.sync_from(one)
    assert [node.contacts(ALICE)[0].callid for node in (one, two)] == ["another", "another"]


def test_a_lost_link_is_mended_in_both_directions(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register("stays@home.example")
    one.register("goes@home.example")
    pair.run()
    pair.cut(1, 2)
    one.register("new1@home.example")
    two.register("new2@home.example")
    one.register("goes@home.example", expires=0, cseq=2)
    pair.run(1)
    pair.mend(1, 2)
    one.sync_from(two)
    two.sync_from(one)
    pair.run(2)
    for node in (one, two):
        assert [node.has(f"{user}@home.example") for user in ("stays", "goes", "new1", "new2")] == [
            True, False, True, True,
        ]  # fmt: skip
    one.register("goes@home.example", cseq=9)
    pair.run()
    assert two.has("goes@home.example")


@pytest.mark.parametrize("others", [(), ("sip:alice@192.0.2.8",)])
def test_a_sync_on_its_way_does_not_undo_what_a_phone_does_meanwhile(pair: Platform, others: tuple[str, ...]) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    for uri in (PHONE, *others):
        one.register(ALICE, uri)
    pair.run()
    two.register(ALICE, PHONE, expires=0, cseq=2)
    two.sync_from(one)  # it was sent before, and is read before the log's follower has looked
    pair.run()
    for node in (one, two):
        assert [contact.uri for contact in node.contacts(ALICE)] == list(others)
    two.register(ALICE, PHONE, cseq=3)
    pair.run()
    for node in (one, two):
        assert [contact.uri for contact in node.contacts(ALICE)] == [*others, PHONE]


def test_a_phone_that_moves_to_the_partner_meanwhile_is_taken_from_there(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register(ALICE)
    pair.run()
    two.register(ALICE, expires=0, cseq=2)
    one.register(ALICE, cseq=3)
    two.sync_from(one)
    pair.run()
    assert [node.contacts(ALICE)[0].cseq for node in (one, two)] == [3, 3]


def test_of_a_contact_that_went_twice_meanwhile_the_last_time_counts(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    for cseq, expires in ((50, 600), (51, 0), (1, 600), (2, 0)):
        two.register(ALICE, expires=expires, cseq=cseq)
    one.register(ALICE, cseq=3)
    two.sync_from(one)
    assert two.has(ALICE)


def test_a_phone_that_comes_back_with_a_lower_cseq_is_no_ghost(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register(ALICE, cseq=50)
    pair.run()
    one.register(ALICE, expires=0, cseq=51)
    pair.run()
    one.register(ALICE, cseq=1)
    pair.run()
    assert two.has(ALICE)
    one.sync_from(two)
    pair.run()
    assert one.has(ALICE) and two.has(ALICE)


def test_what_a_partner_says_raises_events_but_is_not_sent_on(pair: Platform) -> None:
    heard: list[str] = []
    two = pair.nodes[2]

    class Listener(Follower):
        def aor_inserted(self, domain: Domain, aor: str) -> None:
            heard.append(f"+{aor}")

        def aor_deleted(self, domain: Domain, aor: str) -> None:
            heard.append(f"-{aor}")

        def contact_changed(self, domain: Domain, aor: str, what: int, contact: Contact) -> None:
            heard.append(f"{what}{contact.uri}")

    two.location.followers.append(Listener())
    pair.nodes[1].register(ALICE)
    pair.run()
    pair.nodes[1].register(ALICE, expires=0, cseq=2)
    pair.run()
    assert heard == [f"+{ALICE}", f"1{PHONE}", f"3{PHONE}", f"-{ALICE}"]
    assert sent(two) == []


def test_a_late_delete_does_not_take_a_newer_contact(pair: Platform) -> None:
    two = pair.nodes[2]
    two.register(ALICE, cseq=9)
    message = ContactDelete("location", ALICE, PHONE, "call-1", 3, Matching(1))
    two.part.replica.received(1, 1, message.TYPE, 5, Reader(encode(message, 5)))
    assert two.has(ALICE)
    message = ContactDelete("location", ALICE, PHONE, "call-1", 9, Matching(1))
    two.part.replica.received(1, 1, message.TYPE, 5, Reader(encode(message, 5)))
    assert not two.has(ALICE)


@pytest.mark.parametrize("uri", ["sip:a@h\r\nInjected: 1", "", "sip:" + "x" * 5000])
def test_what_cannot_stand_in_a_message_is_refused(pair: Platform, uri: str) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register(ALICE)
    record = one.location.read(one.domain, ALICE)
    assert record is not None
    record.contacts[0].uri = uri
    message: ContactUpdate = update(one.part.replica.rows, "location", ALICE, record, record.contacts[0])
    with pytest.raises(BadPacket):
        two.part.replica.received(1, 1, message.TYPE, 5, Reader(encode(message, 5)))
    assert not two.has(ALICE)
    one.register("bob@home.example")  # the table is not held
    two.register("bob@home.example")


def test_unknown_flags_and_tables_are_left_out(pair: Platform) -> None:
    one, two = pair.nodes[1], pair.nodes[2]
    one.register(ALICE)
    record = one.location.read(one.domain, ALICE)
    assert record is not None
    message = insert(one.part.replica.rows, "other", ALICE, record, record.contacts[0])
    two.part.replica.received(1, 1, message.TYPE, 5, Reader(encode(message, 5)))
    assert not two.has(ALICE) and "other" not in two.location.domains
    assert contact_of(two.part.replica.rows, message, 5)[0].cflags == 0
