"""The transformations, by what they make of a value: most rows are what OpenSIPS 4.0.1 was seen to do."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pysips.core.log import ERR, log
from pysips.core.transforms import TRANSFORMS, find_transform
from pysips.errors import BadName
from pysips.script.catalogue import Getter
from pysips.script.values import Both, Shown, Value, number_of, printed

CTX: Any = SimpleNamespace(
    vars={"n": 3, "t": "text", "e": "", "re": "/a/b/", "minus": -1, "fmt": "$var(n)!"},
    message=SimpleNamespace(status=0),
    request_uri=lambda: "sip:me@here",
)


def read(spec: str) -> Getter:
    """`$var(x)` only."""
    if not spec.startswith("$var("):
        raise BadName(f"unknown {spec}")
    return lambda ctx: ctx.vars.get(spec[5:-1])


def run(braces: str, value: Value) -> Value:
    """`s.substr,3,0` applied to a value; several with `|` between them."""
    for each in braces.split("|"):
        name, comma, arguments = each.partition(",")
        group, _, operation = name.partition(".")
        spec = find_transform(group, operation)
        assert spec is not None, f"no {name}"
        value = spec.bind(arguments if comma else None, read)(CTX, value)
    return value


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The error lines of the test."""
    said: list[str] = []

    def put(self: object, level: int, module: str, text: str) -> None:
        if level == ERR:
            said.append(text)

    monkeypatch.setattr(type(log), "put", put)
    yield said


