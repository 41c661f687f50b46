"""nathelper in a script: phones behind NATs."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import Once, once

SDP = "v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def tried(route: str, contact: str = "<sip:a@10.0.0.7:99>", via: str = "192.168.1.5:5060", body: str = "") -> Once:
    headers = f"Contact: {contact}\r\n" + ("Content-Type: application/sdp\r\n" if body else "")
    asked = request("INVITE", "sip:b@198.51.100.2", via=via, headers=headers, body=body)
    return once(route + ' forward("udp:198.51.100.2");', asked, "nathelper", source="203.0.113.5", port=7000)


@pytest.mark.parametrize(
    ("flags", "contact", "via", "body", "hidden"),
    [
        ("private-contact", "<sip:a@10.0.0.7>", "203.0.113.5", "", True),
        ("private-contact", "<sip:a@203.0.113.5>, <sip:a@172.16.0.1>", "203.0.113.5", "", True),
        ("private-contact", "<sip:a@203.0.113.5>", "10.0.0.1", "", False),
        ("private-contact", "<sip:a@[fd00::1]>", "203.0.113.5", "", False),
        ("private-contact,carrier-grade-nat", "<sip:a@100.64.9.9>", "203.0.113.5", "", True),
        ("private-contact,carrier-grade-nat", "<sip:a@192.0.0.7>", "203.0.113.5", "", True),
        ("private-contact,carrier-grade-nat", "<sip:a@192.0.0.8>", "203.0.113.5", "", False),
        ("private-contact", "<sip:a@192.0.0.7>", "203.0.113.5", "", False),
        ("private-contact", "<sip:a@100.64.9.9>", "203.0.113.5", "", True),
        ("private-contact", "<sip:a@127.0.0.9>", "203.0.113.5", "", True),
        ("private-via,carrier-grade-nat", "<sip:a@x>", "192.0.0.1", "", True),
        ("132", "<sip:a@x>", "192.0.0.1", "", True),
        ("128", "<sip:a@10.0.0.1>", "192.0.0.1", "", False),
        ("private-sdp,carrier-grade-nat", "<sip:a@x>", "203.0.113.5", SDP.replace("10.9.9.9", "192.0.0.2"), True),
        ("private-via", "<sip:a@203.0.113.5>", "192.168.0.1", "", True),
        ("private-via", "<sip:a@10.0.0.1>", "203.0.113.5", "", False),
        ("diff-ip-src-via", "<sip:a@x>", "203.0.113.6:7000", "", True),
        ("diff-ip-src-via", "<sip:a@x>", "203.0.113.5:9", "", False),
        ("diff-port-src-via", "<sip:a@x>", "203.0.113.5", "", True),
        ("diff-port-src-via", "<sip:a@x>", "203.0.113.5:7000", "", False),
        ("diff-ip-src-contact", "<sip:a@203.0.113.6:7000>", "203.0.113.5", "", True),
        ("diff-port-src-contact", "<sip:a@203.0.113.5>", "203.0.113.5", "", True),
        ("diff-port-src-contact", "<sip:a@203.0.113.5:7000>", "203.0.113.5", "", False),
        ("private-sdp", "<sip:a@203.0.113.5>", "203.0.113.5", SDP, True),
        ("private-sdp", "<sip:a@10.0.0.1>", "203.0.113.5", SDP.replace("10.9.9.9", "203.0.113.5"), False),
        ("private-sdp", "<sip:a@10.0.0.1>", "203.0.113.5", "", False),
        ("1", "<sip:a@10.0.0.7>", "203.0.113.5", "", True),
        ("18", "<sip:a@10.0.0.7>", "203.0.113.5:7000", "", False),
        ("1", "*", "203.0.113.5", "", False),
        ("1", "<sip:unclosed", "203.0.113.5", "", False),
    ],
)
def test_a_nat_is_seen(flags: str, contact: str, via: str, body: str, hidden: bool) -> None:
    done = tried(f'if (nat_uac_test("{flags}")) say("nat");', contact, via, body)
    assert done.lines == (["nat"] if hidden else [])


@pytest.mark.parametrize("flags", ["private", "999", ""])
def test_an_unknown_test_is_a_complaint_at_load(flags: str) -> None:
    with pytest.raises(ConfigError):
        tried(f'nat_uac_test("{flags}");')


@pytest.mark.parametrize(
    ("call", "contact", "fixed"),
    [
        ("", '"Me, too" <sip:a@10.0.0.1:99;x=1>;q=0.5', '"Me, too" <sip:a@203.0.113.5:7000;x=1>;q=0.5'),
        ("", "<sip:a@10.0.0.1>, <sip:a:pw@h?x=y>", "<sip:a@203.0.113.5:7000>, <sip:a:pw@203.0.113.5:7000?x=y>"),
        ("", "sip:a@10.0.0.1;expires=3", "sip:a@203.0.113.5:7000;expires=3"),
        ("", "<sip:a@10.0.0.1;maddr=10.0.0.2;x>", "<sip:a@203.0.113.5:7000;x>"),
        ('";nat=yes"', "<sip:a@10.0.0.1;x=1>", "<sip:a@203.0.113.5:7000;nat=yes;x=1>"),
        ('";nat=yes"', "sip:a@10.0.0.1;expires=3", "<sip:a@203.0.113.5:7000;nat=yes>;expires=3"),
        (', "preserve-uri"', "<sip:a@10.0.0.1:99>", "<sip:a@203.0.113.5:7000;org=MTAuMC4wLjE6OTk=>"),
    ],
)
def test_contacts_get_the_address_that_they_came_from(call: str, contact: str, fixed: str) -> None:
    done = tried(f'fix_nated_contact({call}); say("$rc");', contact)
    assert (done.lines, done.header("Contact")) == (["1"], fixed)


def test_contacts_are_fixed_once_and_refuse_what_is_no_parameter() -> None:
    assert tried('fix_nated_contact(); fix_nated_contact(); say("$rc");').lines == ["-1"]
    assert tried('fix_nated_contact("x=1"); say("$rc"); fix_nated_contact(";x\r\nY: 1"); say("$rc");').lines == [
        "-1",
        "-1",
    ]


def test_a_preserved_address_is_restored() -> None:
    asked = request("BYE", "sip:a@203.0.113.5:7000;org=MTAuMC4wLjE6OTk=;x=1")
    done = once('restore_nated_ruri(); say("$rc $ru $du");', asked, "nathelper")
    assert done.lines == ["1 sip:a@10.0.0.1:99;x=1 sip:a@203.0.113.5:7000;x=1"]


@pytest.mark.parametrize("kept", ["", ";org=%%%", ";org=AAAA", ";org=YSBi"])
def test_what_keeps_no_address_is_left_alone(kept: str) -> None:
    asked = request("BYE", f"sip:a@203.0.113.5{kept}")
    assert once('restore_nated_ruri(); say("$rc $ru");', asked, "nathelper").lines == [f"-1 sip:a@203.0.113.5{kept}"]


def test_addresses_of_a_description_are_rewritten_and_kept_in_lines() -> None:
    done = tried('fix_nated_sdp("rewrite-media-ip,rewrite-origin-ip,add-dir-active,add-no-rtpproxy");', body=SDP)
    assert done.body() == (
        "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        "a=direction:active\r\na=nortpproxy:yes\r\na=oldoip:10.9.9.9\r\na=oldcip:10.9.9.9\r\n"
    )
    assert done.header("Content-Length") == str(len(done.body()))


def test_another_address_and_lines_of_the_scripts_own() -> None:
    done = tried('fix_nated_sdp("3", "192.0.2.9", "\r\na=mine");', body=SDP)
    assert "c=IN IP4 192.0.2.9\r\n" in done.body() and done.body().endswith("a=oldcip:10.9.9.9\r\na=mine\r\n")


def test_null_addresses_stay_unless_they_are_asked_for() -> None:
    nulls = SDP.replace("c=IN IP4 10.9.9.9", "c=IN IP4 0.0.0.0")
    assert "c=IN IP4 0.0.0.0" in tried('fix_nated_sdp("rewrite-media-ip");', body=nulls).body()
    assert "c=IN IP4 203.0.113.5" in tried('fix_nated_sdp("rewrite-media-ip,rewrite-null-ips");', body=nulls).body()


@pytest.mark.parametrize("arguments", ['"rewrite-media-ip", "a\r\nb"', '"add-dir-active", , "\r\nX: y"'])
def test_what_is_no_line_of_a_description_is_refused(arguments: str) -> None:
    assert tried(f'fix_nated_sdp({arguments}); say("$rc");', body=SDP).lines == ["-1"]


def test_without_a_description_there_is_nothing_to_fix() -> None:
    assert tried('fix_nated_sdp("2"); say("$rc");').lines == ["-1"]


def test_the_source_is_remembered_for_save() -> None:
    top = 'modparam("nathelper", "received_avp", "$avp(rcv)")'
    done = once(
        'fix_nated_register(); say("$rc $avp(rcv)");', modules="nathelper", top=top, source="203.0.113.5", port=7000
    )
    assert done.lines == ["1 sip:203.0.113.5:7000"]
    assert once('fix_nated_register(); say("$rc");', modules="nathelper").lines == ["-1"]


def test_the_source_is_written_into_contacts() -> None:
    assert tried("add_rcv_param();").header("Contact") == '<sip:a@10.0.0.7:99>;received="sip:203.0.113.5:7000"'
    assert (
        tried("add_rcv_param(1);", "<sip:a@h?x=y>;q=1").header("Contact")
        == "<sip:a@h;received=sip:203.0.113.5:7000?x=y>;q=1"
    )


def test_numbers_need_no_quotes_as_in_2_4() -> None:
    for test, hidden in (("1", True), ("2", True), ("64", True), ("8", False)):
        found = tried(f'if (nat_uac_test({test})) say("yes");').lines
        assert found == (["yes"] if hidden else [])
    with pytest.raises(ConfigError):
        tried("nat_uac_test(-1);")
    assert "IN IP4 203.0.113.5" in tried("fix_nated_sdp(2);", body=SDP).body()


@pytest.mark.parametrize(
    "top",
    ['modparam("nathelper", "natping_interval", 30)', 'modparam("nathelper", "received_avp", "$var(x)")',
     'modparam("nathelper", "oldip_skip", "x")', 'modparam("nathelper", "nortpproxy_str", "a=x\\na=y")'],
)  # fmt: skip
def test_what_cannot_be_is_said_at_load(top: str) -> None:
    with pytest.raises(ConfigError):
        once("exit;", modules="nathelper", top=top)


def test_the_line_that_forbids_proxies_ends_once() -> None:
    top = 'modparam("nathelper", "nortpproxy_str", "a=nortpproxy:yes\\r\\n")'
    asked = request("INVITE", "sip:b@10.0.0.2", headers="Content-Type: application/sdp\r\n", body=SDP)
    out = once('fix_nated_sdp("add-no-rtpproxy"); forward();', asked, "nathelper", top).out
    assert out.endswith("\r\na=nortpproxy:yes\r\n")


@pytest.mark.parametrize(
    "top",
    ['modparam("nathelper", "oldip_skip", "c")\nmodparam("nathelper", "oldip_skip", "o")',
     'modparam("nathelper", "oldip_skip", "o c")'],
)  # fmt: skip
def test_old_addresses_are_kept_in_no_line_where_nobody_wants_them(top: str) -> None:
    asked = request("INVITE", "sip:b@10.0.0.2", headers="Content-Type: application/sdp\r\n", body=SDP)
    assert "a=old" not in once('fix_nated_sdp("10"); forward();', asked, "nathelper", top).out
