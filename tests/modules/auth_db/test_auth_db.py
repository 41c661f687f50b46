"""Passwords out of a database, in a script."""

import hashlib
from typing import Any

import pytest

from pysips.core.log import log
from pysips.core.sqltables import SUBSCRIBER_7, statements
from pysips.core.sqlwork import Attempt, Query, Update
from pysips.errors import ConfigError
from pysips.sip.message import Message
from pysips.testing.messages import request
from pysips.testing.sql import FakeSql
from pysips.testing.story import HEAD, Story
from tests.credentials import credentials
from tests.modules.auth.conftest import Caller

MODULES = "sl signaling db_sqlite auth auth_db"
ROUTE = """
route {
    if (!www_authorize("r.example", "subscriber")) {
        xlog("@@$rc");
        www_challenge("r.example"CHALLENGE);
        exit;
    }
    xlog("@@$au AFTER");
    sl_send_reply(200, "OK");
}
"""


def ha1(algorithm: str, user: str = "alice", password: str = "secret", realm: str = "r.example") -> str:
    return hashlib.new(algorithm, f"{user}:{realm}:{password}".encode()).hexdigest()


class Rig(Caller):
    """A server with alice in its database, and a caller."""

    def __init__(
        self, parameters: str = "", challenge: str = "", after: str = "", route: str = ROUTE, sql: FakeSql | None = None
    ) -> None:  # fmt: skip
        log.held.clear()  # lines that come once a minute
        self.sql = sql or FakeSql("subscriber", "uri")
        if sql is None:
            self.add("alice")
        text = 'modparam("auth_db", "db_url", "sqlite:///x")\n' + parameters
        text += route.replace("CHALLENGE", challenge).replace("AFTER", after)
        super().__init__(Story(text, MODULES, HEAD, lambda program: self.sql.serve(program)))

    def add(self, user: str, domain: str = "r.example", **row: Any) -> None:
        hashes = {"ha1": "md5", "ha1_sha256": "sha256", "ha1_sha512t256": "sha512_256"}
        made = {column: ha1(algorithm, user) for column, algorithm in hashes.items()}
        self.sql.add("subscriber", **{"username": user, "domain": domain, **made, **row})


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"])
def test_each_algorithm_has_a_column(algorithm: str) -> None:
    rig = Rig(challenge=f', "auth", "{algorithm}"')
    assert rig.prove(rig.ask()).status == 200
    assert rig.prove(rig.ask(), password="guess").status == 401
    assert rig.prove(rig.ask(), user="eve").status == 401
    assert rig.logged() == ["-4", "alice ", "-4", "-2", "-4", "-1"]


def test_a_stranger_costs_no_question() -> None:
    rig = Rig()
    rig.sql.asked.clear()  # those of the start
    rig.ask()
    rig.ask('Authorization: Digest username="alice", realm="r.example", nonce="n", uri="u", response="r"\r\n')
    assert rig.sql.asked == []


def test_the_domain_is_looked_at() -> None:
    rig = Rig()
    rig.add("bob", "other.example")
    assert rig.prove(rig.ask(), user="bob").status == 401
    rig = Rig('modparam("auth_db", "use_domain", 0)\n')
    rig.add("bob", "other.example")
    assert rig.prove(rig.ask(), user="bob").status == 200


def test_a_name_with_a_domain_in_tables_of_2_4() -> None:
    sql = FakeSql("subscriber", "uri")
    attempt = Attempt()
    for statement in ("DROP TABLE subscriber", *statements(SUBSCRIBER_7, "sqlite")):
        sql.perform(Query(statement), attempt)
    sql.perform(Update("version", [("table_name", "=", "subscriber")], {"table_version": 7}), attempt)
    sql.add("subscriber", username="ann", domain="d.example", ha1=ha1("md5", "ann"), ha1b=ha1("md5", "ann@d.example"))
    rig = Rig(sql=sql)
    assert rig.prove(rig.ask(), user="ann@d.example").status == 200
    assert rig.prove(rig.ask(), user="ann@other.example").status == 401


def test_a_column_for_names_with_a_domain_may_be_named() -> None:
    rig = Rig('modparam("auth_db", "password_column_2", "password")\n')
    rig.add("ann", password=ha1("md5", "ann@r.example"))
    assert rig.prove(rig.ask(), user="ann@r.example").status == 200


PLAIN = 'modparam("auth_db", "calculate_ha1", 1)\nmodparam("auth_db", "password_column", "password")\n'


def test_passwords_themselves() -> None:
    rig = Rig(PLAIN, ', "auth", "SHA-256"')
    rig.add("bob", password="pass word")
    assert rig.prove(rig.ask(), user="bob", password="pass word").status == 200
    assert rig.prove(rig.ask(), user="bob", password="pass").status == 401


def test_an_empty_password_lets_nobody_in() -> None:
    rig = Rig(PLAIN)
    assert rig.prove(rig.ask(), password="").status == 401
    assert rig.logged() == ["-4", "-2"]


@pytest.mark.parametrize("kept", ["", "abc", "0" * 64])
def test_an_account_without_a_hash_for_the_algorithm_is_refused(kept: str) -> None:
    rig = Rig()
    rig.add("bob", ha1=kept)
    assert rig.prove(rig.ask(), user="bob").status == 401
    assert rig.logged() == ["-4", "-2"]
    assert any("no HA1 for MD5" in line for line in rig.story.lines)


