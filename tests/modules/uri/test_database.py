"""2.4's questions about accounts and URIs."""

from typing import Any

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.sql import FakeSql
from pysips.testing.story import HEAD, Story
from tests.credentials import credentials
from tests.modules.auth.conftest import Caller

MODULES = "sl signaling db_sqlite auth uri auth_db"
URLS = 'modparam("auth_db|uri", "db_url", "sqlite:///x")\nmodparam("auth_db", "load_credentials", "")\n'
PLAIN = 'modparam("auth_db", "calculate_ha1", 1)\nmodparam("auth_db", "password_column", "password")\n'
ROUTE = """
route {
    db_check_to(); $var(before) = $rc;
    if (!www_authorize("r.example", "subscriber")) {
        www_challenge("r.example", "0");
        exit;
    }
    db_check_to(); $var(to) = $rc;
    db_check_from(); $var(from) = $rc;
    db_does_uri_exist(); $var(uri) = $rc;
    xlog("@@$var(before) $var(to) $var(from) $var(uri)");
    sl_send_reply(200, "OK");
}
"""


class Rig(Caller):
    """A server whose database has alice, who may be called sales."""

    def __init__(self, parameters: str = "", route: str = ROUTE, modules: str = MODULES) -> None:
        self.sql = FakeSql("subscriber", "uri")
        self.sql.add("subscriber", username="alice", domain="r.example", password="secret")
        self.sql.add("uri", username="alice", domain="r.example", uri_user="sales")
        text = (URLS + PLAIN if "auth_db" in modules else "") + parameters + route
        super().__init__(Story(text, modules, HEAD, lambda program: self.sql.serve(program)))

    def told(self, **facts: Any) -> str:
        """What the script says of a registration with the right password."""
        challenged = self.ask(**facts).header("WWW-Authenticate")
        assert challenged is not None
        proof = credentials(challenged, "alice", "secret", "REGISTER", "sip:r.example")
        self.ask(f"Authorization: {proof}\r\n", **facts)
        return self.logged()[-1]


ALICE = "<sip:Alice@r.example>;tag=1"
SALES = "<sip:sales@r.example>;tag=1"


def test_without_a_table_names_are_compared() -> None:
    rig = Rig()
    assert rig.told(to="<sip:alice@x>", from_=ALICE) == "-2 1 1 -5"
    assert rig.told(to="<sip:bob@x>", from_="<sip:x>;tag=1") == "-2 -10 -4 -5"
    counted = rig.story.program.statistics.select("uri:")
    assert {one.name: one.value() for one in counted} == {"positive checks": 2, "negative_checks": 5}


def test_a_table_says_who_may_use_which_name() -> None:
    rig = Rig('modparam("uri", "use_uri_table", 1)\n')
    assert rig.told(to="<sip:sales@x>", from_=ALICE) == "-2 1 -9 -5"


@pytest.mark.parametrize(
    ("parameters", "uri", "code"),
    [
        ("", "sip:alice@elsewhere", "1"), ('modparam("uri", "use_domain", 1)\n', "sip:alice@elsewhere", "-5"),
        ('modparam("uri", "use_domain", 1)\n', "sip:alice@r.example", "1"), ("", "sip:j\udcf6rg@x", "-5"),
        ('modparam("uri", "use_uri_table", 1)\n', "sip:sales@x", "1"), ("", "tel:+1", "-5"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("modules", [MODULES, MODULES.replace("uri auth_db", "auth_db uri")])
def test_an_account_by_its_uri(parameters: str, uri: str, code: str, modules: str) -> None:
    rig = Rig(parameters, 'route { db_does_uri_exist(); xlog("@@$rc"); }', modules)
    rig.party.said(request("MESSAGE", uri))
    assert rig.logged() == [code]


def test_whose_a_uri_is() -> None:
    route = 'route { db_get_auth_id("$ru", "$var(id)", "$avp(realm)"); xlog("@@$rc $var(id) $avp(realm)"); }'
    parameters = URLS.partition("\n")[0].replace("auth_db|", "") + '\nmodparam("uri", "use_uri_table", 1)\n'
    rig = Rig(parameters, route, "sl signaling db_sqlite uri")
    rig.party.said(request("MESSAGE", "sip:sales@x"))
    rig.party.said(request("MESSAGE", "sip:bob@x", branch="z9hG4bK2"))
    rig.sql.is_down = True
    rig.party.said(request("MESSAGE", "sip:sales@x", branch="z9hG4bK3"))
    assert [line.split()[0] for line in rig.logged()] == ["1", "-4", "-8"]
    assert rig.logged()[0] == "1 alice r.example"


def test_without_a_database_names_are_still_compared() -> None:
    route = 'route { db_check_from(); xlog("@@$rc"); db_does_uri_exist(); xlog("@@$rc"); }'
    rig = Rig("", route, "sl signaling uri")
    rig.party.said(request("MESSAGE"))
    assert rig.logged() == ["-2", "-4"]
    with pytest.raises(ConfigError):
        Rig('modparam("uri", "use_uri_table", 1)\n', route, "sl signaling uri")
