"""A real registrar that is started and killed again and again on the same script, and the tables that it finds."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pysips.cli.mi import ask
from tests.live import ROOT, until
from tests.servers.program import free_port

SCRIPT = """
log_level=3
socket=udp:127.0.0.1:{port}
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
{modules}
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("usrloc", "use_domain", 1)
{params}
route {{
    if (is_method("REGISTER")) {{
        save("location", {flags});
        exit;
    }}
    if (lookup("location")) {{
        sl_send_reply(302, "$ru");
        exit;
    }}
    sl_send_reply(404, "Not Found");
}}
"""
READY = "processes: supervisor"
VERSION = "CREATE TABLE version (table_name CHAR(32) NOT NULL PRIMARY KEY, table_version INT DEFAULT 0 NOT NULL)"
LOCATION = """
CREATE TABLE location (
    contact_id BIGINT PRIMARY KEY NOT NULL, username VARCHAR(64) DEFAULT '' NOT NULL,
    domain VARCHAR(64) DEFAULT NULL, contact {contact} NOT NULL, received VARCHAR(255) DEFAULT NULL,
    path VARCHAR(255) DEFAULT NULL, expires INT NOT NULL, q FLOAT DEFAULT 1.0 NOT NULL,
    callid VARCHAR(255) DEFAULT 'Default-Call-ID' NOT NULL, cseq INT DEFAULT 13 NOT NULL,
    last_modified {moment} DEFAULT '1900-01-01 00:00:01' NOT NULL, flags INT DEFAULT 0 NOT NULL,
    cflags VARCHAR(255) DEFAULT NULL, user_agent VARCHAR(255) DEFAULT '' NOT NULL, socket VARCHAR(64) DEFAULT NULL,
    methods INT DEFAULT NULL, sip_instance VARCHAR(255) DEFAULT NULL, kv_store TEXT DEFAULT NULL,
    attr VARCHAR(255) DEFAULT NULL
)"""  # as OpenSIPS makes it
LISTED = "INSERT INTO version (table_name, table_version) VALUES ('location', 1013)"


def tables(moment: str = "DATETIME", contact: str = "TEXT") -> list[str]:
    """The statements that make OpenSIPS' tables; contact: its type, which was CHAR(255) up to 2.4."""
    return [VERSION, LOCATION.format(moment=moment, contact=contact), LISTED]


class Registrar:
    """One server; `start` and `kill` as often as wanted."""

    def __init__(self, folder: Path, params: str, modules: str = "", flags: str = '""') -> None:
        self.folder = folder
        self.port = free_port()
        self.script = folder / "opensips.cfg"
        self.script.write_text(
            SCRIPT.format(port=self.port, folder=folder, modules=modules, params=params, flags=flags)
        )
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "STATE_DIRECTORY": str(folder / "state")}
        self.process: subprocess.Popen[bytes] | None = None
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.cseq = int(time.time()) & 0xFFFFFF
        self.slowest = 0.0

    # -- its life

    def start(self) -> "Registrar":
        before = self.log().count(READY)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pysips", "-f", str(self.script), "-o", "pysips_workers=2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=self.environment,
                start_new_session=True,
            )  # fmt: skip
        process = self.process

        def ready() -> bool:
            assert process.poll() is None, f"it ended with {process.returncode}:\n{self.log()[-3000:]}"
            return self.log().count(READY) > before

        until(ready, 20, "the start")
        return self

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9 to all of it at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def close(self) -> None:
        """As an operator would, so that its run-time folder goes."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.kill()
        self.phone.close()

    def aors(self) -> set[str]:
        """The users of all AoRs that it has."""
        shown = ask(self.folder / "fifo", Path("/tmp"), "ul_dump", {"brief": 1}, 10.0)
        return {row["AOR"].partition("@")[0] for domain in shown["Domains"] for row in domain["AORs"]}

    # -- phones

    def request(self, user: str, *lines: str, method: str = "REGISTER") -> bytes:
        self.cseq += 1
        uri = "sip:home.example" if method == "REGISTER" else f"sip:{user}@home.example"
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.phone.getsockname()[1]};branch=z9hG4bK{user}{self.cseq}",
            f"From: <sip:{user}@home.example>;tag=1", f"To: <sip:{user}@home.example>", f"Call-ID: {user}",
            f"CSeq: {self.cseq} {method}", *lines, "Content-Length: 0",
        ]  # fmt: skip
        return ("\r\n".join(head) + "\r\n\r\n").encode()

    def asked(self, user: str, *lines: str, method: str = "REGISTER", seconds: float = 3.0) -> str:
        """What it answers."""
        began = time.monotonic()
        self.phone.settimeout(seconds)
        self.phone.sendto(self.request(user, *lines, method=method), ("127.0.0.1", self.port))
        while True:
            answer = self.phone.recv(65535).decode()
            if f"CSeq: {self.cseq} " in answer:
                self.slowest = max(self.slowest, time.monotonic() - began)
                return answer

    def register(self, user: str, expires: int = 600, extra: str = "") -> str:
        """The status and the Contact of the answer."""
        answer = self.asked(user, f"Contact: <sip:{user}@127.0.0.1:7{extra}>;expires={expires}")
        return answer[8:11]

    def contacts(self, user: str) -> list[str]:
        """The URIs that it has of an AoR."""
        return re.findall(r"<([^>]+)>", "".join(re.findall(r"^Contact: .*$", self.asked(user), re.M)))

    def call(self, user: str) -> str:
        """Where it would send a call; "" if nowhere."""
        line = self.asked(user, method="OPTIONS").split("\r\n")[0]
        return line.split(" ", 2)[2] if " 302 " in line else ""

    def register_all(self, users: list[str], many: int = 20, patience: float = 5.0) -> set[str]:
        """Register them, some at once; answers those who got their 200. Ends early if it falls silent."""
        waiting: set[str] = set()
        done: set[str] = set()
        left = list(reversed(users))
        self.phone.settimeout(patience)
        while left or waiting:
            while left and len(waiting) < many:
                user = left.pop()
                waiting.add(user)
                contact = f"Contact: <sip:{user}@127.0.0.1:7>;expires=600"
                with contextlib.suppress(ConnectionRefusedError):
                    self.phone.sendto(self.request(user, contact), ("127.0.0.1", self.port))
            try:
                answer = self.phone.recv(65535).decode()
            except (TimeoutError, ConnectionRefusedError):
                break
            found = re.search(r"^Call-ID: (.*)\r$", answer, re.M)
            if found is not None and answer.startswith("SIP/2.0 200"):
                done.add(found[1])
                waiting.discard(found[1])
        return done

    def known(self, users: set[str]) -> set[str]:
        """Those of the users that have a contact."""
        return {user for user in users if self.contacts(user)}
