import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.address import address_param, parse_address, parse_addresses


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@h>", "", "sip:a@h", ""),
        ("sip:a@h;tag=1", "", "sip:a@h", "tag=1"),
        ('"A \\" <B>, C" <sip:a@h;lr> ; tag=1 ;x', '"A \\" <B>, C"', "sip:a@h;lr", "tag=1 ;x"),
        ("caller<sip:a@h>;tag=1", "caller", "sip:a@h", "tag=1"),
        (' "" \r\n <sip:a@h>\r\n ;tag=1', '""', "sip:a@h", "tag=1"),
        ("A\r\n B <sip:a@h>", "A B", "sip:a@h", ""),
        ("*", "", "*", ""),
    ],
)
def test_an_address_is_taken_apart(text: str, display: str, uri: str, params: str) -> None:
    address = parse_address(text)
    assert (address.display, address.uri, address.params) == (display, uri, params)


def test_the_name_has_no_quotes() -> None:
    assert parse_address('"A \\"B\\" \\\\" <sip:a@h>').name == 'A "B" \\'


def test_a_parameter_outside_of_the_brackets_is_the_headers() -> None:
    address = parse_address("<sip:a@h;lr;x=1>;Expires=30;q")
    assert address.param("expires") == "30"
    assert address.param("q") == ""
    assert address.param("lr") is None


def test_star_is_no_uri() -> None:
    assert parse_address("*").is_star
    assert not parse_address("<*>").is_star


@pytest.mark.parametrize(
    "text", ["", " ", "<sip:a", '"A <sip:a>', '"A" B <sip:a>', "A B", "<sip:a>x", "a>b", 'a"b"', ";tag=1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SipError):
        parse_address(text)


def test_a_list_says_where_each_address_stands() -> None:
    text = '"a, b" <sip:a>;q=1 ,, sip:c;x ,<sip:d,e>'
    found = parse_addresses(text)
    assert [text[each.start : each.end] for each in found] == ['"a, b" <sip:a>;q=1', "sip:c;x", "<sip:d,e>"]
    assert [text[each.uri_a :][: len(each.uri)] for each in found] == ["sip:a", "sip:c", "sip:d,e"]


def test_an_address_that_cannot_be_read_has_no_parameters() -> None:
    assert address_param('"open <sip:a>;tag=1', "tag") == ""
    assert address_param("<sip:a>;tag=1", "tag") == "1"
    assert address_param('<sip:a>;tag="', "tag") == ""


@given(st.text(alphabet='"<>;,=\\ sip:a@h*'))
def test_what_was_read_is_read_the_same_when_written(text: str) -> None:
    try:
        address = parse_address(text)
    except SipError:
        return
    again = parse_address(str(address))
    assert (again.display, again.uri, again.bracketed) == (address.display, address.uri, address.bracketed)
    assert again.params.strip() == address.params.strip()