STRINGS = [
    ("s.len", "abc", 3),
    ("s.len", "é", 2),
    ("s.len", 4711, 4),
    ("s.len", "", 0),
    ("S.LEN", "abc", 3),
    ("s.substr,3,0", "abcdefgh", "defgh"),
    ("s.substr,-3,0", "abcdefgh", "fgh"),
    ("s.substr,-3,2", "abcdefgh", "fg"),
    ("s.substr,2,-2", "abcdefgh", "cdef"),
    ("s.substr,0,-1", "abcdefgh", "abcdefg"),
    ("s.substr,5,99", "abcdefgh", "fgh"),
    ("s.substr,8,1", "abcdefgh", None),
    ("s.substr,-8,3", "abcdefgh", "abc"),
    ("s.substr,-9,1", "abcdefgh", None),
    ("s.substr,2,-7", "abcdefgh", None),
    ("s.substr,0,0", "", None),
    ("s.substr, $var(n) , 2", "abcdefgh", "de"),
    ("s.substr,0,$var(minus)", "abc", "ab"),
    ("s.substr,0,$var(t)", "abc", None),
    ("s.substr,1,2", "aéz", "é"),
    ("s.substr,0,2", 4930, "49"),
    ("s.select,0,,", "a,b,,d", "a"),
    ("s.select,2,,", "a,b,,d", ""),
    ("s.select,4,,", "a,b,,d", None),
    ("s.select,-1,,", "a,b,,d", "d"),
    ("s.select,-4,,", "a,b,,d", "a"),
    ("s.select,-5,,", "a,b,,d", None),
    ("s.select,0,;", "a,b,,d", "a,b,,d"),
    ("s.select,1,;", "a,b,,d", None),
    ("s.select,$var(n),,", "a,b,,d", "d"),
    ("s.tolower", "AbÉ", "abÉ"),
    ("s.toupper", "aBé", "ABé"),
    ("s.reverse", "abc1", "1cba"),
    ("s.index,b", "abcb", 1),
    ("s.index,b,2", "abcb", 3),
    ("s.index,b,-1", "abcb", 3),
    ("s.index,b,-5", "abcb", 3),
    ("s.index,b,4", "abcb", None),
    ("s.index,B", "abcb", None),
    ("s.index,b", "éb", 2),
    ("s.index,$var(t)", "a text", 2),
    ("s.rindex,b", "abcb", 3),
    ("s.rindex,b,2", "abcb", 1),
    ("s.rindex,b,99", "abcb", 3),
    ("s.rindex,abc", "ab", None),
    ("s.rindex,cd", "abcd", 2),
    ("s.rindex,a", "", None),
    ("s.fill.left,0,6", "abc", "000abc"),
    ("s.fill.right,0,6", "abc", "abc000"),
    ("s.fill.left,0,2", "abc", "abc"),
    ("s.fill.left,xy,8", "abc", "yxyxyabc"),
    ("s.fill.right,xy,8", "abc", "abcxyxyx"),
    ("s.fill.left,' ',5", "abc", "  abc"),
    ("s.fill.left,0,6", 42, "000042"),
    ("s.width,5|s.len", "abc", 5),
    ("s.width,2", "abc", "ab"),
    ("s.width,$var(n)", "abcd", "abc"),
    ("s.width,0", "abcd", None),
    ("s.width,70000", "abcd", None),
    ("s.trim", "  \t x y \r\n ", "x y"),
    ("s.triml|s.len", "  \t x y \r\n ", 7),
    ("s.trimr|s.len", "  \t x y \r\n ", 7),
    ("s.eval", "a $var(n) $$ $var(none)", "a 3 $ <null>"),
    ("s.eval", "$", None),
    ("s.eval", "$nope", None),
]
CODINGS = [
    ("s.md5", "abc", "900150983cd24fb0d6963f7d28e17f72"),
    ("s.sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("s.sha224", "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
    ("s.sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("s.sha1_hmac,key", "abc", "4fd0b215276ef12f2b3e4c8ecac2811498b656fc"),
    ("s.sha256_hmac,key", "abc", "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab"),
    ("s.sha1_hmac,$var(e)", "abc", None),
    ("s.crc32", "abc", "3403398717"),
    ("s.encode.hexa", "aé", "61c3a9"),
    ("s.decode.hexa", "61C3a9f", "aé"),
    ("s.decode.hexa", "6x", None),
    ("s.dec2hex", "255", "ff"),
    ("s.dec2hex", -1, "ffffffff"),
    ("s.dec2hex", "25x", None),
    ("s.hex2dec", "255", 597),
    ("s.hex2dec", 255, 255),
    ("s.hex2dec", "0x", None),
    ("s.hex2dec", "ffffffff", -1),
    ("s.dec2hex|s.hex2dec", "255", 255),
    ("s.b64encode", "abcd", "YWJjZA=="),
    ("s.b64decode", "YWJjZA==", "abcd"),
    ("s.b64decode", "YWJjZA", "abcd"),
    ("s.xor,ab|s.xor,ab", "hello", "hello"),
    ("s.xor,a", "a", "\0"),
    ("s.escape.common", "a'b\"c\\d\0", "a\\'b\\\"c\\\\d\\0"),
    ("s.unescape.common", "a\\'b\\\"c\\\\d\\0\\n", "a'b\"c\\d\0\\n"),
    ("s.escape.user", "a b@c;d?/", "a%20b%40c;d?/"),
    ("s.escape.user", "é", None),
    ("s.escape.param", "a=b;[c]", "a%3db%3b[c]"),
    ("s.unescape.user", "a%20b%41", "a bA"),
    ("s.unescape.user", "a%2", None),
    ("s.unescape.user", "a%zz", None),
    ("s.unescape.param", "a%00", None),
    ("s.date2unix", "Thu, 01 Jan 1970 00:01:40 GMT", "100"),
    ("s.date2unix", "Thu, 01 Foo 1970 00:01:40 GMT", None),
]
URI = "sip:ann:pw@h.example:5080;transport=TCP;lr;x=1?Subject=a"
PARTS = [
    ("uri.user", URI, "ann"),
    ("uri.passwd", URI, "pw"),
    ("uri.host", URI, "h.example"),
    ("uri.domain", URI, "h.example"),
    ("uri.port", URI, 5080),
    ("uri.params", URI, "transport=TCP;lr;x=1"),
    ("uri.headers", URI, "Subject=a"),
    ("uri.transport", URI, "TCP"),
    ("uri.lr", URI, None),
    ("uri.param,LR", URI, ""),
    ("uri.param,x", URI, "1"),
    ("uri.param,none", URI, None),
    ("uri.param,x", "sip:a@b;x=;y=1", None),
    ("uri.port", "sip:a@b", None),
    ("uri.user", "tel:+4930123;phone-context=x", "+4930123"),
    ("uri.host", "tel:+4930123;phone-context=x", None),
    ("uri.schema", "tel:+4930123", "tel"),
    ("uri.host", "sips:a@[2001:db8::1]:99", "[2001:db8::1]"),
    ("uri.host", "nonsense", None),
    ("uri.user", "sip:a;b=c@h", "a;b=c"),
    ("uri.params", "sip:a;b=c@h", None),
    ("uri.user", "sip:%61b@h", "%61b"),
    ("uri.uparam", "sip:1@h;user=phone", "phone"),
    ("nameaddr.0.uri", '<sip:a@h>;x=1, "B" <sip:b@h>, sip:c@h;y=2', "sip:a@h"),
    ("nameaddr.1.name", '<sip:a@h>;x=1, "B" <sip:b@h>, sip:c@h;y=2', '"B"'),
    ("nameaddr.2.params", '<sip:a@h>;x=1, "B" <sip:b@h>, sip:c@h;y=2', "y=2"),
    ("nameaddr.-1.uri", '<sip:a@h>;x=1, "B" <sip:b@h>, sip:c@h;y=2', "sip:c@h"),
    ("nameaddr.3.uri", '<sip:a@h>;x=1, "B" <sip:b@h>, sip:c@h;y=2', None),
    ("nameaddr.$var(n).uri", "<sip:0@h>,<sip:1@h>,<sip:2@h>,<sip:3@h>", "sip:3@h"),
    ("nameaddr.uri", 'Bob <sip:b@h;p>;tag="x"', "sip:b@h;p"),
    ("nameaddr.param,tag", 'Bob <sip:b@h;p>;tag="x"', "x"),
    ("nameaddr.param,TAG", "Bob <sip:b@h;p>;tag=x", None),
    ("nameaddr.len", '"B" <sip:b@h>;tag=x', 13),
    ("nameaddr.uri", "Bob <sip:b@h", None),
    ("param.value,B", 'a=1;b="x;y";c', "x;y"),
    ("param.value,c", 'a=1;b="x";c', ""),
    ("param.value,d", "a=1", None),
    ("param.value,a", "a=1;d=", None),
    ("param.exist,a", "a=1", 1),
    ("param.exists,b", "a=1", 0),
    ("param.exist,a", "", None),
    ("param.valueat,-1", "a=1;b=2", "2"),
    ("param.valueat,2", "a=1;b=2", None),
    ("param.name,1", "a=1;b=2", "b"),
    ("param.count", "a=1;b=2;c", 3),
    ("param.count", "a=1;", None),
    ("csv.count", 'a,"b,c", d,,e', 5),
    ("csv.value,0", 'a,"b,c", d,,e', "a"),
    ("csv.value,1", 'a,"b,c", d,,e', "b,c"),
    ("csv.value,2", 'a,"b,c", d,,e', " d"),
    ("csv.value,3", 'a,"b,c", d,,e', ""),
    ("csv.value,-1", 'a,"b,c", d,,e', "e"),
    ("csv.value,9", 'a,"b,c", d,,e', None),
    ("csv.value,0", '"a""b"', 'a"b'),
    ("csv.count", '"a"x', None),
    ("csv.count", "a,", 2),
    ("via.name", "SIP/2.0/UDP h:5070;branch=z9hG4bKx;rport", "SIP"),
    ("via.version", "SIP/2.0/UDP h:5070", "2.0"),
    ("via.transport", "SIP/2.0/UDP h:5070, SIP/2.0/TCP i", "UDP"),
    ("via.host", "SIP/2.0/UDP [::1]:5070", "[::1]"),
    ("via.domain", "SIP/2.0/UDP h", "h"),
    ("via.port", "SIP/2.0/UDP h:5070", 5070),
    ("via.port", "SIP/2.0/UDP h", None),
    ("via.params", "SIP/2.0/UDP h;branch=z9hG4bKx;rport", "branch=z9hG4bKx;rport"),
    ("via.branch", "SIP/2.0/UDP h;branch=z9hG4bKx;rport", "z9hG4bKx"),
    ("via.rport", "SIP/2.0/UDP h;branch=z9hG4bKx;rport", None),
    ("via.param,RPORT", "SIP/2.0/UDP h;branch=z9hG4bKx;rport", ""),
    ("via.received", "SIP/2.0/UDP h;received=192.0.2.1", "192.0.2.1"),
    ("via.comment", "SIP/2.0/UDP h;branch=x (my phone)", "my phone"),
    ("via.host", "no via", None),
]
SDP = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nm=audio 1 RTP/AVP 0\r\na=x\r\nm=video 3 RTP/AVP 1\r\na=y\r\n"
OTHERS = [
    ("ip.isip", "192.0.2.1", 1),
    ("ip.isip", "[2001:db8::1]", 1),
    ("ip.isip", "host", 0),
    ("ip.isip", "1.2.3", 0),
    ("ip.isip4", "::1", 0),
    ("ip.isip6", "::1", 1),
    ("ip.isip", "", None),
    ("ip.isprivate", "100.64.0.1", 1),
    ("ip.isprivate", "172.32.0.1", 0),
    ("ip.isprivate", "fd00::1", 0),
    ("ip.isprivate", "host", 0),
    ("ip.matches,192.0.2.0/24", "192.0.2.77", 1),
    ("ip.matches,192.0.2.0/25", "192.0.2.177", 0),
    ("ip.matches,2001:db8::/32", "2001:db8:1::1", 1),
    ("ip.matches,192.0.2.0/24", "::1", None),
    ("ip.matches,192.0.2.0/33", "192.0.2.1", None),
    ("ip.matches,192.0.2.0", "192.0.2.1", None),
    ("ip.pton|ip.ntop", "2001:db8::1", "2001:db8::1"),
    ("ip.pton|ip.family", "192.0.2.1", "INET"),
    ("ip.pton|ip.family", "::1", "INET6"),
    ("ip.family", "192.0.2.1", None),
    ("ip.pton", "x", None),
    ("sdp.line,m", SDP, "m=audio 1 RTP/AVP 0"),
    ("sdp.line,a,1", SDP, "a=y"),
    ("sdp.line,a,2", SDP, None),
    ("sdp.line,a,$var(minus)", SDP, None),
    ("sdp.line,k", SDP, None),
    ("sdp.stream,0", SDP, "m=audio 1 RTP/AVP 0\r\na=x\r\n"),
    ("sdp.stream,-1", SDP, "m=video 3 RTP/AVP 1\r\na=y\r\n"),
    ("sdp.stream,VIDEO", SDP, "m=video 3 RTP/AVP 1\r\na=y\r\n"),
    ("sdp.stream,image", SDP, None),
    ("sdp.stream,2", SDP, None),
    ("sdp.stream-delete,0|sdp.line,m", SDP, "m=video 3 RTP/AVP 1"),
    ("sdp.stream-delete,video|s.len", SDP, 54),
    ("sdp.stream,0", "nonsense", None),
    ("re.subst,/x/$var(t)/", "x,y{z}", "text,y{z}"),
    (r"re.subst,/\,/;/", "x,y{z}", "x;y{z}"),
    (r"re.subst,/\{z\}/Z/", "x,y{z}", None),
    (r"re.subst,/([a-z]+)@(.*)/\2 \1/", "ann@home", "home ann"),
    (r"re.subst,/A/b/gi", "aXa", "bXb"),
    (r"re.subst,/a/[\0\u\\\$\n]/", "a", "[asip:me@here\\$\n]"),
    ("re.subst,/z/y/", "abc", "abc"),
    ("re.subst,/^b$/X/g", "a\nb\nc", "a\nX\nc"),
    ("re.subst,/a.b/X/", "a\nb", "a\nb"),
    ("re.subst,/a.b/X/s", "a\nb", "X"),
    ("re.subst,/x*/y/", "abc", None),
    ("re.subst,/a/b/q", "abc", None),
    ("re.subst,$var(re)", "abc", "bbc"),
    ("re.subst,$var(n)", "abc", None),
    ("re.subst,/a/b/", "", None),
    (r"re.subst,#[0-9]{2\,}#N#", "a123", None),
    ("re.subst,#[0-9]{3}#N#", "a123", "aN"),
]  # fmt: skip


@pytest.mark.parametrize(("braces", "value", "wanted"), [*STRINGS, *CODINGS, *PARTS, *OTHERS])
def test_result(braces: str, value: Value, wanted: Value) -> None:
    assert run(braces, value) == wanted


def test_comma_ends_an_expression_that_has_no_backslash_before_it(lines: list[str]) -> None:
    assert run("re.subst,/a{1,2}/b/", "aa") is None
    assert lines


@pytest.mark.parametrize("key", sorted(TRANSFORMS))
def test_null_passes_through(key: tuple[str, str]) -> None:
    arguments = {
        "substr": "0,1", "select": "0,;", "index": "a", "rindex": "a", "fill.left": "0,1", "fill.right": "0,1",
        "width": "1", "xor": "k", "param": "p", "value": "0", "exist": "a", "exists": "a", "valueat": "0",
        "matches": "1.2.3.4/8", "line": "a", "stream": "0", "stream-delete": "0", "subst": "/a/b/",
    }  # fmt: skip
    name = key[1]
    given = "0" if key == ("param", "name") else "key" if name.endswith("_hmac") else arguments.get(name)
    assert TRANSFORMS[key].bind(given, read)(CTX, None) is None


def test_failure_writes_one_error_line(lines: list[str]) -> None:
    assert run("uri.user", "nonsense") is None
    assert lines == ['{uri.user} of "nonsense": no URI']


def test_leading_number_prints_the_text_and_counts_as_the_number() -> None:
    for text, number in (("12abc", 12), ("-7", -7), ("+7", 7), ("abc", 0), ("", 0), ("4294967297", 1)):
        value = run("s.int", text)
        assert (printed(value), number_of(value)) == (text, number)
    assert run("s.int", 5) == 5
    assert number_of(run("s.int", Both("INVITE", 1))) == 1
    assert printed(run("s.int", Shown(1, "x"))) == "x"


def test_bytes_that_are_no_utf8_survive() -> None:
    assert run("s.substr,0,0", "a\udcff") == "a\udcff"
    assert run("s.encode.hexa", "a\udcff") == "61ff"
    assert run("s.decode.hexa", "61ff") == "a\udcff"


@pytest.mark.parametrize(
    "braces",
    [
        "s.substr", "s.substr,1", "s.substr,x,1", "s.substr,$nope,1", "s.substr,,1", "s.select,1", "s.select,1,",
        "s.index", "s.index,", "s.fill.left,0", "s.fill.left,$var(t),5", "s.fill.left,0,$var(n)", "s.fill.left,'',5",
        "s.width,-1", "s.width", "s.width,1,2", "s.xor,", "uri.param", "param.valueat,x", "csv.value", "ip.matches,",
        "sdp.line", "sdp.line,a,-1", "sdp.stream", "re.subst", "re.subst,$nope", "nameaddr.param",
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_at_load(braces: str) -> None:
    with pytest.raises(BadName):
        run(braces, "x")


@pytest.mark.parametrize("name", ["s.nope", "nope.len", "nameaddr.x.uri", "nameaddr.1.nope", "nameaddr..uri"])
def test_unknown_names_are_unknown(name: str) -> None:
    group, _, operation = name.partition(".")
    assert find_transform(group, operation) is None


def test_name_resolves_only_if_it_is_known() -> None:
    asked: list[str] = []

    class Resolver:
        def known(self, host: str, port: int, proto: str) -> list[Any] | None:
            hosts = {"both.example": ["192.0.2.1", "2001:db8::1"], "none.example": []}
            found = hosts.get(host)
            return None if found is None else [SimpleNamespace(host=each) for each in found]

        def ask(self, host: str, port: int, proto: str) -> None:
            asked.append(host)

    ctx: Any = SimpleNamespace(services=SimpleNamespace(resolver=Resolver()))
    results = []
    for name, host in (("resolve", "both.example"), ("resolve6", "both.example"), ("resolve", "none.example"),
                       ("resolve4", "new.example")):  # fmt: skip
        results.append(TRANSFORMS["ip", name].bind(None, read)(ctx, host))
    assert results == ["192.0.2.1", "2001:db8::1", None, None]
    assert asked == ["new.example"]
