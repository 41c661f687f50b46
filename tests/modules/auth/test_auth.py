"""Challenges and credentials in a script."""

import hashlib

import pytest

from pysips.errors import ConfigError
from pysips.sip.message import Message
from pysips.testing.messages import request
from tests.credentials import credentials

from .conftest import Caller, pv_story

LOOP = "MD5,SHA-512-256,SHA-256-sess"


def challenges(answer: Message, name: str = "WWW-Authenticate") -> list[str]:
    return [answer.value_at(k) for k in answer.find(name)]


def qops(answer: Message) -> str:
    return challenges(answer)[0].partition('qop="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("written", "qop"),
    [
        ("", ""), (', ""', ""), (', "auth"', "auth"), (', "auth-int"', "auth-int"),
        (', "auth,auth-int"', "auth,auth-int"),
        (', "auth-int, AUTH"', "auth-int,auth"), (', "0"', ""), (', "1"', "auth"), (", 0", ""), (", 1", "auth"),
        (', "", "MD5"', ""), (', "", "SHA-256"', "auth"), (', "", "MD5-sess"', "auth"), (", , ", ""),
    ],
)  # fmt: skip
def test_qop_in_every_releases_spelling(written: str, qop: str) -> None:
    caller = Caller(pv_story(written))
    challenged = caller.ask()
    assert (challenged.status, challenged.reason, qops(challenged)) == (401, "Unauthorized", qop)
    assert caller.prove(challenged).status == 200


def test_several_challenges_stand_strongest_first() -> None:
    caller = Caller(pv_story(f', "auth", "{LOOP}"'))
    challenged = caller.ask()
    named = [one.rpartition("algorithm=")[2] for one in challenges(challenged)]
    assert named == ["SHA-512-256", "SHA-256-sess", "MD5"]
    for line in range(3):
        assert caller.prove(caller.ask(), line=line).status == 200
    challenged = caller.ask()
    assert caller.prove(challenged, line=0).status == 200
    assert caller.prove(challenged, line=2).status == 401, "one answer's challenges are good once together"


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_every_algorithm_with_every_qop(algorithm: str, qop: str) -> None:
    caller = Caller(pv_story(f', "{qop}", "{algorithm}"'))
    assert caller.prove(caller.ask(), body="v=0\r\n").status == 200
    assert caller.prove(caller.ask(), body="v=0\r\n", password="wrong").status == 401


def test_auth_int_refuses_another_body() -> None:
    caller = Caller(pv_story(', "auth,auth-int"'))
    for body, status in (("v=1\r\n", 401), ("v=0\r\n", 200)):
        challenge = challenges(caller.ask())[0]
        said = credentials(challenge, "alice", "secret", "REGISTER", "sip:r.example", qop="auth-int", body=b"v=0\r\n")
        assert caller.ask(f"Authorization: {said}\r\n", body=body).status == status
    assert caller.logged() == ["-4", "-2", "-4", "alice"]


def test_a_proxy_asks_by_407_and_reads_its_own_header() -> None:
    route = """
    route {
        $var(u) = "alice"; $var(p) = "secret";
        if (!pv_proxy_authorize("")) { xlog("@@$rc"); proxy_challenge("", "auth"); exit; }
        xlog("@@$Au");
        sl_send_reply(200, "OK");
    }
    """
    caller = Caller(pv_story(route=route))
    challenged = caller.ask(method="INVITE")
    assert (challenged.status, challenged.reason) == (407, "Proxy Authentication Required")
    challenge = challenges(challenged, "Proxy-Authenticate")[0]
    assert challenge.startswith('Digest realm="example.com", nonce="')
    said = credentials(challenge, "alice", "secret", "INVITE", "sip:r.example")
    assert caller.ask(f"Authorization: {said}\r\n", method="INVITE").status == 407
    assert caller.ask(f"Proxy-Authorization: {said}\r\n", method="INVITE").status == 200
    assert caller.logged() == ["-4", "-4", "alice@example.com"]


