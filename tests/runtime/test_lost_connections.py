"""A caller whose TCP connection ends before the answer comes hears it on another one, whichever worker has its call."""

import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from .conftest import Running

pytestmark = pytest.mark.scenario

INVITE = (
    "INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK{call};rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:bob@b>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
    "Contact: <sip:a@127.0.0.1:{port};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
)


def test_an_answer_outlives_its_connection(server: Callable[..., Running]) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as home,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as callee,
        ExitStack() as opened,
    ):
        callee.bind(("127.0.0.1", 0))
        callee.settimeout(5)
        port, way = home.getsockname()[1], callee.getsockname()[1]
        main = f'if ($rm == "INVITE") {{ $du = "sip:127.0.0.1:{way}"; t_relay(); exit; }}'
        running = server('loadmodule "tm.so"', main=main)
        calls = [f"lost{number}" for number in range(8)]  # of both workers
        with running.dial() as connection:
            for call in calls:
                connection.sendall(INVITE.format(port=port, call=call).encode())
            asked: dict[str, str] = {}
            while len(asked) < len(calls):  # on a busy machine one is repeated before the last has come
                request = callee.recv(4096).decode()
                asked[re.findall(r"Call-ID: (lost\d)", request)[0]] = request
        heard: set[str] = set()
        made: list[socket.socket] = []
        end = time.monotonic() + 10
        while heard != set(calls):
            assert time.monotonic() < end, f"only {heard} were heard: {running.said()}"
            # As callees repeat a 200; the server may not know of the end of the connection at once.
            for request in asked.values():
                callee.sendto(answer(request).encode(), ("127.0.0.1", running.port))
            for ready in select.select([home, *made], [], [], 0.5)[0]:
                if ready is home:
                    made.append(opened.enter_context(home.accept()[0]))
                else:
                    heard |= set(re.findall(r"Call-ID: (lost\d)", ready.recv(65536).decode()))


def answer(request: str) -> str:
    """The callee's 200."""
    kept = [line for line in request.split("\r\n") if re.match("(?i)(via|from|call-id|cseq|to):", line)]
    lines = [line + ";tag=b" if line.lower().startswith("to:") else line for line in kept]
    return "\r\n".join(["SIP/2.0 200 OK", *lines, "Contact: <sip:bob@127.0.0.1>", "Content-Length: 0", "", ""])
