"""save(): what a REGISTER does to the table, and what it is answered."""

from collections.abc import Callable

import pytest

from pysips.core.services import Peer

from .conftest import NOW, Rig

Make = Callable[..., Rig]
PHONE = "sip:alice@192.0.2.7:5060"


def test_a_contact_is_stored_and_listed(rig: Rig) -> None:
    assert rig.save(f"Contact: <{PHONE}>") == 1
    assert rig.replies.sent == [(200, "OK", [f"Contact: <{PHONE}>;expires=3600"])]
    (contact,) = rig.shown()
    assert contact.pop("ContactID").isdigit()
    assert contact == {
        "Contact": PHONE, "Expires": 3600, "Q": "", "Callid": "c1", "Cseq": 1, "User-agent": "n/a", "State": "CS_NEW",
        "Flags": 0, "Cflags": "", "Socket": "udp:10.0.0.1:5060", "Methods": 4294967295,
    }  # fmt: skip


def test_a_refresh_keeps_the_id_and_moves_the_time(rig: Rig) -> None:
    rig.save(f"Contact: <{PHONE}>")
    first = rig.shown()[0]["ContactID"]
    rig.clock.at += 1000
    assert rig.save(f"Contact: <{PHONE}>", "CSeq: 2 REGISTER") == 1
    assert rig.listed() == f"<{PHONE}>;expires=3600"
    assert rig.shown()[0]["ContactID"] == first


def test_without_a_contact_it_is_a_question(rig: Rig) -> None:
    assert rig.save() == 1
    assert rig.replies.sent[-1] == (200, "OK", [])
    rig.save(f"Contact: <{PHONE}>;q=0.5")
    before = rig.tables.commits
    assert rig.save("CSeq: 2 REGISTER") == 1
    assert rig.listed() == f"<{PHONE}>;q=0.5;expires=3600"
    assert rig.tables.commits == before


def test_expires_zero_takes_one_contact_off(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    assert rig.save("Contact: <sip:a@h>;expires=0", "CSeq: 2 REGISTER") == 1
    assert rig.listed() == "<sip:b@h>;expires=3600"
    assert rig.save("Contact: <sip:b@h>", "Expires: 0", "CSeq: 3 REGISTER") == 1
    assert rig.listed() == ""
    assert rig.tables.count(b"L") == 0


def test_taking_off_what_is_not_there_writes_nothing(rig: Rig) -> None:
    before = rig.tables.commits
    assert rig.save("Contact: <sip:a@h>;expires=0") == 1
    assert rig.tables.commits == before


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Contact: <sip:a@h>;expires=100"], 100),
        (["Contact: <sip:a@h>", "Expires: 100"], 100),
        (["Contact: <sip:a@h>;expires=200", "Expires: 100"], 200),
        (["Contact: <sip:a@h>;expires=xyz", "Expires: 100"], 3600),
        (["Contact: <sip:a@h>;expires=99999999999"], 3600),
        (["Contact: <sip:a@h>;expires=4294967295"], 4294967295),
        (["Contact: <sip:a@h>;expires=5"], 60),
        (["Contact: sip:a@h;expires=100"], 100),
        (['Contact: "A, \\"B\\"" <sip:a@h> ; Expires = 100 ;q=0.2'], 100),
    ],
)
def test_how_long_a_contact_lives(rig: Rig, lines: list[str], seconds: int) -> None:
    assert rig.save(*lines) == 1
    assert rig.listed().endswith(f";expires={seconds}")


def test_lifetimes_stay_between_min_and_max(make: Make) -> None:
    rig = make(
        ("registrar", "min_expires", 100), ("registrar", "max_expires", 200), ("registrar", "default_expires", 50)
    )
    for asked, granted in (("", 100), ("10", 100), ("150", 150), ("9999", 200)):
        rig.save("Contact: <sip:a@h>" + (f";expires={asked}" if asked else ""))
        assert rig.listed() == f"<sip:a@h>;expires={granted}"
    rig.save("Contact: <sip:a@h>;expires=10", flags="min-expires=20,max-expires=30")
    assert rig.listed() == "<sip:a@h>;expires=20"
    rig.save("Contact: <sip:a@h>;expires=1000", flags="e20E30")
    assert rig.listed() == "<sip:a@h>;expires=30"