def test_capital_hexadecimal_is_the_same() -> None:
    rig = Rig()
    rig.add("bob", ha1=ha1("md5", "bob").upper())
    assert rig.prove(rig.ask(), user="bob").status == 200


def test_credentials_are_loaded_into_avps() -> None:
    wanted = 'modparam("auth_db", "load_credentials", "$avp(key)=id; domain;password")\n'
    rig = Rig(wanted, "", "$avp(key) $avp(domain) $avp(password)")
    assert rig.prove(rig.ask()).status == 200
    assert rig.logged()[-1] == "alice 1 r.example <null>"


@pytest.mark.parametrize("name", ["j\udcf6rg", "nu\0ll", "' OR 1=1 --", "%", "a" * 2000, "\u0661"])
def test_names_of_strangers_are_nobody(name: str) -> None:
    rig = Rig()
    assert rig.prove(rig.ask(), username=name).status == 401
    assert rig.logged() == ["-4", "-1"]


def test_a_database_that_is_away_is_500_and_heals() -> None:
    rig = Rig()
    rig.sql.is_down = True
    answer = rig.prove(rig.ask())
    assert (answer.status, answer.reason) == (500, "Server Internal Error")
    assert rig.prove(rig.ask()).status == 500
    assert rig.logged() == ["-4", "-4"], "the script ends where it was answered"
    assert sum("accounts cannot be read" in line for line in rig.story.lines) == 1
    rig.sql.is_down = False
    rig.story.after(2)
    assert rig.prove(rig.ask()).status == 200


def test_a_table_that_is_not_there_is_500() -> None:
    rig = Rig(route=ROUTE.replace("subscriber", "nowhere"), parameters='modparam("auth_db", "skip_version_check", 1)\n')
    assert rig.prove(rig.ask()).status == 500


def test_no_secret_reaches_the_log() -> None:
    rig = Rig('log_level=4\nmodparam("auth", "secret", "johndoessecretphrase")\n', ', "auth", "SHA-256,MD5"')
    rig.prove(rig.ask())
    rig.prove(rig.ask(), password="wrong")
    rig.ask("Authorization: " + rig.last.partition("Authorization: ")[2].partition("\r\n")[0] + ", x\r\n")
    rig.sql.is_down = True
    rig.prove(rig.ask())
    told = "\n".join(rig.story.lines)
    for secret in ("secret", "wrong", ha1("md5"), ha1("sha256"), "johndoes", "c0ffee", "nonce=", "response="):
        assert secret not in told, secret


QUESTIONS = """
route {
    db_does_uri_exist($ru, "subscriber"); xlog("@@exists $rc");
    db_is_to_authorized("uri"); xlog("@@before $rc");
    if (!proxy_authorize("r.example", "subscriber")) { proxy_challenge("r.example"); exit; }
    db_is_to_authorized("uri"); xlog("@@to $rc");
    db_is_from_authorized("uri"); xlog("@@from $rc");
    db_get_auth_id("uri", $fu, $var(id), $avp(realm)); xlog("@@id $rc $var(id) $avp(realm)");
    sl_send_reply(200, "OK");
}
"""


def asked(rig: Rig, **facts: str) -> dict[str, str]:
    """What the questions were answered, by their names."""
    said: Message = rig.ask(method="MESSAGE", **facts)
    challenge = said.header("Proxy-Authenticate")
    assert challenge is not None
    before = len(rig.logged())
    proof = credentials(challenge, "alice", "secret", "MESSAGE", "sip:x")
    rig.ask(f"Proxy-Authorization: {proof}\r\n", method="MESSAGE", **facts)
    return dict(line.split(" ", 1) for line in rig.logged()[before:])


def test_who_may_use_which_uri() -> None:
    rig = Rig(route=QUESTIONS)
    rig.sql.add("uri", username="alice", domain="r.example", uri_user="sales")
    facts = {"from_": "<sip:sales@r.example>;tag=1", "to": "<sip:boss@r.example>"}
    assert asked(rig, **facts) == {"exists": "-5", "before": "-2", "to": "-9", "from": "1", "id": "1 alice r.example"}
    facts = {"from_": "<sip:r.example>;tag=1", "to": "<sip:sales@r.example>"}
    assert asked(rig, **facts) == {"exists": "-5", "before": "-2", "to": "1", "from": "-4", "id": "-1 alice <null>"}
    facts = {"from_": "<sip:nobody@r.example>;tag=1", "to": "<sip:@@>"}
    found = asked(rig, **facts)
    assert (found["to"], found["from"], found["id"][:2]) == ("-1", "-9", "-4")


def test_questions_that_nobody_answers() -> None:
    route = """
    route {
        db_does_uri_exist("sip:alice@r.example", "subscriber"); xlog("@@$rc");
        db_get_auth_id("uri", "sip:sales@r.example", $var(id), $var(realm)); xlog("@@$rc");
        db_does_uri_exist("nonsense", "subscriber"); xlog("@@$rc");
    }
    """
    rig = Rig(route=route)
    rig.party.said(request("MESSAGE"))
    rig.sql.is_down = True
    rig.party.said(request("MESSAGE", branch="z9hG4bK-2"))
    assert rig.logged() == ["1", "-4", "-1", "-4", "-8", "-1"]


@pytest.mark.parametrize(
    "parameters",
    [
        'modparam("auth_db", "load_credentials", "$var(x)=rpid")\n',
        'modparam("auth_db", "db_url", "mysql://u:pw@h/d")\n',
    ],
)
def test_parameters_that_make_no_sense(parameters: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Rig(parameters)
    assert "pw" not in str(refused.value)
