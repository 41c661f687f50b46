"""modules/sipmsgops/codecs.py: formats taken out of an SDP stream."""

import time

import pytest

from pysips.modules.sipmsgops.codecs import Stream


@pytest.mark.parametrize("pointer", ["apt=8", "x=1; apt=8", "apt=8;rtx-time=3000"])
def test_the_retransmission_format_of_a_codec_goes_with_it(pointer: str) -> None:
    stream = Stream(["m=audio 4000 RTP/AVP 0 8 97", "a=rtpmap:97 rtx/8000", f"a=fmtp:97  {pointer}"])
    stream.delete(["8"])
    assert stream.lines == ["m=audio 4000 RTP/AVP 0"]


@pytest.mark.parametrize("unit", [" ", ";", "; ", "apt=", "apt=1;", "1", " ;", "\t"])
def test_no_attribute_makes_it_slow(unit: str) -> None:
    line = "a=fmtp:1 " + (unit * 60_000)[:60_000] + "x"
    stream = Stream(["m=audio 4000 RTP/AVP 0 8", line, line.replace("fmtp", "rtpmap")])
    begun = time.process_time()
    stream.codecs()
    stream.delete(["8"])
    assert time.process_time() - begun < 1
