"""sipmsgops in a script: headers."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import Once, once
from pysips.testing.story import Story

HEADERS = "X-One: 1\r\nX-Two: 2\r\nx-one: again\r\ns: short\r\nSupported: 100rel, path\r\nPrivacy: id;critical\r\n"


def tried(route: str, headers: str = HEADERS) -> Once:
    return once(route + " forward();", request("MESSAGE", "sip:b@10.0.0.2", headers=headers), "sipmsgops")


def names(done: Once) -> list[str]:
    """The names of the headers behind CSeq."""
    found = [line.partition(":")[0] for line in done.heads()]
    return found[found.index("CSeq") + 1 :]


def test_lines_go_behind_or_before_all_others() -> None:
    done = tried('append_hf("A: 1\r\n"); append_hf("B: 2\r\nC: 3\r\n"); insert_hf("D: 4");')
    assert names(done)[-3:] == ["A", "B", "C"]
    assert done.heads()[1] == "D: 4"


def test_lines_go_behind_or_before_a_header() -> None:
    done = tried('append_hf("A: 1\r\n", "X-One"); insert_hf("B: 2\r\n", "x-two"); append_hf("C: 3\r\n", "X-None");')
    assert names(done)[:4] == ["X-One", "A", "B", "X-Two"]
    assert names(done)[-1] == "C"


@pytest.mark.parametrize("text", ["", "no colon", "A: 1\r\n\r\nbody", "A b: 1", "A: \x011", ": x"])
def test_what_is_no_header_is_refused(text: str) -> None:
    done = tried(f'append_hf("{text}"); say("$rc");')
    assert done.lines == ["-1"]


def test_a_folded_line_stays_one_header() -> None:
    assert "A: 1\r\n 2\r\n" in tried('append_hf("A: 1\r\n 2\r\n");').out


def test_append_urihf_has_the_received_uri_in_it() -> None:
    assert tried('seturi("sip:x@10.0.0.2"); append_urihf("Was: <", ">\r\n");').header("Was") == "<sip:b@10.0.0.2>"


@pytest.mark.parametrize(
    ("call", "code", "left"),
    [
        ('remove_hf("X-One")', "1", ["X-Two", "s", "Supported", "Privacy"]),
        ('remove_hf("X-None")', "-1", ["X-One", "X-Two", "x-one", "s", "Supported", "Privacy"]),
        ('remove_hf("Subject")', "-1", ["X-One", "X-Two", "x-one", "s", "Supported", "Privacy"]),
        ('remove_hf("k")', "1", ["X-One", "X-Two", "x-one", "s", "Privacy"]),
        ('remove_hf_glob("X-*")', "1", ["x-one", "s", "Supported", "Privacy"]),
        ('remove_hf_glob("upported")', "-1", ["X-One", "X-Two", "x-one", "s", "Supported", "Privacy"]),
        ('remove_hf("X-*", "g")', "1", ["x-one", "s", "Supported", "Privacy"]),
        ('remove_hf_re("^x-t")', "1", ["X-One", "x-one", "s", "Supported", "Privacy"]),
        ('remove_hf("^x-t", "r")', "1", ["X-One", "x-one", "s", "Supported", "Privacy"]),
    ],
)
def test_headers_are_taken_out(call: str, code: str, left: list[str]) -> None:
    done = tried(f'{call}; say("$rc");')
    assert (done.lines, names(done)[:-1]) == ([code], left)


def test_a_header_is_taken_out_once() -> None:
    assert tried('remove_hf("X-Two"); remove_hf("X-Two"); say("$rc");').lines == ["-1"]


def test_a_folded_header_goes_with_its_folds() -> None:
    done = tried('remove_hf("X-F");', "X-F: 1\r\n 2\r\n\t3\r\nX-G: 4\r\n")
    assert names(done)[0] == "X-G"


def test_headers_are_asked_for() -> None:
    done = tried(
        'if (is_present_hf("X-ONE")) say("other case"); if (!is_present_hf("X-New")) say("not there");'
        'if (is_present_hf("k")) say("compact"); get_glob_headers_values("X-*", $avp(n), $avp(v));'
        'say("$(avp(n)[*]) $(avp(v)[*])");'
    )
    assert done.lines == ["other case", "not there", "compact", "X-Two, X-One 2, 1"]


def test_lists_lose_and_gain_elements() -> None:
    done = tried(
        'if (list_hdr_has_option("Supported", "PATH")) say("path");'
        'if (!list_hdr_has_option("Supported", "pat")) say("no pat");'
        'list_hdr_add_option("Supported", "timer"); list_hdr_add_option("Supported", "timer");'
        'list_hdr_remove_option("Supported", "100rel"); list_hdr_remove_option("Supported", "100rel"); say("$rc");'
        'list_hdr_add_option("Require", "gruu");'
    )
    assert done.lines == ["path", "no pat", "-1"]
    assert (done.header("Supported"), done.header("Require")) == ("path,timer", "gruu")


def test_a_list_that_loses_all_goes_and_may_come_back() -> None:
    gone = 'list_hdr_remove_option("Supported", "100rel"); list_hdr_remove_option("Supported", "path");'
    assert tried(gone).header("Supported") is None
    assert tried(gone + 'list_hdr_add_option("Supported", "timer");').header("Supported") == "timer"


@pytest.mark.parametrize("option", ["a b", "a,b", "a\r\nX: y", ""])
def test_an_option_is_a_token(option: str) -> None:
    assert tried(f'list_hdr_add_option("Supported", "{option}"); say("$rc");').lines == ["-1"]


def test_privacy_is_asked_for_by_its_known_values() -> None:
    assert tried('if (is_privacy("id")) say("id"); if (!is_privacy("user")) say("not user");').lines == [
        "id",
        "not user",
    ]
    with pytest.raises(ConfigError):
        tried('is_privacy("secret");')


def test_methods_are_asked_for_without_regard_to_case() -> None:
    done = tried('if (is_method("message|BYE")) say("one of them"); if (!is_method("BYE|INVITE")) say("none");')
    assert done.lines == ["one of them", "none"]


def test_own_replies_take_headers_a_date_and_a_body() -> None:
    done = once(
        'append_to_reply("Content-Type: text/plain\r\n"); append_body_to_reply("Grüße"); append_time();'
        'append_to_reply("bad"); say("$rc"); sl_send_reply(200, "OK");', request("OPTIONS"), "sl sipmsgops",
    )  # fmt: skip
    assert done.lines == ["-1"]
    assert (done.header("Content-Length"), done.body()) == ("7", "Grüße")
    assert done.header("Date") == "Tue, 14 Nov 2023 22:30:00 GMT"


def test_a_reply_gets_another_status_of_its_class() -> None:
    script = (
        'route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }'
        'onreply_route[r] { change_reply_status(200, "No"); xlog("@@$rc"); change_reply_status(486, "Busy");'
        'xlog("@@$rs"); }'
    )
    story = Story(script, "sl tm sipmsgops")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 404)
    assert alice.heard(486).reason == "Busy"
    assert [line for line in story.lines if line.startswith("@@")] == ["@@-1", "@@486"]


def test_the_message_as_json() -> None:
    done = tried('sip_to_json($var(j)); say("$(var(j){s.substr,0,45})");')
    assert done.lines == ['{"first_line": "MESSAGE sip:b@10.0.0.2 SIP/2.']


@pytest.mark.parametrize(
    ("call", "code", "uri"),
    [
        ('ruri_has_param("a")', "-1", ""), ('ruri_has_param("A", "1")', "1", ""), ('ruri_has_param("b")', "1", ""),
        ('ruri_has_param("a", "2")', "-1", ""), ('ruri_has_param("z")', "-1", ""),
        ('ruri_add_param("c=3")', "1", "sip:b@10.0.0.2;a=1;b;c=3?h=v"),
        ('ruri_add_param("c=3\r\nX: y")', "-1", ""), ('ruri_add_param("a?b")', "-1", ""),
        ('ruri_del_param("a")', "1", "sip:b@10.0.0.2;b?h=v"), ('ruri_del_param("z")', "-1", ""),
        ("ruri_tel2sip()", "1", ""),
    ],
)  # fmt: skip
def test_parameters_of_the_request_uri(call: str, code: str, uri: str) -> None:
    asked = "sip:b@10.0.0.2;a=1;b?h=v"
    assert once(f'{call}; say("$rc $ru");', request("MESSAGE", asked), "sipmsgops").lines == [f"{code} {uri or asked}"]


def test_a_tel_uri_becomes_a_sip_uri_at_the_callers_host() -> None:
    done = once('ruri_tel2sip(); say("$rc $ru");', request("MESSAGE", "tel:+1-201;phone-context=x"), "sipmsgops")
    assert done.lines == ["1 sip:+1-201;phone-context=x@example.com;user=phone"]


@pytest.mark.parametrize(
    ("uri", "code"),
    [("sip:+4930123456@x", "1"), ("tel:+4930123456", "1"), ("sip:4930@x", "-1"), ("sip:+1@x", "-1"),
     ("sip:+1a2@x", "-1"),
     ("sip:+1234567890123456@x", "-1"), ("nothing", "-1")],
)  # fmt: skip
def test_e164_numbers(uri: str, code: str) -> None:
    assert tried(f'is_uri_user_e164("{uri}"); say("$rc");').lines == [code]
