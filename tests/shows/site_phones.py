"""Phones of the tutorial's platform: one that calls, and a crowd that answers whatever it is asked."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from tests.live import Phone, header

from .machines import Machine

DOMAIN: Final = "example.com"
PHONES: Final = [f"10.0.0.{number}" for number in range(101, 121)]


class SitePhone(Phone):
    """A phone of the platform; it speaks to one site and hears from that alone."""

    def __init__(self, name: str, address: str, site: str, user: str) -> None:
        super().__init__(name, 5060, address)
        self.socket.connect((site, 5060))
        self.aor = f"sip:{user}@{DOMAIN}"
        self.server = DOMAIN
        self.contact = f"<sip:{user}@{address}:5060>"
        self.site = site

    def send(self, expires: int, path: str = "") -> None:
        self.request(
            "REGISTER", f"sip:{DOMAIN}", f"From: <{self.aor}>;tag=of-{self.user}{self.cseq}", f"Expires: {expires}",
            *([f"Path: {path}", "Supported: path"] if path else []), to=f"<{self.aor}>",
            call=f"registration-of-{self.user}",
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
        kept = [
            line for line in lines[1:] if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "Max-Forwards")
        ]
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


class Crowd:
    """Many users at one address, who answer 200 to whatever they are asked. A thread listens until it is closed."""

    def __init__(self, machine: Machine, address: str, site: str) -> None:
        self.address, self.site = address, site
        with machine.at():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((self.address, 5060))
        self.socket.settimeout(0.2)
        self.cseq = int(time.time() * 1000) & 0x7FFFFFF
        self.finals: dict[str, tuple[float, int]] = {}  # CSeq and Call-ID of a request → when it was answered how
        self.asked: list[str] = []  # by others
        self.is_open = True
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        while self.is_open:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                data, source = self.socket.recvfrom(65535)
                text = data.decode("utf-8", "replace")
                if text.startswith("SIP/2.0 "):
                    if text[8] != "1":
                        name = f"{header(text, 'CSeq')} {header(text, 'Call-ID')}"
                        self.finals.setdefault(name, (time.monotonic(), int(text[8:11])))
                elif text[:3] != "ACK" and text[:7].isalpha():
                    self.asked.append(text)
                    self.socket.sendto(self.answer(text), source)

    def answer(self, request: str) -> bytes:
        wanted = ("via", "from", "to", "call-id", "cseq", "record-route")
        lines = [line for line in request.split("\r\n")[1:] if line.partition(":")[0].lower() in wanted]
        lines = [
            f"{line};tag=crowd" if line.lower().startswith("to:") and ";tag=" not in line else line for line in lines
        ]
        return ("\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0"]) + "\r\n\r\n").encode()

    def ask(self, method: str, user: str, *lines: str) -> str:
        """Send a request of or to a user; what its answer is kept under."""
        self.cseq += 1
        call = f"{method}-{user}-{self.address}"
        uri = f"sip:{DOMAIN}" if method == "REGISTER" else f"sip:{user}@{DOMAIN}"
        head = [
            f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {self.address}:5060;branch=z9hG4bK{self.address}-{self.cseq}",
            f"From: <sip:{user}@{DOMAIN}>;tag=crowd{self.cseq}", f"To: <sip:{user}@{DOMAIN}>", f"Call-ID: {call}",
            f"CSeq: {self.cseq} {method}", "Max-Forwards: 70", *lines, "Content-Length: 0",
        ]  # fmt: skip
        self.socket.sendto(("\r\n".join(head) + "\r\n\r\n").encode(), (self.site, 5060))
        return f"{self.cseq} {method} {call}"

    def is_answered(self, name: str) -> bool:
        """Whether it was, by a 2xx."""
        return self.finals.get(name, (0.0, 0))[1] // 100 == 2

    def register(self, users: list[str], expires: int = 600, seconds: float = 30.0) -> None:
        """All of them, twenty at a time, again after a second of silence. AssertionError if some are not answered."""
        self.all_answered("REGISTER", users, seconds, lambda user: (
            f"Contact: <sip:{user}@{self.address}:5060>", f"Expires: {expires}",
        ))  # fmt: skip

    def reach(self, users: list[str], seconds: float = 30.0) -> None:
        """A MESSAGE to each of them is answered. AssertionError if not."""
        self.all_answered("MESSAGE", users, seconds, lambda user: ())

    def all_answered(
        self, method: str, users: list[str], seconds: float, lines: Callable[[str], tuple[str, ...]]
    ) -> None:
        end, left = time.monotonic() + seconds, list(users)
        while left and time.monotonic() < end:
            asked = {self.ask(method, user, *lines(user)): user for user in left[:20]}
            again = time.monotonic() + 1.0
            while time.monotonic() < again and not all(map(self.is_answered, asked)):
                time.sleep(0.005)
            done = {user for key, user in asked.items() if self.is_answered(key)}
            left = [user for user in left[:20] if user not in done] + left[20:]
        assert not left, f"{method}: {len(left)} of {len(users)} were not answered, {left[:3]} …"

    def first_answer(self, method: str, user: str, seconds: float, *lines: str) -> float:
        """Ask anew every 0.1 s; how long it took until one was answered. AssertionError if none was in time."""
        began = time.monotonic()
        keys = []
        while time.monotonic() < began + seconds:
            with contextlib.suppress(OSError):
                keys.append(self.ask(method, user, *lines))
            time.sleep(0.1)
            answered = [self.finals[key][0] for key in keys if self.is_answered(key)]
            if answered:
                return min(answered) - began
        raise AssertionError(f"no answer to {method} within {seconds:g} s")

    def close(self) -> None:
        self.is_open = False
        self.thread.join()
        self.socket.close()