def realm(prefix: str, method: str, function: str = "www") -> str:
    route = f'route {{ {function}_challenge(""); }}'
    caller = Caller(pv_story(parameters=f'modparam("auth", "realm_prefix", "{prefix}")\n', route=route))
    answer = caller.ask(method=method, from_="<sip:a@sip.from>;tag=1", to="<sip:b@sip.to>")
    return challenges(answer, f"{'WWW' if function == 'www' else 'Proxy'}-Authenticate")[0].split('"')[1]


def test_an_empty_realm_is_read_from_the_request() -> None:
    assert realm("", "REGISTER") == "sip.to"
    assert realm("", "MESSAGE") == "sip.from"
    assert realm("", "REGISTER", "proxy") == "sip.from"
    assert realm("sip.", "REGISTER") == "to"
    assert realm("sips.", "REGISTER") == "sip.to"


def test_a_realm_that_cannot_be_read_is_400() -> None:
    caller = Caller(pv_story(route='route { $var(u) = "a"; $var(p) = "b"; pv_www_authorize(""); xlog("@@on"); }'))
    assert caller.ask(to="<sip:b@x", from_="<sip:@@>;tag=1").status == 400
    assert caller.logged() == []


def test_ack_and_cancel_are_let_in() -> None:
    caller = Caller(pv_story(route='route { pv_www_authorize("r"); xlog("@@$rc"); sl_send_reply(200, "OK"); }'))
    caller.ask(method="CANCEL")
    assert caller.logged() == ["1"]


def test_the_credentials_for_our_realm_are_found_among_others(caller: Caller) -> None:
    challenged = challenges(caller.ask())[0]
    good = credentials(challenged, "alice", "secret", "REGISTER", "sip:r.example")
    lines = [
        "Authorization: Basic Zm9vOmJhcg==",
        'Authorization: Digest username="x", realm="other", response="1"',
        f"Authorization: {good}, algorithm=AKAv1-MD5",
        f"authorization: {good}".replace("r.example", "R.EXAMPLE", 1),
    ]
    assert caller.ask("\r\n".join(lines) + "\r\n").status == 200


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ('Digest username="alice', 400, None), ("Digest username", 400, None), ("Basic Zm9v", 401, "-4"),
        ("Digest", 401, "-4"), ("", 401, "-4"), ('NoOneKnowsThisScheme opaque="x"', 401, "-4"),
        ('Digest realm="r.example"', 400, None), ('Digest realm="r.example", response="a", response="b"', 400, None),
        ("Digest " + ", ".join(f"p{i}=1" for i in range(200)), 400, None),
        ('Digest username="a", realm="r.example", nonce="n", uri="u", response="r", qop=auth', 400, None),
        ('Digest username="a", realm="r.example", nonce="n", uri="u", response="r", qop=auth, nc=zz', 400, None),
        ('Digest username="a", realm="r.example", nonce="n", uri="u", response="r"', 401, "-3"),
        ('Digest username="a", realm="other", nonce="n", uri="u", response="r"', 401, "-4"),
        ("Digest " + "a" * 8000, 400, None), ("Digest " + "," * 8000, 400, None), ("Digest \udcff=\udcfe", 400, None),
    ],
)  # fmt: skip
def test_what_strangers_send(caller: Caller, value: str, status: int, code: str | None) -> None:
    assert caller.ask(f"Authorization: {value}\r\n").status == status
    assert caller.logged() == ([] if code is None else [code])


def test_a_user_with_an_ha1() -> None:
    parameters = 'modparam("auth", "calculate_ha1", 0)\n'
    route = """
    route {
        $var(u) = "Alice"; $var(p) = "b8dea26b8e8dcd43dcf5a42d0d4a2c8f";
        if (!pv_www_authorize("r.example")) { xlog("@@$rc"); www_challenge("r.example"); exit; }
        sl_send_reply(200, "OK");
    }
    """
    route = route.replace("b8dea26b8e8dcd43dcf5a42d0d4a2c8f", hashlib.md5(b"alice:r.example:secret").hexdigest())
    caller = Caller(pv_story(parameters=parameters, route=route))
    assert caller.prove(caller.ask()).status == 200
    assert caller.prove(caller.ask(), user="bob").status == 401
    assert caller.logged() == ["-4", "-4", "-1"]


