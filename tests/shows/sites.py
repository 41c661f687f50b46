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
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pysips.cli.mi import ask
from pysips.errors import PysipsError
from tests.bench.accounting import family
from tests.live import ROOT, Phone, header, until
from tests.servers.mariadb import PASSWORD, USER, MariaDb

from .nat_network import enter, run
from .stores import HOST, STORES, Store

FEDERATION: Final = ROOT / "scripts" / "federation"
DOMAIN: Final = "example.com"
OWN: Final = {1: "10.0.0.177", 2: "10.0.0.178", 3: "10.0.0.179", 4: "10.0.0.180"}
SITE: Final = {1: "10.0.0.223", 2: "10.0.0.223", 3: "10.0.0.224", 4: "10.0.0.224"}
PHONES: Final = [f"10.0.0.{number}" for number in range(101, 121)]
CASSANDRA: Final = re.compile(r'loadmodule "cachedb_cassandra\.so"\nmodparam\("usrloc", "cachedb_url", [^\n]*\n')
ALL_FRAMES: Final = 3  # ETH_P_ALL


class Machine:
    """A network namespace on the bridge, and what runs in it."""

    def __init__(self, platform: "Platform", name: str, *addresses: str) -> None:
        self.name = name
        self.namespace = f"pysips-{os.getpid()}-{name}"
        self.folder = platform.folder / name
        self.binds: dict[str, Path] = {}
        run("ip", "netns", "add", self.namespace)
        platform.made.append(self.namespace)
        for private in ("etc", "run"):
            (self.folder / private).mkdir(parents=True)
        self.ip("link", "set", "lo", "up")
        if addresses:
            hub = platform.hub.namespace
            run("ip", "-n", hub, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
            run("ip", "-n", hub, "link", "set", name, "master", "br0", "up")
            self.ip("link", "set", "eth0", "up")
        for address in addresses:
            self.ip("addr", "add", f"{address}/24", "dev", "eth0")

    def ip(self, *words: str) -> None:
        run("ip", "-n", self.namespace, *words)

    @contextlib.contextmanager
    def at(self) -> Iterator[None]:
        """Be in its network meanwhile: sockets that are made, and programs that are started, stay there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.namespace}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())

    def words(self, *command: str) -> list[str]:
        """A command line that runs in its network, with its own /etc and /run."""
        binds = "".join(f"mkdir -p {place} && mount --bind {path} {place} && " for place, path in self.binds.items())
        inside = f'mount --bind "$0/run" /run && mount --bind "$0/etc" /etc && {binds}exec "$@"'
        return ["ip", "netns", "exec", self.namespace, "sh", "-c", inside, str(self.folder), *command]

    def start(self, log: str, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A program in a session of its own; what it says is in the log of that name."""
        with (self.folder / log).open("ab") as said:
            return subprocess.Popen(
                self.words(*command), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT,
                env={**os.environ, **(environment or {})}, start_new_session=True,
            )  # fmt: skip

    def do(self, *command: str, said: str = "") -> str:
        """A program to its end; what it answers. AssertionError if it fails."""
        done = subprocess.run(
            self.words(*command), input=said, text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def plug(self, platform: "Platform", is_in: bool) -> None:
        """Its cable."""
        run("ip", "-n", platform.hub.namespace, "link", "set", self.name, "up" if is_in else "down")

    def own_etc(self) -> Path:
        """A copy of this machine's /etc as its own."""
        etc = self.folder / "etc"
        shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("shadow*"))
        return etc


class Node(Machine):
    """One of the cluster: a machine with a MariaDB of its own and a server."""

    def __init__(self, platform: "Platform", number: int) -> None:
        super().__init__(platform, f"node{number}", OWN[number])
        self.platform, self.number = platform, number
        self.site = OWN[number] if platform.alone else SITE[number]
        self.fifo = self.folder / "opensips_fifo"
        self.process: subprocess.Popen[bytes] | None = None
        self.database: LocalMariaDb | None = None
        self.prepare()

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
        return self.do("mariadb", f"-u{USER}", f"-p{PASSWORD}", "-N", "-B", *([database] if database else []), said=text)

    # -- its server

    def start_server(self, is_awaited: bool = True) -> "Node":
        python, script = sys.executable, "/etc/opensips/opensips.cfg"
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
        try:
            return self.fifo.exists() and "Server" in self.mi("version")
        except PysipsError:
            return False

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
        self.made: list[str] = []
        self.nodes: dict[int, Node] = {}
        self.sitting: list[SitePhone] = []
        self.programs: list[subprocess.Popen[bytes]] = []
        self.store: Store | None = None
        self.hub = self.phones = self.store_machine = None  # type: ignore[assignment]
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def make(self) -> None:
        try:
            self.hub = Machine(self, "hub")
        except subprocess.CalledProcessError as problem:
            pytest.skip(f"no network namespaces here: {problem.stderr.strip()}")
        self.hub.ip("link", "add", "br0", "type", "bridge")
        self.hub.ip("link", "set", "br0", "up", "promisc", "on")
        self.wire = Wire(self.hub)
        self.phones = Machine(self, "phones", *PHONES)
        self.store_machine = Machine(self, "store", HOST)
        if self.store_name != "none":
            self.start_store()

    def start_store(self) -> None:
        """The store of all sites, and what its README's line makes in it."""
        with self.store_machine.at():
            self.store = STORES[self.store_name]((FEDERATION / "userlocation.cql").read_text("utf-8"))
            self.store.prepare()

    def script(self, number: int) -> str:
        """What `scripts/federation/node` prints, with the lines of the wanted store."""
        words = [str(FEDERATION / "node"), str(number), f"opensips-{self.spelling}.cfg", *["alone"] * self.alone]
        text = subprocess.run(words, text=True, check=True, capture_output=True).stdout
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
            until(lambda: self.rows() == set(rows), seconds, f"records {rows}")
        except AssertionError as late:
            raise AssertionError(f"{late}, but there are {self.rows()}") from None

    def started(self, machine: Machine, log: str, *command: str) -> subprocess.Popen[bytes]:
        """A program that ends with the platform."""
        self.programs.append(machine.start(log, *command))
        return self.programs[-1]

    def close(self) -> None:
        for phone in self.sitting:
            phone.close()
        for process in self.programs:
            slay(process)
        for node in self.nodes.values():
            node.close()
        if self.store is not None:
            self.store.close()
        for namespace in reversed(self.made):
            run("ip", "netns", "del", namespace)

    def __enter__(self) -> "Platform":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
        for node in self.nodes.values():
            assert "Traceback" not in node.log(), node.log()[-6000:]


def slay(process: subprocess.Popen[bytes]) -> None:
    """kill -9 to a program and to its children."""
    if process.poll() is None:
        for pid in family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(10)


class Wire:
    """All SIP over UDP that crosses the bridge: (when, from, to, text), in order."""

    def __init__(self, hub: Machine) -> None:
        with hub.at():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(("br0", 0))
        self.socket.setblocking(False)
        self.heard: list[tuple[float, str, str, str]] = []

    def read(self) -> list[tuple[float, str, str, str]]:
        """Everything so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.socket.recv(65535)
                if len(frame) > 42 and frame[12:14] == b"\x08\x00" and frame[23] == 17:
                    head = 14 + 4 * (frame[14] & 15)
                    if 5060 in (int.from_bytes(frame[head : head + 2]), int.from_bytes(frame[head + 2 : head + 4])):
                        ends = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
                        text = frame[head + 8 :].decode("utf-8", "replace")
                        self.heard.append((time.monotonic(), *ends, text))
        return self.heard

    def requests(self, method: str, source: str = "", target: str = "", since: int = 0) -> list[str]:
        """Requests that crossed, each once however often it was repeated."""
        found: dict[str, str] = {}
        for _, sender, taker, text in self.read()[since:]:
            if text.startswith(f"{method} ") and source in ("", sender) and target in ("", taker):
                found.setdefault(header(text, "Via"), text)
        return list(found.values())

    def mark(self) -> int:
        """A place to begin at."""
        return len(self.read())


class SitePhone(Phone):
    """A phone of the platform; it speaks to one site and hears from that alone."""

    def __init__(self, name: str, address: str, site: str, user: str) -> None:
        super().__init__(name, 5060, address)
        self.socket.connect((site, 5060))
        self.aor = f"sip:{user}@{DOMAIN}"
        self.server = DOMAIN
        self.contact = f"<sip:{user}@{address}:5060>"
        self.site = site

    def send(self, expires: int, contact: str = "") -> None:
        self.request(
            "REGISTER", f"sip:{DOMAIN}", f"From: <{self.aor}>;tag=of-{self.user}{self.cseq}", f"Expires: {expires}",
            f"Contact: {contact or self.contact}", to=f"<{self.aor}>", call=f"registration-of-{self.user}",
        )  # fmt: skip

    def register(self, expires: int = 600, seconds: float = 5.0) -> str:
        """Registered; the answer."""
        self.send(expires)
        return self.hear(" 200 ", seconds)

    def unregister(self) -> str:
        return self.register(0)

    def invite(self, user: str, *extra: str) -> str:
        """Call somebody; the Call-ID."""
        call = f"{self.user}-{time.monotonic_ns()}"
        self.request("INVITE", f"sip:{user}@{DOMAIN}", *extra, call=call)
        self.invited = self.said.decode()
        return call

    def cancel(self) -> None:
        lines = self.invited.split("\r\n\r\n")[0].split("\r\n")
        kept = [line for line in lines[1:] if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "Max-Forwards")]
        sequence = header(self.invited, "CSeq").split()[0]
        self.say(lines[0].replace("INVITE", "CANCEL"), [*kept, f"CSeq: {sequence} CANCEL"])

    def acknowledge(self, answer: str, final: bool = True) -> None:
        """ACK to a 2xx, along the route that its Record-Route laid."""
        self.inside("ACK", answer, sequence=int(header(answer, "CSeq").split()[0]))

    def inside(self, method: str, answer: str, sequence: int = 0) -> None:
        """A request of the caller within the dialog that a 2xx made."""
        routes = re.findall(r"(?im)^Record-Route:[ \t]*([^\r\n]*)", answer)
        routes = [one.strip() for line in routes for one in line.split(",")][::-1]
        self.in_dialog(
            method, header(answer, "Contact"), header(answer, "From"), header(answer, "To"), header(answer, "Call-ID"),
            routes, sequence,
        )  # fmt: skip

    def back(self, method: str, request: str, sequence: int = 7000) -> None:
        """A request of the callee within the dialog that an INVITE and our 2xx made."""
        routes = [one.strip() for one in re.findall(r"(?im)^Record-Route:[ \t]*([^\r\n]*)", request)]
        routes = [one.strip() for line in routes for one in line.split(",")]
        mine = f"{header(request, 'To')};tag=of-{self.user}"
        self.in_dialog(
            method, header(request, "Contact"), mine, header(request, "From"), header(request, "Call-ID"), routes,
            sequence,
        )  # fmt: skip

    def in_dialog(
        self, method: str, contact: str, source: str, target: str, call: str, routes: list[str], sequence: int
    ) -> None:
        self.cseq += 1
        uri = re.sub(r"^.*<|>.*$", "", contact)
        number = sequence or self.cseq
        self.say(
            f"{method} {uri} SIP/2.0",
            [
                f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK{self.user}{method}{self.cseq};rport",
                *(f"Route: {route}" for route in routes), "Max-Forwards: 70", f"From: {source}", f"To: {target}",
                f"Call-ID: {call}", f"CSeq: {number} {method}", f"Contact: {self.contact}",
            ],
        )  # fmt: skip


def each(predicate: Callable[[Node], bool], nodes: dict[int, Node]) -> bool:
    return all(predicate(node) for node in nodes.values())
