"""The tutorial's platform in network namespaces: machines on a bridge with the tutorial's addresses. Root.

Each machine has a network, /etc and /run of its own, so what scripts/federation names is used as it stands there. A
node is such a machine with a MariaDB and a server; phones have addresses of one machine; the wire is what crosses the
bridge.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from pysips.cli.mi import ask
from tests.live import ROOT, until
from tests.servers.mariadb import PASSWORD, USER, MariaDb

from .machines import Machine, Network, slay
from .site_phones import DOMAIN, PHONES, Crowd, SitePhone
from .stores import HOST, STORES, Store

FEDERATION: Final = ROOT / "scripts" / "federation"
OWN: Final = {1: "10.0.0.177", 2: "10.0.0.178", 3: "10.0.0.179", 4: "10.0.0.180"}
SITE: Final = {1: "10.0.0.223", 2: "10.0.0.223", 3: "10.0.0.224", 4: "10.0.0.224"}
CASSANDRA: Final = re.compile(r'loadmodule "cachedb_cassandra[.]so"\nmodparam[(]"usrloc", "cachedb_url", .*\n')


class Node(Machine):
    """One of the cluster: a machine with a MariaDB of its own and a server."""

    def __init__(self, platform: "Platform", number: int) -> None:
        super().__init__(platform.network, f"node{number}", OWN[number])
        self.platform, self.number = platform, number
        self.site = OWN[number] if platform.alone else SITE[number]
        self.fifo = self.folder / "opensips_fifo"
        self.process: subprocess.Popen[bytes] | None = None
        self.database: LocalMariaDb | None = None
        self.keepalived: subprocess.Popen[bytes]
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        """What the README has a user do."""
        etc = self.own_etc()
        opensips = etc / "opensips"
        opensips.mkdir(exist_ok=True)
        script = self.platform.script(self.number).replace("/tmp/opensips_fifo", str(self.fifo))
        (opensips / "opensips.cfg").write_text(script, "utf-8")
        (opensips / "opensipsctlrc").write_text(f"OSIPS_FIFO={self.fifo}\n", "utf-8")
        with self.at():
            self.database = LocalMariaDb.start()
        self.binds["/run/mysqld"] = self.database.folder
        url = f"mysql://{USER}:{PASSWORD}@localhost/opensips"
        self.mysql("CREATE DATABASE opensips", database="")
        self.do(sys.executable, "-m", "pysips", "db", "create", "--url", url)
        table = "clusterer-no-backups.sql" if self.platform.alone else "clusterer.sql"
        self.mysql((FEDERATION / table).read_text("utf-8"))

    def mysql(self, text: str, database: str = "opensips") -> str:
        """SQL as a user types it."""
        return self.do(
            "mariadb", f"-u{USER}", f"-p{PASSWORD}", "-N", "-B", *([database] if database else []), said=text
        )

    def prepare_virtual_ip(self, hook: str = "") -> None:
        """keepalived's files as the README has them put; hook: what vip-hook asks the server with, instead."""
        etc, local = self.folder / "etc", self.folder / "bin"
        local.mkdir()
        (local / "opensipsctl").symlink_to(Path(sys.executable).with_name("pysipsctl"))
        (etc / "keepalived").mkdir(exist_ok=True)
        (etc / "keepalived" / "keepalived.conf").write_text(self.platform.printed(self.number, "keepalived.conf"))
        for name in ("vip-hook", "vip-check"):
            shutil.copy(FEDERATION / name, etc / "opensips")
        if hook:
            path = etc / "opensips" / "vip-hook"
            text = path.read_text("utf-8")
            assert "opensipsctl fifo nh_enable_ping $pings" in text
            path.write_text(text.replace("opensipsctl fifo nh_enable_ping $pings", hook), "utf-8")

    def start_keepalived(self) -> None:
        """In the foreground; its files name no folder of this test."""
        environment = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin"}
        self.keepalived = self.start("keepalived.log", "keepalived", "-n", "-l", "-P", environment=environment)
        self.platform.network.programs.append(self.keepalived)

    def die(self) -> None:
        """The machine without power: nothing of it runs, nothing is on its cable."""
        self.plug(self.platform.network, False)
        slay(self.keepalived)
        self.kill()

    def revive(self) -> None:
        """Power again: the virtual IP went with it, and its programs are started."""
        if self.holds(self.site):
            self.ip("addr", "del", f"{self.site}/24", "dev", "eth0")
        self.plug(self.platform.network, True)
        self.start_server()
        self.start_keepalived()

    # -- its server

    def start_server(self, is_awaited: bool = True) -> "Node":
        python, script = sys.executable, "/etc/opensips/opensips.cfg"
        self.starts = self.log().count("processes: supervisor")
        state = {"STATE_DIRECTORY": str(self.folder / "state")}
        self.process = self.start(
            "server.log", python, "-m", "pysips", "-f", script, "-o", "pysips_workers=2", environment=state
        )
        if is_awaited:
            until(self.is_ready, 60, f"the start of {self.name}")
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"{self.name} ended with {code}:\n{self.log()[-3000:]}"
        return self.log().count("processes: supervisor") > self.starts

    def mi(self, method: str, params: object = None, seconds: float = 5.0) -> Any:
        return ask(self.fifo, Path("/tmp"), method, params, seconds)

    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def errors(self) -> list[str]:
        """Lines of its log that no operator wants to see."""
        return [line for line in self.log().splitlines() if re.search(r"ERROR|CRIT|ALERT|Traceback", line)]

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9 to all of the server at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def contacts(self, aor: str) -> list[str]:
        """The URIs of an AoR's contacts that it has in memory."""
        [domain] = self.mi("ul_dump")["Domains"]
        found = [row for row in domain["AORs"] if row["AOR"] == f"{aor}@{DOMAIN}"]
        return [contact["Contact"] for row in found for contact in row["Contacts"]]

    def aors(self) -> set[str]:
        [domain] = self.mi("ul_dump", {"brief": 1})["Domains"]
        return {row["AOR"] for row in domain["AORs"]}

    def links(self) -> dict[int, str]:
        listed = self.mi("clusterer_list")["Clusters"]
        return {one["node_id"]: one["link_state"] for cluster in listed for one in cluster["Nodes"]}

    def is_synced(self) -> bool:
        [cluster] = self.mi("clusterer_list_cap")["Clusters"]
        return all(one["state"] == "Ok" for one in cluster["Capabilities"])

    def close(self) -> None:
        self.kill()
        if self.database is not None:
            self.database.close()