def test_without_a_user_to_compare_with_it_is_500() -> None:
    caller = Caller(pv_story(route='route { if (!pv_www_authorize("r")) { xlog("@@$rc"); www_challenge("r"); } }'))
    assert caller.prove(caller.ask()).status == 500
    assert any("username_spec" in line for line in caller.story.lines)


def test_consumed_credentials_go_no_further() -> None:
    route = """
    route {
        $var(u) = "alice"; $var(p) = "secret";
        consume_credentials(); xlog("@@$rc");
        if (!pv_www_authorize("r.example")) { www_challenge("r.example"); exit; }
        consume_credentials(); xlog("@@$rc");
        $du = "sip:10.0.0.2"; forward();
    }
    """
    caller = Caller(pv_story(route=route))
    there = caller.story.party("10.0.0.2")
    challenged = caller.ask()
    said = credentials(challenges(challenged)[0], "alice", "secret", "REGISTER", "sip:r.example")
    other = 'Authorization: Digest username="x", realm="other", response="1"\r\n'
    caller.party.said(caller.last.replace("Content-Length", f"{other}Authorization: {said}\r\nContent-Length"))
    gone = there.heard("REGISTER")
    assert [gone.value_at(k) for k in gone.find("Authorization")] == [other.partition(": ")[2].strip()]
    assert caller.logged() == ["-1", "-1", "1"]


@pytest.mark.parametrize(
    "line",
    [
        'www_challenge("r", "auth-conf")', 'www_challenge("r", "auth,auth")', 'www_challenge("r", "2")',
        'www_challenge("r", "auth", "SHA-1")', 'www_challenge("r", "auth", "MD5,")', "www_challenge()",
        'proxy_challenge("r", 7)',
    ],
)  # fmt: skip
def test_what_no_challenge_has_is_a_complaint_at_load(line: str) -> None:
    with pytest.raises(ConfigError):
        pv_story(route=f"route {{ {line}; }}")


@pytest.mark.parametrize(
    "parameter",
    ['"nonce_expire", 0', '"username_spec", "u"', '"password_spec", "$nothing_known"', '"rpid_avp", "rpid"'],
)
def test_a_parameter_that_makes_no_sense_is_a_complaint(parameter: str) -> None:
    with pytest.raises(ConfigError):
        pv_story(parameters=f'modparam("auth", {parameter})\n')


def test_qop_and_algorithms_may_come_from_variables() -> None:
    route = 'route { $var(q) = "auth-int"; $var(a) = "SHA-256"; www_challenge("r", $var(q), $var(a)); }'
    answer = Caller(pv_story(route=route)).ask()
    assert 'qop="auth-int", algorithm=SHA-256' in challenges(answer)[0]
    route = 'route { $var(q) = "nonsense"; www_challenge("r", $var(q)); xlog("@@$rc"); sl_send_reply(500, "No"); }'
    caller = Caller(pv_story(route=route))
    assert caller.ask().status == 500
    assert caller.logged() == ["-1"]


RPID = """
route { RPID append_rpid_hf(ARGS); xlog("@@$rc"); is_rpid_user_e164(); xlog("@@$rc"); $du = "sip:10.0.0.2"; forward(); }
"""


@pytest.mark.parametrize(
    ("value", "arguments", "line", "codes"),
    [
        ("<sip:+49123@x>", "", "<sip:+49123@x>;party=calling;id-type=subscriber;screen=yes", ["1", "1"]),
        ("sip:bob@x", '"<", ">;a=b"', "<sip:bob@x>;a=b", ["1", "-1"]),
        ("", "", None, ["-1", "-1"]), ("sip:bob@x", '"<"', None, ["-1", "-1"]), ("a\r\nX: y", "", None, ["-1", "-1"]),
    ],
)  # fmt: skip
def test_remote_party_id(value: str, arguments: str, line: str | None, codes: list[str]) -> None:
    text = value.replace("\r\n", "\\r\\n")
    route = RPID.replace("ARGS", arguments).replace("RPID", f'$avp(rpid) = "{text}";' if value else "")
    caller = Caller(pv_story(route=route))
    there = caller.story.party("10.0.0.2")
    caller.party.said(request("MESSAGE"))
    assert there.heard("MESSAGE").header("Remote-Party-ID") == line
    assert caller.logged() == codes
