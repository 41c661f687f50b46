"""sipmsgops in a script: bodies, codecs, and whether a message is well."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import Once, once

MIXED = (
    "--bb\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    "--bb\r\nContent-Type: application/x;q=1\r\nX-Own: 2\r\n\r\nkeep\r\n--bb--\r\n"
)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8 97 101 98\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 speex/16000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:98 rtx/16000\r\na=fmtp:98 apt=97\r\n"
    "a=sendrecv\r\n"
    "m=video 4002 UDP/TLS/RTP/SAVPF 31\r\na=rtpmap:31 H261/90000\r\n"
)


def tried(route: str, kind: str = "text/plain", body: str = "one", method: str = "MESSAGE") -> Once:
    headers = f"Content-Type: {kind}\r\n" if kind else ""
    return once(route + " forward();", request(method, "sip:b@10.0.0.2", headers=headers, body=body), "sipmsgops")


def media(done: Once) -> list[str]:
    return [line for line in done.body().split("\r\n") if line.startswith("m=")]


def test_bodies_are_asked_for_by_their_types() -> None:
    ask = (
        'if (has_body()) say("any"); if (has_body("text/plain")) say("text");'
        'if (has_body_part("application/X")) say("x");'
        'if (has_body("multipart/mixed")) say("mixed");'
    )
    assert tried(ask).lines == ["any", "text"]
    assert tried(ask, "multipart/mixed; boundary=bb", MIXED).lines == ["any", "text", "x", "mixed"]
    assert tried(ask, "", "").lines == []


def test_a_type_is_type_and_subtype() -> None:
    with pytest.raises(ConfigError):
        tried('has_body("sdp");')


def test_parts_are_added_to_nothing_to_one_and_to_many() -> None:
    none = tried('add_body_part("hello", "text/plain");', "", "")
    assert (none.header("Content-Type"), none.header("Content-Length"), none.body()) == ("text/plain", "5", "hello")
    two = tried('add_body_part("<x/>", "application/xml", "X-Own: 1\r\n"); add_body_part("3", "text/html");')
    assert two.header("Content-Type") == "multipart/mixed;boundary=OSS-unique-boundary-42"
    assert two.body().count("--OSS-unique-boundary-42") == 4
    assert "Content-Type: application/xml\r\nX-Own: 1\r\n\r\n<x/>\r\n" in two.body()
    assert two.header("Content-Length") == str(len(two.body()))


def test_parts_are_taken_out() -> None:
    kept = tried('remove_body_part("text/plain");', "multipart/mixed;boundary=bb", MIXED)
    assert (kept.header("Content-Type"), kept.body()) == ("application/x;q=1", "keep")
    other = tried('remove_body_part("text/plain", "revert");', "multipart/mixed;boundary=bb", MIXED)
    assert (other.header("Content-Type"), other.body()) == ("text/plain", "hello")
    none = tried("remove_body_part();")
    assert (none.header("Content-Type"), none.header("Content-Length"), none.body()) == (None, "0", "")
    assert tried('remove_body_part("a/b"); say("$rc");').lines == ["-1"]


def test_taking_out_and_adding_again_sees_what_was_done() -> None:
    done = tried(
        'remove_body_part(); add_body_part("new", "text/html");'
        'get_updated_body_part("text/html", $var(b)); say("$var(b)");'
    )
    assert (done.lines, done.header("Content-Type"), done.body()) == (["new"], "text/html", "new")
    assert done.out.count("Content-Type") == 1


def test_an_updated_part_that_is_not_there() -> None:
    done = tried(
        'get_updated_body_part("a/b", $var(b)); say("$rc"); get_updated_body_part( , $var(b)); say("$rc $var(b)");'
    )
    assert done.lines == [
        "-2", "1 one",
    ]  # fmt: skip


def test_a_body_without_its_boundary_is_one_part() -> None:
    assert tried(
        'if (has_body_part("text/plain")) say("yes"); else say("no");', "multipart/mixed;boundary=zz", MIXED
    ).lines == ["no"]


@pytest.mark.parametrize(("codec", "number"), [('"pcmu"', "0"), ('"PCMA"', "8"), ('"telephone-event", "8000"', "101")])
def test_a_codec_goes_with_its_attributes(codec: str, number: str) -> None:
    done = tried(f"codec_delete({codec});", "application/sdp", SDP)
    assert done.header("Content-Length") == str(len(done.body()))
    assert number not in media(done)[0].split()[3:]
    assert f"rtpmap:{number} " not in done.body() and f"fmtp:{number} " not in done.body()


def test_a_codecs_retransmissions_go_with_it() -> None:
    assert media(tried('codec_delete("speex");', "application/sdp", SDP))[0] == "m=audio 4000 RTP/AVP 0 8 101"


def test_codecs_are_kept_moved_and_asked_for() -> None:
    assert media(tried('codec_delete_except_re("PCM|H26");', "application/sdp", SDP)) == [
        "m=audio 4000 RTP/AVP 0 8", "m=video 4002 UDP/TLS/RTP/SAVPF 31",
    ]  # fmt: skip
    assert media(tried('codec_move_up("speex");', "application/sdp", SDP))[0] == "m=audio 4000 RTP/AVP 97 0 8 101 98"
    assert (
        media(tried('codec_move_down_re("^PCM");', "application/sdp", SDP))[0] == "m=audio 4000 RTP/AVP 97 101 98 0 8"
    )
    done = tried(
        'if (codec_exists("SPEEX", "16000")) say("speex"); if (!codec_exists("speex", "8000")) say("not at 8000");'
        'codec_delete("speex"); if (!codec_exists("speex")) say("gone"); if (codec_exists_re("h26.")) say("video");',
        "application/sdp", SDP,
    )  # fmt: skip
    assert done.lines == ["speex", "not at 8000", "gone", "video"]


def test_a_stream_without_codecs_is_refused_and_keeps_its_formats() -> None:
    assert media(tried('codec_delete_re("h26");', "application/sdp", SDP))[1] == "m=video 0 UDP/TLS/RTP/SAVPF 31"


def test_streams_are_asked_for_and_taken_out() -> None:
    done = tried(
        'if (stream_exists("video", "SAVPF")) say("video"); if (!stream_exists("video", "^UDP$")) say("not UDP");'
        'stream_delete("video"); stream_delete("text"); say("$rc");', "application/sdp", SDP,
    )  # fmt: skip
    assert done.lines == ["video", "not UDP", "-1"]
    assert (media(done), "H261" in done.body()) == (["m=audio 4000 RTP/AVP 0 8 97 101 98"], False)


@pytest.mark.parametrize(
    ("old", "new", "held"),
    [("a=sendrecv", "a=sendonly", True), ("a=sendrecv", "a=inactive", True),
     ("IN IP4 1.1.1.1\r\nt", "IN IP4 0.0.0.0\r\nt", True), ("", "", False)],
)  # fmt: skip
def test_hold_is_seen(old: str, new: str, held: bool) -> None:
    body = SDP.replace(old, new) if old else SDP
    assert tried('if (is_audio_on_hold()) say("hold");', "application/sdp", body).lines == (["hold"] if held else [])


def test_a_description_inside_of_a_multipart_body_is_found() -> None:
    body = (
        f"--bb\r\nContent-Type: text/plain\r\n\r\nhello\r\n--bb\r\nContent-Type: application/sdp\r\n\r\n{SDP}--bb--\r\n"
    )
    done = tried('codec_delete("speex");', "multipart/mixed;boundary=bb", body)
    assert media(done)[0] == "m=audio 4000 RTP/AVP 0 8 101"
    assert done.body().startswith("--bb\r\nContent-Type: text/plain") and done.body().endswith("--bb--\r\n")


GOOD = request("INVITE", "sip:b@10.0.0.2", headers="Contact: <sip:a@x>\r\n")


@pytest.mark.parametrize(
    ("flags", "message", "code"),
    [
        ("", GOOD, 1),
        ("shrtfc", GOOD, 1),
        ("", GOOD.replace("Call-ID", "X-ID"), -3),
        ("", GOOD.replace("Content-Length: 0", "Content-Length: 5"), -5),
        ("", GOOD.replace("CSeq: 1 INVITE", "X-CSeq: 1"), -7),
        ("", GOOD.replace("From:", "X-From:"), -8),
        ("", GOOD.replace("To:", "X-To:"), -9),
        ("r", GOOD.replace("sip:b@10.0.0.2", "sip:b@ho..st"), -12),
        ("r", GOOD.replace("sip:b@10.0.0.2", "sip:b{@host"), -27),
        ("", GOOD.replace("Max-Forwards: 70\r\n", ""), -13),
        ("m", GOOD.replace("Max-Forwards: 70\r\n", ""), 1),
        ("c", GOOD.replace("Contact: <sip:a@x>\r\n", ""), -14),
        ("c", GOOD.replace("<sip:a@x>", "<sip:a@x"), -26),
        ("c", GOOD.replace("<sip:a@x>", "*"), -30),
        ("", GOOD.replace("Contact", "Path: <sip:x>\r\nContact"), -15),
        ("t", GOOD.replace("<sip:bob@example.com>", "<nothing>"), -22),
        ("t", GOOD.replace("<sip:bob@example.com>", "<sip:bob@-x>"), -23),
        ("t", GOOD.replace("<sip:bob@example.com>", "<sip:b{b@x>"), -29),
        ("f", GOOD.replace("<sip:alice@example.com>", "<nothing>"), -24),
        ("f", GOOD.replace("<sip:alice@example.com>", "<sip:a@-x>"), -25),
        ("f", GOOD.replace("<sip:alice@example.com>", "<sip:a{@x>"), -28),
        ("", request("MESSAGE", "sip:b@10.0.0.2", body="x"), -21),
        ("s", request("MESSAGE", headers="Content-Type: application/sdp\r\n", body="x"), -6),
    ],
)
def test_a_message_is_looked_over(flags: str, message: str, code: int) -> None:
    done = once(f'sipmsg_validate("{flags}", $var(why)); say("$rc"); if ($var(why)) say("why");', message, "sipmsgops")
    assert done.lines == ([str(code)] if code == 1 else [str(code), "why"])