class LocalMariaDb(MariaDb):
    """As Debian's listens: its usual port, its usual name of a socket."""

    usual_port = 3306

    @property
    def socket(self) -> str:
        return str(self.folder / "mysqld.sock")


class Platform:
    """spelling: "2.4" or "3.x"; store: a name of STORES, or "none"; alone: sites without backups.

    extra: lines for the scripts' end of modules; mended: texts of the scripts that are replaced.
    """

    def __init__(
        self, folder: Path, spelling: str = "2.4", store: str = "none", alone: bool = True, extra: str = "",
        mended: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.spelling, self.store_name, self.alone = folder, spelling, store, alone
        self.extra, self.mended = extra, mended or {}
        self.nodes: dict[int, Node] = {}
        self.sitting: list[SitePhone | Crowd] = []
        self.store: Store | None = None
        self.network = Network(folder)
        self.wire = self.network.wire
        try:
            self.phones = Machine(self.network, "phones", *PHONES)
            self.store_machine = Machine(self.network, "store", HOST)
            if store != "none":
                self.start_store()
        except BaseException:
            self.close()
            raise

    def start_store(self) -> None:
        """The store of all sites, and what its README's line makes in it."""
        with self.store_machine.at():
            self.store = STORES[self.store_name]((FEDERATION / "userlocation.cql").read_text("utf-8"))
            self.store.prepare()

    def printed(self, number: int, file: str) -> str:
        """What `scripts/federation/node` prints."""
        words = [str(FEDERATION / "node"), str(number), file, *["alone"] * self.alone]
        return subprocess.run(words, text=True, check=True, capture_output=True).stdout

    def script(self, number: int) -> str:
        """A node's script, with the lines of the wanted store."""
        text = self.printed(number, f"opensips-{self.spelling}.cfg")
        if self.store_name == "none":
            text = CASSANDRA.sub("", text).replace('"federation-cachedb-cluster"', '"federation-cluster"')
        elif self.store_name != "cassandra":
            text = CASSANDRA.sub(STORES[self.store_name].lines, text)  # type: ignore[attr-defined]
        for before, after in self.mended.items():
            assert before in text, before
            text = text.replace(before, after)
        return text.replace("####### Routes", f"{self.extra}\n####### Routes")

    def node(self, number: int) -> Node:
        self.nodes[number] = Node(self, number)
        return self.nodes[number]

    def linked(self, *numbers: int) -> None:
        """Wait until these nodes see each other, and each has its contacts in sync."""
        for number in numbers:
            others = {one for one in numbers if one != number}
            node = self.nodes[number]
            until(lambda: {one for one, state in node.links().items() if state == "Up"} >= others, 20, "the links")  # noqa: B023
            until(node.is_synced, 20, f"{node.name} in sync")

    def phone(self, name: str, number: int, site: str, user: str = "") -> "SitePhone":
        """A phone of user `user` at address PHONES[number], which speaks to a site."""
        with self.phones.at():
            made = SitePhone(name, PHONES[number], site, user or name)
        self.sitting.append(made)
        return made

    def rows(self) -> set[tuple[str, str]]:
        """The records in the store: user and site."""
        assert self.store is not None
        with self.store_machine.at():
            return {(aor.removesuffix(f"@{DOMAIN}"), home) for aor, home in self.store.rows()}

    def rows_become(self, *rows: tuple[str, str], seconds: float = 10.0) -> None:
        """Wait until these are the records; without a store nobody can look."""
        if self.store is None:
            return
        try:
            until(lambda: self.rows() == set(rows), seconds, "what the store should have")
        except AssertionError as late:
            there = self.rows()
            missing, much = sorted(set(rows) - there)[:5], sorted(there - set(rows))[:5]
            raise AssertionError(f"{late}: of {len(rows)} records {missing} are missing, {much} too many") from None

    def crowd(self, number: int, site: str) -> Crowd:
        """Many users at address PHONES[number]."""
        made = Crowd(self.phones, PHONES[number], site)
        self.sitting.append(made)
        return made

    def started(self, machine: Machine, log: str, *command: str) -> "subprocess.Popen[bytes]":
        """A program that ends with the platform."""
        self.network.programs.append(machine.start(log, *command))
        return self.network.programs[-1]

    def close(self) -> None:
        for phone in self.sitting:
            phone.close()
        for node in self.nodes.values():
            node.close()
        if self.store is not None:
            self.store.close()
        self.network.close()

    def __enter__(self) -> "Platform":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
        for node in self.nodes.values():
            assert "Traceback" not in node.log(), node.log()[-6000:]
