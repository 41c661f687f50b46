"""Nodes of a federation as real processes on loopback addresses, and the phones that register there.

sites = Sites(tmp_path, store="redis://127.0.0.1:7777/", modules='loadmodule "cachedb_redis.so"')
sites.start(1)
sites.start(2)
assert sites.register(1, "alice") == 200
"""

import contextlib
import itertools
import os
import re
import signal
import socket
from pathlib import Path
from threading import Thread
from typing import Any

from pysips.cli.mi import MiFailed
from pysips.errors import PysipsError
from tests.live import Server
from tests.servers.program import free_port

SCRIPT = """
log_level=3
socket=udp:{host}:{sip}
socket=bin:{host}:{bin}
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "tm.so"
modparam("tm", "fr_timeout", 3)
loadmodule "rr.so"
loadmodule "clusterer.so"
modparam("clusterer", "ping_timeout", 250)
modparam("clusterer", "ping_interval", 1)
modparam("clusterer", "node_timeout", 2)
modparam("clusterer", "seed_fallback_interval", 2)
{nodes}
{modules}
loadmodule "usrloc.so"
modparam("usrloc", "use_domain", 1)
{mode}
modparam("usrloc", "location_cluster", 1)
modparam("usrloc", "timer_interval", 1)
{params}
loadmodule "registrar.so"
modparam("registrar", "min_expires", 1)
route {{
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    if (loose_route()) {{
        t_relay();
        exit;
    }}
    record_route();
    $var(found) = 0;
    if (cluster_check_addr("1", "$si")) {{
        if (lookup("location", "m"))
            $var(found) = 1;
    }} else if (lookup("location", "mg"))
        $var(found) = 1;
    if ($var(found) == 0) {{
        sl_send_reply(404, "Not Found");
        exit;
    }}
    t_relay();
}}
"""
NET = "127.0.7."
numbers = itertools.count(1)


