"""Play a conversation, step by step, each step a method `do_…`."""

import hashlib
import json
import re
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from .case import HOST, SERVERS, UDP_NAMES, Case, fill
from .endpoints import Endpoint, Heard, TcpEndpoint, UdpEndpoint
from .messages import Headers, build, first, kind, split_list, split_message, target, values_of
from .server import Server

MI_DATAGRAM_PORT = 21070
SETTLE = 0.2  # seconds for what the server may still say
EXPECT = 2.0  # seconds that `expect` waits
LATE = 5.0  # seconds for what must still come


class PlayError(Exception):
    """The case itself cannot go on (a step needs a message that never came)."""


class Player:
    def __init__(self, case: Case, server: Server, values: dict[str, str], slow: float) -> None:
        self.case, self.server, self.values, self.slow = case, server, values, slow
        self.endpoints: dict[str, Endpoint] = {}
        self.said: list[str] = []
        self.mi: list[tuple[str, str, bool]] = []  # what was asked, the answer, whether only its shape counts
        self.missing: list[str] = []
        used = set(re.findall(r"\b([A-HT-W])\b", " ".join(s for _, s, _ in case.play)))
        used |= set(re.findall(r"\{([A-HT-W])\}", case.script + str(case.play)))
        for name in sorted(used):
            self.endpoints[name] = UdpEndpoint(name) if name in UDP_NAMES else TcpEndpoint(name)
        self.count = 0

    def close(self) -> None:
        for end in self.endpoints.values():
            end.close()

    # -- time

    def pump(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Hear what comes, for so long or until `stop` is true; whether it was."""
        end = time.monotonic() + seconds
        while True:
            owner = {s: e for e in self.endpoints.values() for s in e.sockets()}
            left = end - time.monotonic()
            ready = select.select(list(owner), [], [], max(0, min(left, 0.05)))[0] if owner else []
            for sock in ready:
                for data in owner[sock].readable(sock):
                    owner[sock].heard.append(Heard(data, len(self.said)))
            if stop():
                return True
            if left <= 0:
                return False

    # -- steps

    def run(self, awaited: dict[str, int]) -> None:
        """Play it all. awaited: how many messages each endpoint should have heard in the end."""
        for number, line, extra in self.case.play:
            words = line.split(" ")
            step = getattr(self, "do_" + words[0].replace("-", "_"), None)
            if step is None:
                raise SystemExit(f"{self.case.path}:{number}: unknown step {words[0]!r}")
            if self.server.process.poll() is not None:
                self.missing.append(f"line {number}: the server is gone")
                break
            try:
                step(fill(line, self.values).split(" ")[1:], [fill(x, self.values) for x in extra], number)
            except PlayError as problem:
                self.missing.append(f"line {number}: {problem}")
        ends = [(end, awaited.get(name, 0)) for name, end in self.endpoints.items()]
        self.pump(LATE, lambda: all(len(end.heard) >= count for end, count in ends))
        self.pump(SETTLE * self.slow)

    def put(self, end: Endpoint, data: bytes, port: int | None = None) -> None:
        self.said.append(data.decode("utf-8", "replace"))
        end.sent.append(data)
        try:
            end.send(data, port or SERVERS["S"])
        except OSError as problem:
            raise PlayError(f"{end.name} cannot send: {problem}") from None

    def do_send(self, words: list[str], extra: list[str], _number: int) -> None:
        """send A [to S2] METHOD URI"""
        end, port, words = self.source(words)
        method, uri = words[0], words[1]
        self.count += 1
        end.cseq += 1
        host = f"{HOST}:{end.port}"
        defaults = [
            ("Via", f"SIP/2.0/{end.proto} {host};branch=z9hG4bK-{end.name.lower()}{self.count}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{end.name.lower()}@example.com>;tag={end.name.lower()}-tag"),
            ("To", "<sip:callee@example.com>"),
            ("Call-ID", f"call-{end.name.lower()}"),
            ("CSeq", f"{end.cseq} {method}"),
        ]
        if method in ("INVITE", "REGISTER", "SUBSCRIBE", "UPDATE"):
            defaults.append(("Contact", f"<sip:{end.name.lower()}@{host}>"))
        self.put(end, build(f"{method} {uri} SIP/2.0", defaults, extra, method), port)

    def do_raw(self, words: list[str], extra: list[str], _number: int) -> None:
        """raw A [to S2], then lines that start with |; \\x00 \\r \\n \\t \\\\ are decoded; each line ends in CRLF."""
        end, port, words = self.source(words)
        text = "".join(line[1:] + "\r\n" for line in extra)
        if words and words[0] == "nocrlf":
            text = text[:-2]
        data = re.sub(
            rb"\\(x[0-9a-fA-F]{2}|[rnt\\])",
            lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}.get(m[1]) or bytes([int(m[1][1:], 16)]),
            text.encode(),
        )
        data = re.sub(rb"%\{(.)x(\d+)\}", lambda m: m[1] * int(m[2]), data)
        self.put(end, data, port)

    def do_reply(self, words: list[str], extra: list[str], _number: int) -> None:
        """reply B [METHOD] 200 OK"""
        end = self.endpoints[words[0]]
        method = words[1] if not words[1].isdigit() else ""
        status = words[2:] if method else words[1:]
        request = end.last(lambda k, m: k == (method or m) and k.isalpha() and k != "ACK")
        if request is None:
            raise PlayError(f"{end.name} has no {method or 'request'} to answer")
        self.put(end, self.answer(end, request, status, extra))

    def answer(self, end: Endpoint, request: bytes, status: list[str], extra: list[str]) -> bytes:
        _, headers, _ = split_message(request)
        to = first(headers, "to", "t")
        if ";tag=" not in to and status[0] != "100":
            to += f";tag={end.name.lower()}-tag"
        method = first(headers, "cseq").partition(" ")[2]
        out = [("Via", v) for v in values_of(headers, "via", "v")]
        out += [("Record-Route", v) for v in values_of(headers, "record-route")]
        out += [("From", first(headers, "from", "f")), ("To", to), ("Call-ID", first(headers, "call-id", "i"))]
        out += [("CSeq", first(headers, "cseq"))]
        if method == "INVITE" and status[0][0] in "12" and status[0] != "100":
            transport = ";transport=tcp" if end.proto == "TCP" else ""
            out.append(("Contact", f"<sip:{end.name.lower()}@{HOST}:{end.port}{transport}>"))
        return build(f"SIP/2.0 {' '.join(status)}", out, extra, method)

    def do_ack(self, words: list[str], extra: list[str], _number: int) -> None:
        """ack A: for the last final answer to INVITE"""
        end = self.endpoints[words[0]]
        final = end.last(lambda k, m: k.isdigit() and k >= "200" and m == "INVITE")
        invite = next((d for d in reversed(end.sent) if d.startswith(b"INVITE ")), None)
        if final is None or invite is None:
            raise PlayError(f"{end.name} has nothing to acknowledge")
        start, sent, _ = split_message(invite)
        code, got, _ = split_message(final)
        uri, via, routes = start.split(" ")[1], first(sent, "via"), values_of(sent, "route")
        if code.split(" ")[1] < "300":
            self.count += 1
            uri = target(first(got, "contact", "m")) or uri
            via = re.sub(r"branch=[^;]+", f"branch=z9hG4bK-{end.name.lower()}{self.count}", via)
            routes = [r for v in values_of(got, "record-route") for r in split_list(v)][::-1]
        self.put(end, self.follow(end, "ACK", uri, via, sent, first(got, "to", "t"), routes, extra))

    def do_cancel(self, words: list[str], extra: list[str], _number: int) -> None:
        """cancel A: the last INVITE that A sent"""
        end = self.endpoints[words[0]]
        invite = next(d for d in reversed(end.sent) if d.startswith(b"INVITE "))
        start, sent, _ = split_message(invite)
        to, via = first(sent, "to"), first(sent, "via")
        self.put(end, self.follow(end, "CANCEL", start.split(" ")[1], via, sent, to, values_of(sent, "route"), extra))

    def follow(
        self,
        end: Endpoint,
        method: str,
        uri: str,
        via: str,
        sent: Headers,
        to: str,
        routes: list[str],
        extra: list[str],
    ) -> bytes:
        out = [("Via", via), *(("Route", r) for r in routes), ("Max-Forwards", "70")]
        out += [("From", first(sent, "from")), ("To", to), ("Call-ID", first(sent, "call-id"))]
        out += [("CSeq", first(sent, "cseq").split(" ")[0] + " " + method)]
        return build(f"{method} {uri} SIP/2.0", out, extra, method)

    def do_within(self, words: list[str], extra: list[str], _number: int) -> None:
        """within A BYE: a request inside the dialog, by its caller (sent INVITE) or callee (got INVITE)"""
        end, method = self.endpoints[words[0]], words[1]
        self.count += 1
        via = f"SIP/2.0/{end.proto} {HOST}:{end.port};branch=z9hG4bK-{end.name.lower()}{self.count}"
        invite = next((d for d in reversed(end.sent) if d.startswith(b"INVITE ")), None)
        if invite is not None:
            ok = end.last(lambda k, m: k.isdigit() and "101" <= k < "300" and m == "INVITE")
            if ok is None:
                raise PlayError(f"{end.name} has no dialog")
            _, sent, _ = split_message(invite)
            _, got, _ = split_message(ok)
            routes = [r for v in values_of(got, "record-route") for r in split_list(v)][::-1]
            uri, me, peer = target(first(got, "contact", "m")), first(sent, "from"), first(got, "to", "t")
            call, number = first(sent, "call-id"), int(first(sent, "cseq").split(" ")[0]) + 1
        else:
            request = end.last(lambda k, m: k == "INVITE")
            if request is None:
                raise PlayError(f"{end.name} has no dialog")
            _, got, _ = split_message(request)
            routes = [r for v in values_of(got, "record-route") for r in split_list(v)]
            uri, peer = target(first(got, "contact", "m")), first(got, "from", "f")
            me = first(got, "to", "t")
            me += "" if ";tag=" in me else f";tag={end.name.lower()}-tag"
            call, number = first(got, "call-id", "i"), 100
        out = [("Via", via), *(("Route", r) for r in routes), ("Max-Forwards", "70")]
        out += [("From", me), ("To", peer), ("Call-ID", call), ("CSeq", f"{number} {method}")]
        self.put(end, build(f"{method} {uri} SIP/2.0", out, extra, method))

    def do_again(self, words: list[str], _extra: list[str], _number: int) -> None:
        """again A [METHOD]: the last message (or request of that method) once more, unchanged"""
        end = self.endpoints[words[0]]
        method = words[1].encode() if len(words) > 1 else b""
        self.put(end, next(d for d in reversed(end.sent) if d.startswith(method)))

    def do_expect(self, words: list[str], _extra: list[str], _number: int) -> None:
        """expect A 200[/INVITE] [SECONDS]"""
        end = self.endpoints[words[0]]
        want, _, method = words[1].partition("/")
        limit = (float(words[2]) if len(words) > 2 else EXPECT) * self.slow

        def found() -> bool:
            for i in range(end.cursor, len(end.heard)):
                what, of = kind(end.heard[i].data)
                if what == want and (not method or of == method):
                    end.cursor = i + 1
                    return True
            return False

        if not found() and not self.pump(limit, found) and not found():
            raise PlayError(f"{end.name} did not get {words[1]}")

    def do_wait(self, words: list[str], _extra: list[str], _number: int) -> None:
        self.pump(float(words[0]))

    def do_grab(self, words: list[str], _extra: list[str], _number: int) -> None:
        """grab NAME A REGEX: keep group 1 of the newest message at A as {NAME}"""
        end = self.endpoints[words[1]]
        text = end.heard[-1].data.decode("utf-8", "replace") if end.heard else ""
        match = re.search(" ".join(words[2:]), text)
        if match is None:
            raise PlayError("nothing to grab")
        self.values[words[0]] = match[1]

    def do_md5(self, words: list[str], _extra: list[str], _number: int) -> None:
        """md5 NAME TEXT"""
        self.values[words[0]] = hashlib.md5(" ".join(words[1:]).encode()).hexdigest()

    def do_connect(self, words: list[str], _extra: list[str], _number: int) -> None:
        end, port, _ = self.source(words)
        assert isinstance(end, TcpEndpoint), "only TCP connects"
        try:
            end.connect(port)
        except OSError as problem:
            raise PlayError(str(problem)) from None

    def do_hangup(self, words: list[str], _extra: list[str], _number: int) -> None:
        """hangup T: close T's connections"""
        end = self.endpoints[words[0]]
        assert isinstance(end, TcpEndpoint), "only TCP hangs up"
        for sock in list(end.buffers):
            sock.close()
        end.buffers.clear()
        end.client = None

    def do_mi(self, words: list[str], _extra: list[str], _number: int) -> None:
        self.ask(words, False)

    def do_mi_shape(self, words: list[str], _extra: list[str], _number: int) -> None:
        self.ask(words, True)

    def ask(self, words: list[str], shape: bool) -> None:
        """mi METHOD name=text name:=JSON ..., or mi METHOD [JSON list]; {sp} is a blank"""
        params: Any = {}
        for word in words[1:]:
            if word.startswith("["):
                params = json.loads(word)
            elif ":=" in word:
                name, _, value = word.partition(":=")
                params[name] = json.loads(value)
            else:
                name, _, value = word.partition("=")
                params[name] = value.replace("{sp}", " ").replace("\\r\\n", "\r\n")
        question: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": words[0]}
        if params:
            question["params"] = params
        answer = self.server.mi_raw(json.dumps(question), pump=self.pump)
        self.mi.append((" ".join(words), answer, shape))

    def do_mi_text(self, _words: list[str], extra: list[str], _number: int) -> None:
        """mi-text, then one | line: these very bytes after the reply name"""
        answer = self.server.mi_raw(extra[0][1:], limit=1.0, pump=self.pump)
        self.mi.append((extra[0][1:], answer, False))

    def do_mi_datagram(self, _words: list[str], extra: list[str], _number: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(1.5 * self.slow)
        sock.bind((HOST, 0))
        sock.sendto(extra[0][1:].encode(), (HOST, MI_DATAGRAM_PORT))
        try:
            answer = sock.recv(65535).decode("utf-8", "replace")
        except OSError:
            answer = ""
        sock.close()
        self.mi.append((extra[0][1:], answer, False))

    def source(self, words: list[str]) -> tuple[Endpoint, int, list[str]]:
        end = self.endpoints[words[0]]
        if len(words) > 2 and words[1] == "to":
            return end, SERVERS[words[2]], words[3:]
        return end, SERVERS["S"], words[1:]
