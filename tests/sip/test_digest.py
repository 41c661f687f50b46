"""Digest: the examples of the RFCs, what strangers send, and challenges as others read them."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import AuthChallenge

from pysips.errors import SipError
from pysips.sip import digest

VECTORS = json.loads((Path(__file__).parent / "digest_vectors.json").read_text("utf-8"))
GOOD = 'username="alice", realm="r", nonce="n", uri="sip:r", response="abc"'


def header(facts: dict[str, str]) -> str:
    names = ("username", "realm", "nonce", "uri", "response", "cnonce")
    said = [f'{name}="{facts[name]}"' for name in names if name in facts]
    said += [f"{name}={facts[name]}" for name in ("algorithm", "qop", "nc") if facts.get(name)]
    return "Digest " + ", ".join(said)


def read(value: str) -> digest.Credentials:
    found = digest.read(value)
    assert found is not None
    return found


@pytest.mark.parametrize("facts", VECTORS, ids=lambda facts: f"{facts['source']}-{facts['algorithm'] or 'MD5'}")
def test_the_examples_of_the_rfcs(facts: dict[str, str]) -> None:
    credentials = read(header(facts))
    assert credentials.algorithm is not None
    secret = digest.ha1(credentials.algorithm, facts["username"], facts["realm"], facts["password"])
    assert len(secret) == credentials.algorithm.digits
    assert digest.proves(credentials, secret, facts["method"], b"")
    assert digest.proves(credentials, secret.upper(), facts["method"], b"")
    assert not digest.proves(credentials, secret, "PUT", b"")
    assert not digest.proves(credentials, digest.ha1(digest.MD5, "a", "b", "c"), facts["method"], b"")


@pytest.mark.parametrize("name", ["MD5", "SHA-256", "SHA-512-256"])
def test_a_session_hashes_nonce_and_cnonce_into_the_secret(name: str) -> None:
    """RFC 7616 section 3.4.2; no RFC has an example."""
    algorithm = digest.BY_NAME[name.lower()]

    def h(text: str) -> str:
        return hashlib.new(algorithm.hash, text.encode()).hexdigest()

    wanted = h(f"{h(h('alice:r:pw') + ':n:c')}:n:00000001:c:auth:{h('REGISTER:sip:r')}")
    text = f'Digest {GOOD.replace("abc", wanted)}, cnonce="c", qop=auth, nc=00000001, algorithm={name}-sess'
    assert digest.proves(read(text), digest.ha1(algorithm, "alice", "r", "pw"), "REGISTER", b"")


def test_auth_int_covers_the_body() -> None:
    entity = hashlib.md5(b"v=0\r\n").hexdigest()
    ha2 = hashlib.md5(f"INVITE:sip:r:{entity}".encode()).hexdigest()
    secret = digest.ha1(digest.MD5, "alice", "r", "pw")
    wanted = hashlib.md5(f"{secret}:n:00000001:c:auth-int:{ha2}".encode()).hexdigest()
    credentials = read(f'Digest {GOOD.replace("abc", wanted)}, cnonce="c", qop="auth-int", nc=00000001')
    assert digest.proves(credentials, secret, "INVITE", b"v=0\r\n")
    assert not digest.proves(credentials, secret, "INVITE", b"v=1\r\n")


def test_what_is_read() -> None:
    credentials = read(
        'digest\tUsername = "a\\"li@d.example" ,realm="R, 2",nonce=n1 , uri=sip:x,response=f0,,'
        'algorithm=sha-256, cnonce="\\c", qop="auth",nc=0000000A, opaque="", ext=1,'
    )
    assert (credentials.username, credentials.user, credentials.domain) == ('a"li@d.example', 'a"li', "d.example")
    assert (credentials.realm, credentials.nonce, credentials.uri) == ("R, 2", "n1", "sip:x")
    assert (credentials.cnonce, credentials.count, credentials.opaque) == ("\\c", 10, "")
    assert credentials.algorithm is digest.BY_NAME["sha-256"]


@pytest.mark.parametrize(
    "value", ["", "Basic Zm9vOmJhcg==", "Digestible a=b", "NoOneKnowsThisScheme opaque=1", "Digest "]
)
def test_another_scheme_is_none_of_ours(value: str) -> None:
    assert digest.read(value) is None


@pytest.mark.parametrize(
    "value",
    [
        'Digest username="alice', "Digest ,,,", "Digest username", "Digest =x", 'Digest username="a"b',
        "Digest response=", 'Digest r="', f"Digest {GOOD}, response=abc", f"Digest {GOOD}, USERNAME=b",
        "Digest " + ", ".join(f"p{i}=1" for i in range(200)), f"Digest {GOOD}, nc=1_0", f"Digest {GOOD}, nc=-1",
        f"Digest {GOOD}, nc=000000001", f"Digest {GOOD}, nc=\u0661", 'Digest a b="c"', 'Digest a="b" c="d"',
        "Digest a=b c", "Digest " + "," * 2000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_400(value: str) -> None:
    with pytest.raises(SipError) as refused:
        digest.read(value)
    assert refused.value.status == 400


@given(st.text(alphabet='aD,=" \\\tgéi\r\nest', max_size=60))
def test_no_text_is_worse_than_400(text: str) -> None:
    try:
        digest.read("Digest " + text)
    except SipError as refused:
        assert refused.status == 400


@pytest.mark.parametrize(
    ("left_out", "more", "wanted"),
    [
        ("username", "", "username"), ("realm", "", "realm"), ("nonce", "", "nonce"), ("uri", "", "uri"),
        ("response", "", "response"), ("", "", ""), ("", ", qop=auth, nc=1", "cnonce"),
        ("", ", qop=auth, cnonce=c", "nc"),
        ("", ", algorithm=MD5-sess", "cnonce"), ("", ", qop=auth, nc=1, cnonce=c", ""),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(left_out: str, more: str, wanted: str) -> None:
    said = ", ".join(part for part in GOOD.split(", ") if not left_out or not part.startswith(left_out))
    assert read("Digest " + said + more).lacks() == wanted


def test_an_unknown_algorithm_proves_nothing() -> None:
    credentials = read(f"Digest {GOOD}, algorithm=AKAv1-MD5")
    assert credentials.algorithm is None
    assert not digest.proves(credentials, "abc", "REGISTER", b"")


def test_credentials_never_print_themselves() -> None:
    assert "alice" not in repr(read(f"Digest {GOOD}"))


def test_bytes_that_are_no_text_are_hashed_as_they_came() -> None:
    name = b"j\xf6rg".decode("utf-8", "surrogateescape")
    assert digest.ha1(digest.MD5, name, "r", "pw") == hashlib.md5(b"j\xf6rg:r:pw").hexdigest()


@pytest.mark.parametrize("algorithm", [None, *digest.ALGORITHMS])
@pytest.mark.parametrize(("qop", "stale"), [("", False), ("auth", True), ("auth-int", False)])
def test_others_read_our_challenges(algorithm: digest.Algorithm | None, qop: str, stale: bool) -> None:
    heard = AuthChallenge.parse(digest.challenge("a realm", "nonce", qop, stale, algorithm))
    said = dict(heard.parameters or {})
    assert (heard.scheme, said.pop("realm"), said.pop("nonce")) == ("Digest", "a realm", "nonce")
    assert (said.pop("qop", ""), said.pop("stale", "")) == (qop, "true" if stale else "")
    assert said == ({} if algorithm is None else {"algorithm": algorithm.name})


def test_a_realm_with_quotes_stays_one_realm() -> None:
    said = digest.parameters(digest.challenge('a, "realm"', "n", "auth,auth-int", False, None))
    assert said == {"realm": '"a, \\"realm\\""', "nonce": '"n"', "qop": '"auth,auth-int"'}