def test_lifetimes_may_vary(make: Make) -> None:
    rig = make(("registrar", "expires_max_deviation", 50))
    for k in range(20):
        rig.save(f"Contact: <sip:a{k}@h>;expires=1000")
    lifetimes = {contact["Expires"] for contact in rig.shown()}
    assert len(lifetimes) > 1
    assert all(950 <= seconds <= 1050 for seconds in lifetimes)


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["Contact: <sip:a@h>", "Expires: abc"], "400 Expires parse error"),
        (["Contact: <sip:a@h>", "Expires: -5"], "400 Expires parse error"),
        (["Contact: <sip:a@h>", "Expires: ٣"], "400 Expires parse error"),
        (["Contact: <sip:a@h"], "400 Contact parse error"),
        (["Contact:"], "400 Contact parse error"),
        (["Contact: *, <sip:a@h>", "Expires: 0"], "400 Contact parse error"),
        (["Contact: *", "Contact: <sip:a@h>", "Expires: 0"], "400 * used in contact and more than 1 contact"),
        (["Contact: <sip:a@h>", "Contact: *", "Expires: 0"], "400 * used in contact and more than 1 contact"),
        (["Contact: *"], "400 * used in contact and expires is not zero"),
        (["Contact: *", "Expires: 30"], "400 * used in contact and expires is not zero"),
        (["Contact: <sip:a@h>;q=1.5"], "400 Invalid q param in contact"),
        (["Contact: <sip:a@h>;q=abc"], "400 Invalid q param in contact"),
        (["Contact: <sip:a@h>;methods=\"IN VITE\""], "400 Message parse error"),
        (["Contact: <nonsense>"], "500 usrloc_contact_insert failed"),
        (["Contact: <sip:" + "a" * 300 + "@h>"], "400 Contact/received too long"),
        (["Contact: <sip:a@h>;received=\"sip:" + "a" * 300 + "\""], "400 Contact/received too long"),
        (["Contact: <sip:a@h>", "Call-ID: " + "a" * 300], "400 Callid too long"),
        (["Contact: <sip:a@h>", "CSeq: x REGISTER"], "400 Invalid CSeq number"),
        (["Contact: <sip:a@h>", "Require: path, carrots"], "420 Required extension not supported"),
    ],
)  # fmt: skip
def test_refusals(rig: Rig, lines: list[str], answer: str) -> None:
    assert rig.save(*lines) == -2
    assert rig.error() == answer
    assert rig.tables.records == {}
    assert (rig.statistic("accepted_regs"), rig.statistic("rejected_regs")) == (0, 1)


def test_a_refusal_names_what_is_not_supported(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "Require: path, carrots, Peas")
    assert "Unsupported: carrots, Peas" in rig.replies.sent[-1][2]


@pytest.mark.parametrize(
    ("aor", "answer"),
    [
        ("tel:", "400 Error while parsing AOR"),
        ("mailto:a@b", "400 Error while parsing AOR"),
        ("sip:" + "u" * 65 + "@h", "500 Address Of Record too long"),
        ("sip:u@" + "h" * 65, "500 Address Of Record too long"),
    ],
)
def test_an_aor_that_is_none(rig: Rig, aor: str, answer: str) -> None:
    assert rig.save("Contact: <sip:a@h>", aor=aor) == -2
    assert rig.error() == answer


def test_all_contacts_or_none(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "CSeq: 10 REGISTER")
    assert rig.save("Contact: <sip:b@h>, <sip:a@h>", "CSeq: 9 REGISTER") == -2
    assert rig.error() == "400 Invalid CSeq number"
    assert rig.listed() == "<sip:a@h>;expires=3600"
    assert rig.save("Contact: <sip:c@h>, <nonsense>", "CSeq: 11 REGISTER") == -2
    assert [contact["Contact"] for contact in rig.shown()] == ["sip:a@h"]


def test_another_call_may_count_anew(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "CSeq: 10 REGISTER")
    assert rig.save("Contact: <sip:a@h>;expires=99", "CSeq: 1 REGISTER", "Call-ID: other") == 1
    assert rig.listed() == "<sip:a@h>;expires=99"


