"""Real processes and sockets on the loopback: a server of ours, and phones of a few lines that speak SIP to it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pysips.cli.mi import ask
from pysips.errors import PysipsError
from tests.bench.accounting import family, memory_kb
from tests.credentials import credentials

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "opensips.cfg.example"
ACCOUNTS = "sqlite://.example/accounts.db"  # those of opensips.cfg.example
PASSWORD = "secret"


def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is true; AssertionError with `what` if it is not within so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)


def make_accounts(folder: Path, *names: str, domain: str = "pysips") -> Path:
    """A file of accounts, and one of their passwords, as scripts/run makes them: alice and bob, or those named."""
    from pysips.cli import main

    path = folder / "accounts.db"
    names = names or ("alice", "bob")
    assert main(["db", "create", "--url", f"sqlite://{path}", "subscriber"]) == 0
    for name in names:
        assert main(["user", "add", "--url", f"sqlite://{path}", f"{name}@{domain}", PASSWORD]) == 0
    (folder / "passwords").write_text("".join(f"{name} {PASSWORD}\n" for name in names), "utf-8")
    return path


class Server:
    """`pysips -f FILE` in a session of its own, log in a file. `{folder}` in the script is its working folder."""

    def __init__(self, script: str, folder: Path, *options: str, port: int = 5060) -> None:
        self.folder, self.port = folder, port
        self.script = folder / "opensips.cfg"
        self.script.write_text(script.replace("{folder}", str(folder)), "utf-8")
        fifo = re.search(r'"fifo_name",\s*"([^"]+)"', self.script.read_text("utf-8"))
        self.fifo = Path(fifo[1]) if fifo else folder / "opensips_fifo"
        reply = re.search(r'"reply_dir",\s*"([^"]+)"', self.script.read_text("utf-8"))
        self.reply_folder = Path(reply[1]) if reply else Path("/tmp")
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pysips", "-f", str(self.script), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        try:
            until(self.ready, 15, "the server's start")
        except AssertionError as late:
            self.stop()
            raise AssertionError(f"{late}:\n{self.log()[-3000:]}") from None

    def ready(self) -> bool:
        """It answers on its FIFO."""
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()[-3000:]}"
        if not self.fifo.exists():
            return False
        try:
            return "Server" in self.mi("version")
        except PysipsError:
            return False

    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def mi(self, method: str, params: object = None) -> Any:
        """A management command's result."""
        return ask(self.fifo, self.reply_folder, method, params, 5.0)

    def pids(self) -> list[int]:
        return family(self.process.pid)

    def pss_kb(self) -> int:
        """Memory of all its processes together, what they share counted once."""
        return memory_kb(self.pids())[1]

    def processes(self) -> dict[str, list[int]]:
        """Process ids by what `ps` calls them: attendant, SIP receiver …"""
        found: dict[str, list[int]] = {}
        for row in self.mi("ps")["Processes"]:
            found.setdefault(row["Type"], []).append(row["PID"])
        return found

    def stop(self, seconds: float = 15) -> int:
        """End it as an operator would, and whatever is left of its session; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


class Phone:
    """A user agent of a few lines: one socket, requests with what a request needs, answers to what it hears."""

    def __init__(self, user: str, port: int, host: str = "127.0.0.1", server: int = 5060, tcp: bool = False) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.user, self.tcp = user, tcp
        self.host = f"[{host}]" if ":" in host else host
        self.address = f"{self.host}:{port}"
        self.contact = f"<sip:{user}@{self.address}{';transport=tcp' if tcp else ''}>"
        self.server = f"{self.host}:{server}"
        self.cseq = 0
        self.said = b""
        self.pending = b""
        self.socket = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.connect((host, server))

    def close(self) -> None:
        self.socket.close()

    def say(self, start: str, headers: list[str], body: str = "") -> None:
        lines = [start, *headers, f"Content-Length: {len(body.encode())}", "", body]
        self.said = "\r\n".join(lines).encode()
        self.socket.sendall(self.said)

    def again(self) -> None:
        """Repeat what was said last, byte for byte, as a retransmission does."""
        self.socket.sendall(self.said)

    def request(
        self, method: str, uri: str, *extra: str, to: str = "", call: str = "", routes: tuple[str, ...] = ()
    ) -> None:
        """Send a request; extra header lines replace those of the same name."""
        self.cseq += 1
        transport = "TCP" if self.tcp else "UDP"
        headers = [
            f"Via: SIP/2.0/{transport} {self.address};branch=z9hG4bK{self.user}{self.cseq};rport",
            *(f"Route: {route}" for route in routes),
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.server}>;tag=of-{self.user}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call or f'call-of-{self.user}'}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: {self.contact}",
        ]
        replaced = {line.partition(":")[0].lower() for line in extra}
        self.say(
            f"{method} {uri} SIP/2.0",
            [line for line in headers if line.partition(":")[0].lower() not in replaced] + list(extra),
        )

    def prove(self, method: str, uri: str, *extra: str, password: str = PASSWORD, **more: Any) -> None:
        """Send a request, hear its challenge, and send it again with the password."""
        self.request(method, uri, *extra, **more)
        challenged = self.hear(" 40")
        name = "WWW-Authenticate" if " 401 " in challenged.split("\r\n")[0] else "Proxy-Authenticate"
        if method == "INVITE":
            replaced = (f"Via: {header(self.said.decode(), 'Via')}", f"CSeq: {self.cseq} ACK")
            self.request("ACK", uri, *replaced, **{**more, "to": header(challenged, "To")})
        proof = credentials(header(challenged, name), self.user, password, method, uri)
        answer = "Authorization" if name == "WWW-Authenticate" else "Proxy-Authorization"
        self.request(method, uri, f"{answer}: {proof}", *extra, **more)

    def answer(self, request: str, status: str, *extra: str) -> None:
        """Answer a request that was heard."""
        wanted = ("via", "from", "to", "call-id", "cseq", "record-route")
        headers = [line for line in request.split("\r\n")[1:] if line.partition(":")[0].lower() in wanted]
        tag = f";tag=of-{self.user}" if not status.startswith("100") else ""
        headers = [h + tag if h.lower().startswith("to:") and ";tag=" not in h else h for h in headers]
        self.say(f"SIP/2.0 {status}", [*headers, f"Contact: {self.contact}", *extra])

    def hear(self, start: str, seconds: float = 3.0) -> str:
        """The next message whose first line contains `start`; others are passed over."""
        end = time.monotonic() + seconds
        heard = []
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                message = self.message()
                heard.append(message.split("\r\n")[0])
                if start in heard[-1]:
                    return message
        raise AssertionError(f"{self.user} did not hear {start}, but {heard or 'nothing'}")

    def message(self) -> str:
        """One datagram, or one message of the stream."""
        while b"\r\n\r\n" not in self.pending or not self.tcp:
            piece = self.socket.recv(65535)
            if not self.tcp:
                return piece.decode()
            assert piece, "the server closed the connection"
            self.pending += piece
        head, _, rest = self.pending.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        size = int(length[1]) if length else 0
        while len(rest) < size:
            rest += self.socket.recv(65535)
        self.pending = rest[size:]
        return (head + b"\r\n\r\n" + rest[:size]).decode()


def header(message: str, name: str) -> str:
    """The value of the first header of that name, "" if there is none."""
    found = re.search(rf"(?im)^{re.escape(name)}\s*:[ \t]*([^\r\n]*)", message)
    return found[1] if found else ""


def headers(message: str, name: str) -> list[str]:
    """The values of all headers of that name."""
    return re.findall(rf"(?im)^{re.escape(name)}\s*:[ \t]*([^\r\n]*)", message)
