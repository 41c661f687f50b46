import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.uri import Uri, aor_of, equal, escaped_user, host_port, parse_uri, unescaped, user_of


def parts(uri: Uri) -> tuple[object, ...]:
    return uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params, uri.headers


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("sip:example.com", ("sip", None, None, "example.com", None, "", "")),
        ("sip:alice@example.com", ("sip", "alice", None, "example.com", None, "", "")),
        ("SIPS:Alice:Secret@Example.COM:5061", ("sips", "Alice", "Secret", "Example.COM", 5061, "", "")),
        (
            "sip:a@h;transport=tcp;lr?subject=x&to=y",
            ("sip", "a", None, "h", None, "transport=tcp;lr", "subject=x&to=y"),
        ),
        ("sip:a;b=c?d@h", ("sip", "a;b=c?d", None, "h", None, "", "")),
        ("sip:a:@h", ("sip", "a", "", "h", None, "", "")),
        ("sip:a@[2001:db8::1]:5070;lr", ("sip", "a", None, "[2001:db8::1]", 5070, "lr", "")),
        ("sip:[::1]", ("sip", None, None, "[::1]", None, "", "")),
        ("sip:h?a=b;c", ("sip", None, None, "h", None, "", "a=b;c")),
        ("sip:a@h:05060", ("sip", "a", None, "h", 5060, "", "")),
        ("tel:+1-201-555;phone-context=x", ("tel", "+1-201-555", None, "", None, "phone-context=x", "")),
        ("urn:service:sos", ("urn", None, None, "", None, "", "")),
    ],
)
def test_a_uri_is_taken_apart_without_loss(text: str, want: tuple[object, ...]) -> None:
    uri = parse_uri(text)
    assert parts(uri) == want
    assert str(uri) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        ":a",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@h:",
        "sip:a@h:0",
        "sip:a@h:65536",
        "sip:a@h:+5",
        "sip:a@h:5060x",
        "sip:a@2001:db8::1",
        "sip:a@[2001:db8::1",
        "sip:a@[2001:db8::1]5060",
        "sip:a@[zz]",
        "sip:a@[]",
        "sip:a b@h",
        "sip:a@h;x y",
        "<sip:a@h>",
        'sip:"a"@h',
        "sip:a@h\r\nX: y",
        "sip:a@h\0",
        "sip:a@h/x",
        "sip:a@%68",
        "1sip:a@h",
        "tel:",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(SipError) as caught:
        parse_uri(text)
    assert caught.value.status == 400


def test_parameters_compare_without_regard_to_case() -> None:
    uri = parse_uri("sip:a@h;Transport=TCP;lr;x=")
    assert uri.param("transport") == "TCP"
    assert uri.transport == "tcp"
    assert uri.param("lr") == ""
    assert uri.param("x") == ""
    assert uri.param("y") is None


def test_each_part_can_be_changed_and_the_rest_stays() -> None:
    uri = parse_uri("sip:a:p@h:5070;x=1;lr?q=1")
    assert str(uri.with_user("b")) == "sip:b:p@h:5070;x=1;lr?q=1"
    assert str(uri.with_user(None)) == "sip:h:5070;x=1;lr?q=1"
    assert str(uri.with_password(None)) == "sip:a@h:5070;x=1;lr?q=1"
    assert str(uri.with_host("[::1]")) == "sip:a:p@[::1]:5070;x=1;lr?q=1"
    assert str(uri.with_port(None)) == "sip:a:p@h;x=1;lr?q=1"
    assert str(uri.with_port(1)) == "sip:a:p@h:1;x=1;lr?q=1"
    assert str(uri.with_param("X", "2")) == "sip:a:p@h:5070;X=2;lr?q=1"
    assert str(uri.with_param("new")) == "sip:a:p@h:5070;x=1;lr;new?q=1"
    assert str(uri.without_param("LR")) == "sip:a:p@h:5070;x=1?q=1"
    assert str(uri.without_headers()) == "sip:a:p@h:5070;x=1;lr"
    assert str(uri.with_scheme("sips")) == "sips:a:p@h:5070;x=1;lr?q=1"
    assert str(parse_uri("tel:+1;x=y").with_user("+2")) == "tel:+2;x=y"


def test_a_change_that_makes_no_uri_is_refused() -> None:
    uri = parse_uri("sip:a@h")
    with pytest.raises(SipError):
        uri.with_user("a b")
    with pytest.raises(SipError):
        uri.with_host("h x")
    with pytest.raises(SipError):
        uri.with_port(0)


@pytest.mark.parametrize(
    "text",
    ["sip:a@h", "sip:h", "sip:h:5070;lr", "sip:a:p@[::1]:9?x=y", "sips:a@h:1", "SIP:a@h", "sip:a;x?y@h:4", "tel:+1"],
)
def test_the_quick_looks_say_what_the_careful_one_says(text: str) -> None:
    uri = parse_uri(text)
    assert host_port(text) == (uri.host, uri.port or 0)
    assert user_of(text) == (uri.user or "")


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:a:p@H.Com:5070;x=y", "a@h.com"),
        ("sip:%61lice@h", "alice@h"),
        ("sip:null-%00-null@h", "null-\0-null@h"),
        ("sip:a%2540@h", "a%40@h"),
        ("sip:Host", "host"),
        ("tel:+1", "+1"),
    ],
)
def test_an_address_of_record_is_user_and_host_unescaped_once(text: str, aor: str) -> None:
    assert aor_of(text) == aor


# RFC 3261 section 19.1.4, its own examples first.
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a%2fb@h", "sip:a%2Fb@h"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        ("urn:service:sos", "URN:service:sos"),
    ],
)
def test_equal_uris(a: str, b: str) -> None:
    assert equal(a, b)
    assert equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h", "sip:a:@h"),
        ("sip:a%2Fb@h", "sip:a/b@h"),
        ("sip:a@h", "nonsense"),
        ("tel:+1;x=1", "tel:+1;x=2"),
    ],
)
def test_different_uris(a: str, b: str) -> None:
    assert not equal(a, b)
    assert not equal(b, a)


USERS = st.text(st.characters(min_codepoint=0, max_codepoint=0x2FF), min_size=1)


@given(USERS, st.sampled_from(["h", "[::1]", "a.b-c.d"]), st.none() | st.integers(1, 65535))
def test_any_user_can_be_written_and_read_again(user: str, host: str, port: int | None) -> None:
    written = escaped_user(user)
    uri = parse_uri("sip:" + written + "@" + host + (f":{port}" if port else ""))
    assert (unescaped(uri.user or ""), uri.host, uri.port) == (user, host, port)
    assert str(uri.rebuilt(uri.user, uri.password, uri.host, uri.port, uri.params)) == uri.text
    assert equal(uri.text, uri.text)


@given(st.text(alphabet="sip:@;?=&[]%.a1 <>") | st.text())
def test_any_text_is_a_uri_or_refused(text: str) -> None:
    for text_ in (text, "sip:" + text):
        try:
            uri = parse_uri(text_)
        except SipError:
            continue
        assert str(uri) == text_
        assert host_port(text_) == (uri.host, uri.port or 0)
        assert aor_of(text_) is not None
        assert equal(text_, text_)