def test_the_same_cseq_is_a_refresh_or_a_retransmission(make: Make) -> None:
    rig = make()
    rig.save("Contact: <sip:a@h>")
    assert rig.save("Contact: <sip:a@h>;expires=99") == 1
    assert rig.listed() == "<sip:a@h>;expires=99"
    rig = make(("registrar", "allow_dup_cseq", 0), ("usrloc", "cseq_delay", 20))
    rig.save("Contact: <sip:a@h>")
    assert rig.save("Contact: <sip:a@h>;expires=99") == 1
    assert rig.listed() == "<sip:a@h>;expires=3600"
    rig.clock.at += 20
    assert rig.save("Contact: <sip:a@h>;expires=99") == -2
    assert rig.error() == "400 Invalid CSeq number"


def test_star_takes_all_off(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    assert rig.save("Contact: *", "Expires: 0", "CSeq: 2 REGISTER") == 1
    assert rig.replies.sent[-1] == (200, "OK", [])
    assert rig.tables.count(b"L") == 0


def test_star_that_came_late_takes_nothing_off(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "CSeq: 10 REGISTER")
    assert rig.save("Contact: *", "Expires: 0", "CSeq: 9 REGISTER") == -2
    assert rig.error() == "400 Invalid CSeq number"
    assert rig.listed() == "<sip:a@h>;expires=3600"


def test_contacts_stand_by_falling_q(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>;q=0.3, <sip:b@h>;q=0.9", "Contact: sip:c@h;q=0.5, <sip:d@h>, <sip:e@h>;q=0.9")
    assert rig.listed().replace(";expires=3600", "") == (
        "<sip:b@h>;q=0.9, <sip:e@h>;q=0.9, <sip:c@h>;q=0.5, <sip:a@h>;q=0.3, <sip:d@h>"
    )
    rig.save("Contact: <sip:a@h>;q=1.000", "CSeq: 2 REGISTER")
    assert rig.listed().startswith("<sip:a@h>;q=1;expires=3600, <sip:b@h>;q=0.9")


def test_the_newest_first_where_it_is_wanted(make: Make) -> None:
    rig = make(("usrloc", "desc_time_order", 1))
    rig.save("Contact: <sip:a@h>;q=0.9, <sip:b@h>, <sip:c@h>;q=0.1")
    assert rig.listed().replace(";expires=3600", "") == "<sip:c@h>;q=0.1, <sip:b@h>, <sip:a@h>;q=0.9"
    rig.save("Contact: <sip:a@h>;q=0.9", "CSeq: 2 REGISTER")
    assert rig.listed().startswith("<sip:a@h>")


def test_a_default_q(make: Make) -> None:
    rig = make(("registrar", "default_q", 250))
    rig.save("Contact: <sip:a@h>")
    assert rig.listed() == "<sip:a@h>;q=0.25;expires=3600"


def test_no_more_contacts_than_allowed(make: Make) -> None:
    rig = make(("registrar", "max_contacts", 2), ("registrar", "retry_after", 30))
    assert rig.save("Contact: <sip:a@h>, <sip:b@h>") == 1
    assert rig.save("Contact: <sip:a@h>, <sip:c@h>", "CSeq: 2 REGISTER") == -2
    assert rig.error() == "503 Too many registered contacts"
    assert rig.replies.sent[-1][2][-1] == "Retry-After: 30"
    assert rig.save("Contact: <sip:c@h>, <sip:b@h>;expires=0", "CSeq: 3 REGISTER") == -2
    assert rig.save("Contact: <sip:b@h>;expires=0, <sip:c@h>", "CSeq: 4 REGISTER") == 1
    assert rig.save("Contact: <sip:d@h>", "CSeq: 5 REGISTER", flags="max-contacts=3") == 1
    assert rig.save("Contact: <sip:e@h>", "CSeq: 6 REGISTER", flags="c0") == 1
    assert len(rig.shown()) == 4


def test_an_expired_contact_takes_no_room(make: Make) -> None:
    rig = make(("registrar", "max_contacts", 1))
    rig.save("Contact: <sip:a@h>;expires=100")
    rig.clock.at += 100
    assert rig.save("Contact: <sip:b@h>;expires=100", "CSeq: 2 REGISTER") == 1
    assert rig.listed() == "<sip:b@h>;expires=100"
    assert rig.save("Contact: <sip:a@h>", "CSeq: 3 REGISTER") == -2, "it would be valid again"
    assert rig.save("Contact: <sip:a@h>", "CSeq: 4 REGISTER", flags="force-registration") == 1
    assert rig.listed() == "<sip:a@h>;expires=3600"


def test_force_makes_room(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>;q=0.5, <sip:b@h>")
    assert rig.save("Contact: <sip:c@h>", "CSeq: 2 REGISTER", flags="max-contacts=2,force-registration") == 1
    assert rig.listed().replace(";expires=3600", "") == "<sip:a@h>;q=0.5, <sip:c@h>"
    assert rig.save("Contact: <sip:d@h>", "CSeq: 3 REGISTER", flags="c1f") == 1
    assert rig.listed() == "<sip:d@h>;expires=3600"


def test_contacts_are_the_same_by_their_uri(rig: Rig) -> None:
    rig.save("Contact: <sip:a@H.example.com;line=1>")
    rig.save("Contact: <sip:%61@h.EXAMPLE.com;LINE=1>", "CSeq: 2 REGISTER")
    assert rig.listed() == "<sip:%61@h.EXAMPLE.com;LINE=1>;expires=3600"
    rig.save("Contact: <sip:a@h.example.com:5060;line=1>, <sip:a@h.example.com;transport=tcp>", "CSeq: 3 REGISTER")
    assert len(rig.shown()) == 3


def test_or_by_uri_and_call_id(make: Make) -> None:
    rig = make(("usrloc", "matching_mode", 1))
    rig.save("Contact: <sip:a@h>")
    rig.save("Contact: <sip:a@h>", "Call-ID: other")
    assert rig.listed() == "<sip:a@h>;expires=3600, <sip:a@h>;expires=3600"
    rig.save("Contact: <sip:a@h>", "Call-ID: third", flags="matching-mode=0")
    assert len(rig.shown()) == 2


def test_or_by_a_parameter_of_the_uri(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h:1;rinstance=x>")
    rig.save("Contact: <sip:a@h:2;rinstance=y>", "CSeq: 2 REGISTER", flags="matching-mode=<rinstance>")
    rig.save("Contact: <sip:a@h:3;rinstance=x>", "CSeq: 3 REGISTER", flags="matching-mode=<rinstance>")
    assert [contact["Contact"] for contact in rig.shown()] == ["sip:a@h:3;rinstance=x", "sip:a@h:2;rinstance=y"]


def test_a_contact_that_is_none_replaces_nothing(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h:1;rinstance=x>")
    assert rig.save("Contact: <nonsense>", "CSeq: 2 REGISTER", flags="matching-mode=<rinstance>") == -2
    assert rig.listed() == "<sip:a@h:1;rinstance=x>;expires=3600"


def test_no_reply_where_the_script_answers(rig: Rig) -> None:
    assert rig.save("Contact: <sip:a@h>", flags="no-reply") == 1
    assert rig.save("Contact: <sip:a@h>;q=7", flags="r") == -2
    assert rig.replies.sent == []


def test_a_reply_that_cannot_be_sent(rig: Rig) -> None:
    rig.replies.answer = -1
    assert rig.save("Contact: <sip:a@h>") == -1
    assert len(rig.shown()) == 1


def test_only_the_contacts_of_the_request(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    rig.save("Contact: <sip:c@h>, <sip:b@h>", "CSeq: 2 REGISTER", flags="only-request-contacts")
    assert rig.listed() == "<sip:c@h>;expires=3600, <sip:b@h>;expires=3600"


def test_memory_only_is_written_down(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", flags="m")
    assert rig.shown()[0]["Flags"] == 1


def test_a_full_table_is_a_500_and_changes_nothing(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    rig.tables.is_full = True
    assert rig.save("Contact: <sip:b@h>", "CSeq: 2 REGISTER") == -2
    assert rig.error() == "500 usrloc_contact_insert failed"
    assert rig.listed() == "<sip:a@h>;expires=3600"
    rig.tables.is_full = False
    assert rig.save("Contact: <sip:b@h>", "CSeq: 3 REGISTER") == 1


def test_what_comes_with_a_contact(rig: Rig) -> None:
    phone = rig.services.branch_flags.mask("PHONE")
    ctx = rig.register(
        'Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";methods="INVITE, bye,X";received="sip:192.0.2.7:4"',
        "User-Agent: yealink 2", "Allow: OPTIONS",
    )  # fmt: skip
    ctx.bflags = phone
    assert rig.call("save", ctx, "location", None, None, "vip1") == 1
    contact = rig.shown()[0]
    assert contact["User-agent"] == "yealink 2"
    assert contact["SIP_instance"] == "<urn:uuid:1>"
    assert contact["Received"] == "sip:192.0.2.7:4"
    assert contact["Methods"] == 1 | 8 | 16384
    assert contact["Cflags"] == "PHONE"
    assert rig.listed() == '<sip:a@h>;expires=3600;received="sip:192.0.2.7:4"'


def test_allow_says_the_methods_of_contacts_without_their_own(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "Allow: INVITE, ACK", "Allow: BYE")
    assert rig.shown()[0]["Methods"] == 1 | 4 | 8
    rig.save("Contact: <sip:a@h>", "Allow: INV ITE")
    assert rig.shown()[0]["Methods"] == 4294967295


def test_a_user_agent_that_is_too_long_is_left_out(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", "User-Agent: " + "x" * 300)
    assert rig.shown()[0]["User-agent"] == "n/a"


def test_where_a_phone_was_seen(make: Make) -> None:
    rig = make(("registrar", "received_avp", "$avp(rcv)"), ("registrar", "received_param", "rcvd"),
               ("registrar", "attr_avp", "$avp(attr)"))  # fmt: skip
    ctx = rig.register("Contact: <sip:a@h>")
    ctx.avps["rcv"] = ["old", "sip:192.0.2.7:4"]
    ctx.avps["attr"] = ["blue"]
    rig.call("save", ctx, "location")
    assert rig.listed() == '<sip:a@h>;expires=3600;rcvd="sip:192.0.2.7:4"'
    assert rig.shown()[0]["Attr"] == "blue"


def test_quotes_in_it_stay_inside(make: Make) -> None:
    rig = make(("registrar", "received_avp", "$avp(rcv)"))
    ctx = rig.register("Contact: <sip:a@h>")
    ctx.avps["rcv"] = ['sip:"h']
    rig.call("save", ctx, "location")
    assert rig.listed() == '<sip:a@h>;expires=3600;received="sip:\\"h"'
    ctx = rig.register("Contact: <sip:a@h>", "CSeq: 2 REGISTER")
    ctx.avps["rcv"] = ["sip:h\r\nX: y"]
    assert rig.call("save", ctx, "location") == -2


def test_an_aor_of_the_scripts_choice(rig: Rig) -> None:
    assert rig.call("save", rig.register("Contact: <sip:a@h>"), "location", None, "sip:boss@other.example") == 1
    assert len(rig.shown("boss@other.example")) == 1


def test_any_method_may_be_saved(rig: Rig) -> None:
    assert rig.call("save", rig.invite("sip:x@h", "OPTIONS", "Contact: <sip:a@h>"), "location") == 1


def test_a_socket_named_by_the_proxy_before_us(make: Make) -> None:
    rig = make(("registrar", "sock_hdr_name", "Sock-Info"))
    rig.save("Contact: <sip:a@h>", "Sock-Info: TCP:10.0.0.1:5070", flags="socket-header")
    assert rig.shown()[0]["Socket"] == "tcp:sip.example.com:5071"
    rig.save("Contact: <sip:a@h>", "Sock-Info: udp:203.0.113.1:5060", flags="socket-header")
    assert rig.shown()[0]["Socket"] == "udp:10.0.0.1:5060", "one that is not ours counts for nothing"


def test_bytes_that_are_no_text_come_back_as_they_were(rig: Rig) -> None:
    phone = b"T\xe9l\xe9phone".decode("utf-8", "surrogateescape")
    contact = b"sip:\xff\xe9@h".decode("utf-8", "surrogateescape")
    rig.save(f"Contact: <{contact}>", f"User-Agent: {phone} é")
    assert rig.shown()[0]["User-agent"] == phone + " é"
    assert rig.listed() == f"<{contact}>;expires=3600"


def test_a_connection_lives_as_long_as_its_contact(make: Make) -> None:
    rig = make(("registrar", "tcp_persistent_flag", "TCP_PERSISTENT"))
    source = Peer("tcp", "192.0.2.7", 40000, rig.other, 17)
    ctx = rig.register("Contact: <sip:a@h>;expires=300, <sip:b@h>;expires=600", source=source)
    rig.call("save", ctx, "location")
    assert rig.network.kept == []
    ctx = rig.register("Contact: <sip:a@h>;expires=300, <sip:b@h>;expires=600", "CSeq: 2 REGISTER", source=source)
    ctx.flags = rig.services.message_flags.mask("TCP_PERSISTENT")
    rig.call("save", ctx, "location")
    assert rig.network.kept == [(17, 610)]


def test_statistics(make: Make) -> None:
    rig = make(("registrar", "max_contacts", 5), ("registrar", "max_expires", 7200))
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    rig.save("Contact: <sip:a@h>", aor="sip:bob@example.com")
    assert rig.statistic("registrar:accepted_regs") == 2
    assert rig.statistic("registrar:max_contacts") == 5
    assert rig.statistic("registrar:max_expires") == 7200
    assert rig.statistic("registrar:default_expire") == 3600
    assert rig.statistic("usrloc:registered_users") == 2
    assert rig.statistic("usrloc:location-users") == 2
    assert rig.statistic("usrloc:location-contacts") == 3
    rig.save("Contact: *", "Expires: 0", "CSeq: 2 REGISTER")
    assert rig.statistic("usrloc:location-users") == 1
    assert rig.statistic("usrloc:location-contacts") == 1


def test_the_tables_do_not_mix(rig: Rig) -> None:
    rig.call("save", rig.register("Contact: <sip:a@h>"), "loc_b")
    assert rig.call("lookup", rig.invite(), "location") == -1
    assert rig.call("lookup", rig.invite(), "loc_b") == 1


def test_time_is_what_the_clock_says(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>;expires=100")
    rig.clock.at = NOW + 40
    rig.save("CSeq: 2 REGISTER")
    assert rig.listed() == "<sip:a@h>;expires=60"
    rig.clock.at = NOW + 100
    rig.save("CSeq: 3 REGISTER")
    assert rig.listed() == ""


def test_neither_a_request_nor_an_aor_grows_without_end(rig: Rig) -> None:
    assert rig.save("Contact: " + ", ".join(f"<sip:{k}@h>" for k in range(101))) == -2
    assert rig.error() == "400 Too many contacts in one request"
    for hundred in range(10):
        assert rig.save("Contact: " + ", ".join(f"<sip:{hundred}-{k}@h>" for k in range(100))) == 1
    assert rig.save("Contact: <sip:one-more@h>") == -2
    assert rig.error() == "503 Too many registered contacts"


@pytest.mark.parametrize("uri", ["sip:a@b@c", "sip:", "sip:a@h:99999", "mailto:a@h", "sip:a@[1"])
def test_a_contact_that_nobody_could_call(rig: Rig, uri: str) -> None:
    assert rig.save(f"Contact: <{uri}>") == -2
    assert rig.error() == "500 usrloc_contact_insert failed"
    assert rig.tables.records == {}


def test_header_lines_may_be_folded(rig: Rig) -> None:
    ctx = rig.request(
        "REGISTER sip:h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=1"
        "\nTo:\n  <sip:alice@example.com>"
        "\nCall-ID: c1\nCSeq: 1\n  REGISTER\nm: <sip:a@h>\n ;expires=99"
    )
    assert rig.call("save", ctx, "location") == 1
    assert rig.listed() == "<sip:a@h>;expires=99"