class SitePhone:
    """A socket with a few words of SIP."""

    def __init__(self, user: str, host: str = "127.0.0.1") -> None:
        self.user = user
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.cseq = 0
        self.call_id = f"{user}-{next(numbers)}-{self.port}"

    def ask(
        self, to: tuple[str, int], method: str, uri: str, *lines: str, about: str = "", seconds: float = 8.0
    ) -> str:
        """The final answer to a request."""
        self.cseq += 1
        about = about or f"sip:{self.user}@home.example"
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{self.call_id}{self.cseq}",
            f"From: <sip:{self.user}@home.example>;tag={self.port}", f"To: <{about}>",
            f"Call-ID: {self.call_id}{'' if method == 'REGISTER' else next(numbers)}", f"CSeq: {self.cseq} {method}",
            "Max-Forwards: 70", f"Contact: <sip:{self.user}@{self.host}:{self.port}>", *lines, "Content-Length: 0",
        ]  # fmt: skip
        if method == "REGISTER":
            head = [one for one in head if not one.startswith("Contact: <sip:") or one in lines]
        self.socket.sendto(("\r\n".join(head) + "\r\n\r\n").encode(), to)
        self.socket.settimeout(seconds)
        while True:
            answer = self.socket.recv(65535).decode()
            if f"CSeq: {self.cseq} {method}\r" in answer and not answer.startswith("SIP/2.0 1"):
                return answer

    def heard(self, seconds: float = 5.0) -> tuple[str, Any]:
        """What comes, and from where."""
        self.socket.settimeout(seconds)
        data, source = self.socket.recvfrom(65535)
        return data.decode(), source

    def answer(self, request: str, source: Any, status: str = "200 OK") -> None:
        keep = ("via:", "from:", "to:", "call-id:", "cseq:", "record-route:")
        lines = [one for one in request.split("\r\n\r\n")[0].split("\r\n")[1:] if one.lower().startswith(keep)]
        lines = [one + ";tag=callee" if one.lower().startswith("to:") else one for one in lines]
        lines += [f"Contact: <sip:{self.user}@{self.host}:{self.port}>", "Content-Length: 0"]
        self.socket.sendto((f"SIP/2.0 {status}\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode(), source)

    def close(self) -> None:
        self.socket.close()


class Sites:
    """Nodes by number; homes: their SIP addresses, their own host if it is not there."""

    def __init__(
        self, folder: Path, store: str = "", modules: str = "", params: str = "", homes: dict[int, str] | None = None,
        count: int = 2, net: str = NET,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.sip, self.bin = free_port(), free_port()
        self.store, self.modules, self.params = store, modules, params
        self.homes = homes or {}
        self.count = count
        self.mode = ""  # lines in place of the preset
        self.net = net
        self.servers: dict[int, Server] = {}
        self.phones: list[SitePhone] = []

    def host(self, node: int) -> str:
        return f"{self.net}{node}"

    def home(self, node: int) -> str:
        return self.homes.get(node, f"{self.host(node)}:{self.sip}")

    def place(self, node: int) -> tuple[str, int]:
        return self.host(node), self.sip

    def table(self, node: int) -> str:
        """The node table in the script; the first node of each site is its seed."""

        def text(one: int) -> str:
            first = min(other for other in range(1, self.count + 1) if self.home(other) == self.home(one))
            seed = ",flags=seed" if one == first else ""
            where = f"bin:{self.host(one)}:{self.bin}"
            return f"cluster_id=1,node_id={one},url={where},sip_addr={self.home(one)}{seed}"

        lines = ['modparam("clusterer", "db_mode", 0)', f'modparam("clusterer", "current_id", {node})']
        lines.append(f'modparam("clusterer", "my_node_info", "{text(node)}")')
        for one in range(1, self.count + 1):
            if one != node:
                lines.append(f'modparam("clusterer", "neighbor_node_info", "{text(one)}")')
        return "\n".join(lines)

    def start(self, node: int, params: str = "") -> Server:
        folder = self.folder / f"node{node}"
        folder.mkdir(exist_ok=True)
        more = [self.params, params]
        if self.store:
            more.append(f'modparam("usrloc", "cachedb_url", "{self.store}")')
        preset = "federation-cachedb-cluster" if self.store else "federation-cluster"
        script = SCRIPT.format(
            host=self.host(node), sip=self.sip, bin=self.bin, nodes=self.table(node), modules=self.modules,
            mode=self.mode or f'modparam("usrloc", "working_mode_preset", "{preset}")', params="\n".join(more),
        )  # fmt: skip
        made = self.servers[node] = Server(script, folder, "-o", "pysips_workers=2")
        return made

    def start_all(self) -> None:
        for node in range(1, self.count + 1):
            self.start(node)

    def kill(self, node: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.servers[node].process.pid, signal.SIGKILL)
        self.servers.pop(node).process.wait(10)

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()
        for phone in self.phones:
            phone.close()

    # -- what can be seen

    def are_linked(self) -> bool:
        """All nodes that run reach each other."""
        for server in self.servers.values():
            try:
                listed = server.mi("clusterer_list")["Clusters"]
            except (MiFailed, PysipsError):
                return False
            up = sum(one["link_state"] == "Up" for cluster in listed for one in cluster["Nodes"])
            if up != len(self.servers) - 1:
                return False
        return True

    def synced(self, node: int, name: str = "usrloc-contact-repl") -> bool:
        """Whether a capability of a node is OK."""
        return (
            re.search(rf"'name': '{name}', 'state': 'Ok'", str(self.servers[node].mi("clusterer_list_cap"))) is not None
        )

    def has(self, node: int, user: str) -> bool:
        return bool(self.contacts(node, user))

    def contacts(self, node: int, user: str) -> list[dict[str, Any]]:
        """A user's contacts at a node, as management shows them."""
        try:
            shown = self.servers[node].mi("ul_show_contact", ["location", f"{user}@home.example"])
        except MiFailed:
            return []
        found: list[dict[str, Any]] = shown["Contacts"]
        return found

    # -- phones

    def phone(self, user: str) -> SitePhone:
        made = SitePhone(user)
        self.phones.append(made)
        return made

    def register(self, node: int, phone: SitePhone, expires: int = 600, extra: str = "") -> int:
        """The status that it gets."""
        contact = f"Contact: <sip:{phone.user}@{phone.host}:{phone.port}>;expires={expires}"
        lines = [contact, *([extra] if extra else [])]
        answer = phone.ask(self.place(node), "REGISTER", "sip:home.example", *lines)
        return int(answer.split(" ")[1])

    def reached(self, node: int, phone: SitePhone, caller: SitePhone) -> int:
        """The status of a MESSAGE by way of a node to a phone that answers whatever it hears meanwhile."""
        results: list[int] = []
        calling = Thread(target=lambda: results.append(self.call(node, phone.user, caller, "MESSAGE")))
        calling.start()
        while calling.is_alive():
            with contextlib.suppress(TimeoutError):
                phone.answer(*phone.heard(0.05))
        return results[0]

    def call(self, node: int, user: str, phone: SitePhone, method: str = "OPTIONS") -> int:
        """The status of the final answer to a request by way of a node."""
        uri = f"sip:{user}@home.example"
        return int(phone.ask(self.place(node), method, uri, about=uri).split(" ")[1])
