"""A whole server with a database: each of its processes has connections of its own, and none waits for a frozen one."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.errors import PysipsError
from tests.live import Phone, Server, until
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.scenario
MODULE = '''
"""asker: a module of somebody else, that asks a database."""

from pysips.core.exports import MiError, Module, Where, function, mi, param
from pysips.core.context import Context
from pysips.core.sqldb import SqlError


class Asker(Module):
    db_url: str = param("", help="")

    def configure(self) -> None:
        self.database = self.program.databases.open(self.db_url)

    async def start(self) -> None:
        try:
            await self.database.insert("seen", {"slot": self.services.slot})
        except SqlError as problem:
            assert problem.is_down

    async def stop(self) -> None:
        await self.database.insert("seen", {"slot": 100 + self.services.slot})

    @function("ask")
    async def ask(self, ctx: Context) -> int:
        """1, or -1 if the database does not answer."""
        try:
            await self.database.select("seen", ["slot"])
        except SqlError:
            return -1
        return 1

    @mi("ask_once", where=Where.ONCE)
    async def ask_once(self) -> int:
        try:
            return len(await self.database.select("seen", ["slot"]))
        except SqlError as problem:
            raise MiError(500, str(problem)) from None
'''
SCRIPT = """
log_level=3
socket=udp:127.0.0.1:5060
mpath="{folder}/modules"
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "mi_fifo.so"
loadmodule "db_mysql.so"
loadmodule "asker.so"
modparam("mi_fifo", "fifo_name", "{folder}/opensips_fifo")
modparam("asker", "db_url", "URL")
route {
    if ($rU == "ask" && !ask())
        sl_send_reply(503, "No Database");
    else
        sl_send_reply(200, "OK");
}
"""


@pytest.mark.xdist_group("mariadb")
def test_a_server_lives_with_its_database_and_without(serve: Callable[..., Server], tmp_path: Path) -> None:
    with MariaDb.start() as mariadb:
        mariadb.query("CREATE DATABASE sip")
        mariadb.query("CREATE TABLE seen (slot integer)", "sip")
        script = SCRIPT.replace("URL", mariadb.url("sip")).replace("{folder}/modules", str(tmp_path / "modules"))
        modules = tmp_path / "modules"
        modules.mkdir()
        (modules / "asker.py").write_text(MODULE, "utf-8")
        server = serve(script)
        alice = Phone("alice", 5070)

        def slots() -> set[int]:
            return {row[0] for row in mariadb.query("SELECT slot FROM seen", "sip")}

        until(lambda: {-1, 0} <= slots(), 5, "the processes' first words to the database")
        assert server.mi("ask_once") == len(slots())

        mariadb.freeze()
        alice.request("OPTIONS", "sip:ask@127.0.0.1:5060", call="first")
        began = time.monotonic()
        alice.request("OPTIONS", "sip:other@127.0.0.1:5060", call="second")
        alice.hear("200 OK")
        assert time.monotonic() - began < 0.9, "nobody else waits"
        alice.hear("503 No Database")
        assert time.monotonic() - began < 4
        with pytest.raises(PysipsError, match=r"is down|no answer"):
            server.mi("ask_once")
        mariadb.thaw()

        def all_ask() -> bool:
            alice.request("OPTIONS", "sip:ask@127.0.0.1:5060", call="first")
            if "200 OK" not in alice.hear("SIP/2.0"):
                return False
            try:
                return bool(server.mi("ask_once"))
            except PysipsError:
                return False

        until(all_ask, 8, "the database's return for worker and attendant")
        alice.close()
        assert server.stop() == 0
        assert {99, 100} <= slots(), "a module that stops may still ask"
        assert "opensipsrw" not in server.log()
