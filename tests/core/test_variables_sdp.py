"""The description in the body: `$sdp` whole and by line."""

from pysips.core.context import REPLY

from .variables_rig import REPLY_401, Script


def test_description_lines_are_changed_put_in_and_taken_out(script: Script) -> None:
    assert script.put("$sdp.line(c=)", "c=IN IP4 new") == 1
    assert script.put("$sdp.stream(audio/a=)", None) == 1
    assert script.put("$(sdp.stream(video)[insertAfter])", "a=after\r\n") == 1
    assert script.put("$(sdp.line(a=y)[insert])", "a=before") == 1
    assert script.put("$sdp.line(m=audio/4000)", "0") == 1
    assert script.put("$sdp.line(k=)", "x") == -1
    assert script.get("$sdp") == (
        "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 new\r\nm=audio 0 RTP/AVP 0 8\r\na=before\r\na=y z\r\n"
        "m=video 4002 RTP/AVP 31\r\na=after\r\n"
    )
    text = script.ctx.edits.written(script.ctx.message.text)
    head, _, body = text.partition("\r\n\r\n")
    assert f"Content-Length: {len(body)}" in head
    assert body.startswith("--bb\r\n") and body.endswith("--bb--\r\n")
    assert script.get("$rb(application/sdp)") == script.ctx.message.text.split("\r\n\r\n")[3].partition("\r\n--bb--")[0]


def test_description_is_set_whole_and_taken_out() -> None:
    script = Script(REPLY_401, REPLY)
    assert script.put("$sdp", "nonsense") == -1
    assert script.put("$sdp", "v=0\r\ns=-\r\n") == 1
    assert script.get("$sdp.line(s=)") == "s=-"
    text = script.ctx.edits.written(script.ctx.message.text)
    assert "Content-Type: application/sdp\r\n" in text
    assert "Content-Length: 10\r\n" in text
    assert script.put("$sdp", None) == 1
    assert script.get("$sdp") is None
    assert "Content-Length: 0\r\n" in script.ctx.edits.written(script.ctx.message.text)
