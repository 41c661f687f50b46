"""A whole server that asks for passwords: its workers share nonces, and a database that is away holds nobody up."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli import main
from tests.credentials import credentials
from tests.live import PASSWORD, Phone, Server, header, make_accounts
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.scenario

SCRIPT = """
socket=udp:127.0.0.1:5060
log_level=4
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
loadmodule "db_KIND.so"
loadmodule "auth.so"
loadmodule "auth_db.so"
modparam("auth_db", "db_url", "URL")
route {
    if (is_method("OPTIONS")) {
        sl_send_reply(200, "OK");
        exit;
    }
    if (!www_authorize("r", "subscriber")) {
        www_challenge("r", "auth");
        exit;
    }
    xlog("worker $pp lets $au in\\n");
    sl_send_reply(200, "OK");
}
"""


def script(url: str) -> str:
    return SCRIPT.replace("KIND", url.partition(":")[0]).replace("URL", url)


def challenge(phone: Phone, call: str) -> str:
    phone.request("REGISTER", "sip:r", call=call)
    return header(phone.hear("401"), "WWW-Authenticate")


def status(phone: Phone, call: str) -> tuple[int, float]:
    """What a registration with the right password is answered, and how long that takes."""
    proof = credentials(challenge(phone, call), "alice", PASSWORD, "REGISTER", "sip:r")
    began = time.monotonic()
    phone.request("REGISTER", "sip:r", f"Authorization: {proof}", call=call)
    return int(phone.hear("SIP/2.0").split(" ")[1]), time.monotonic() - began


def test_of_all_workers_one_takes_a_nonce(serve: Callable[..., Server], tmp_path: Path) -> None:
    url = f"sqlite://{make_accounts(tmp_path, domain='r')}"
    server = serve(script(url), "-o", "pysips_workers=2")
    phones = [Phone("alice", 5071 + number) for number in range(6)]
    try:
        for turn in range(4):
            given = challenge(phones[0], f"asks-{turn}")
            proof = credentials(given, "alice", PASSWORD, "REGISTER", "sip:r")
            for number, phone in enumerate(phones):
                phone.request("REGISTER", "sip:r", f"Authorization: {proof}", call=f"call-{turn}-{number}")
            answers = sorted(phone.hear("SIP/2.0").split(" ")[1] for phone in phones)
            assert answers == ["200", *["401"] * 5]
        good = [status(phones[0], f"good-{number}")[0] for number in range(10)]
        assert good == [200] * 10
        lucky = set(re.findall(r"worker (\d+) lets alice in", server.log()))
        assert len(lucky) == 2, "both workers let somebody in"
    finally:
        for phone in phones:
            phone.close()
    log = server.log()
    assert not re.search(r"response=|c0ffee|nonce=|[0-9a-f]{32}", log), "secrets in the log"


@pytest.mark.xdist_group("mariadb")
def test_a_database_that_is_away_or_slow(serve: Callable[..., Server], mariadb: MariaDb, mysql_url: str) -> None:
    assert main(["db", "create", "--url", mysql_url, "subscriber"]) == 0
    assert main(["user", "add", "--url", mysql_url, "alice@r", PASSWORD]) == 0
    server = serve(script(mysql_url), "-o", "pysips_workers=2")
    phone, other = Phone("alice", 5071), Phone("bob", 5072)

    def others() -> float:
        """How long somebody waits who needs no database."""
        began = time.monotonic()
        other.request("OPTIONS", "sip:r", call=f"options-{began}")
        other.hear("200")
        return time.monotonic() - began

    def heals() -> None:
        end = time.monotonic() + 15
        while status(phone, f"heal-{time.monotonic()}")[0] != 200:
            assert time.monotonic() < end, "the database is not found back"
            time.sleep(0.1)

    try:
        assert status(phone, "first")[0] == 200
        mariadb.freeze()
        try:
            for number in range(4):
                code, taken = status(phone, f"frozen-{number}")
                assert (code, taken < 2.0) == (500, True)
                assert others() < 0.8
        finally:
            mariadb.thaw()
        heals()
        mariadb.kill()
        try:
            code, taken = status(phone, "killed")
            assert (code, taken < 2.0) == (500, True)
        finally:
            mariadb.restart()
        heals()
    finally:
        phone.close()
        other.close()
    assert "Traceback" not in server.log()
