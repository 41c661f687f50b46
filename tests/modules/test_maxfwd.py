"""maxfwd in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import once


def with_hops(text: str) -> str:
    line = f"Max-Forwards: {text}\r\n" if text else ""
    return request("MESSAGE", "sip:b@10.0.0.2").replace("Max-Forwards: 70\r\n", line)


@pytest.mark.parametrize(
    ("came", "code", "goes"),
    [("70", "1", "69"), ("1", "1", "0"), ("10", "1", "9"), ("300", "1", "256"), ("", "2", "16"), ("00070", "1", "69")],
)
def test_hops_are_counted_down_or_begin(came: str, code: str, goes: str) -> None:
    done = once('mf_process_maxfwd_header(16); say("$rc"); forward();', with_hops(came), "maxfwd")
    assert (done.lines, done.header("Max-Forwards")) == ([code], goes)


@pytest.mark.parametrize(("came", "code"), [("0", "-1"), ("x", "-2"), ("-1", "-2"), ("99999", "-2")])
def test_a_request_at_its_end_or_without_a_number_is_refused(came: str, code: str) -> None:
    assert once('mf_process_maxfwd_header(16); say("$rc");', with_hops(came), "maxfwd").lines == [code]


def test_counting_twice_counts_two() -> None:
    done = once("mf_process_maxfwd_header(16); mf_process_maxfwd_header(16); forward();", with_hops("70"), "maxfwd")
    assert done.header("Max-Forwards") == "68"


@pytest.mark.parametrize(("came", "code"), [("5", "1"), ("10", "-1"), ("11", "-1"), ("", "-2"), ("x", "-3")])
def test_less_than_is_asked_of_what_came(came: str, code: str) -> None:
    assert once('is_maxfwd_lt(10); say("$rc");', with_hops(came), "maxfwd").lines == [code]


@pytest.mark.parametrize("number", [0, 257])
def test_a_number_out_of_range_is_a_complaint_at_load(number: int) -> None:
    with pytest.raises(ConfigError):
        once(f"mf_process_maxfwd_header({number});", modules="maxfwd")
