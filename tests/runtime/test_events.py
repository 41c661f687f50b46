"""Routes of a server that run once in it, in slot 0, whoever raises their event; with real processes."""

import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.scenario

ROUTES = """
loadmodule "event_datagram.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
startup_route {{
    xlog("L_ERR", "startup in $pp\n");
    subscribe_event("E_MINE", "udp:127.0.0.1:{port}");
}}
timer_route[often, 1] {{ xlog("L_ERR", "timer in $pp\n"); }}
timer_route[often, 1] {{ xlog("L_ERR", "other timer in $pp\n"); }}
event_route[E_MINE] {{ xlog("L_ERR", "event in $pp: $param(call) of $param(process)\n"); }}
"""


def lines(server: Any, what: str) -> list[str]:
    """What the script said, from a word on."""
    return re.findall(rf"ERROR:({what} in .*)", server.said())


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_startup_timer_and_event_routes_run_once_in_the_server_and_in_slot_0(
    server: Callable[..., Any], tmp_path: Any
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        more = ROUTES.format(folder=tmp_path, port=sock.getsockname()[1])
        one = server(more, main='$avp(n) = "call"; $avp(n) = "process"; $avp(v) = $ci; $avp(v) = $pp;'
                     'raise_event("E_MINE", $avp(n), $avp(v));')  # fmt: skip
        first, second = one.workers()
        for _ in range(20):
            assert one.ask()
        until(lambda: len(lines(one, "event")) == 20)
        told = [re.fullmatch(r"event in (\d+): (u\d+) of (\d+)", line) for line in lines(one, "event")]
        assert {found[1] for found in told if found} == {str(first)}, "event routes run in slot 0"
        assert {found[3] for found in told if found} == {str(first), str(second)}, "both workers raised some"
        assert len({found[2] for found in told if found}) == 20
        assert len([sock.recv(4096) for _ in range(20)]) == 20
        assert lines(one, "startup") == [f"startup in {first}"]
        until(lambda: len(lines(one, "timer")) >= 2)
        assert set(lines(one, "timer")) == {f"timer in {first}"}
        assert set(lines(one, "other timer")) == {f"other timer in {first}"}


LOGGED = """
log_event_enabled=yes
log_event_level_filter=2
log_prefix="home"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
event_route[E_CORE_LOG] {{
    if ($param(message) =~ "^mine")
        xlog("L_ERR", "event in $pp: $param(level) $param(prefix) $param(message) of $param(pid)\\n");
}}
"""


def test_lines_of_the_log_are_events_and_those_of_their_route_are_none(
    server: Callable[..., Any], tmp_path: Any
) -> None:
    one = server(
        LOGGED.format(folder=tmp_path), main='xlog("L_NOTICE", "mine: $ci\n"); xlog("L_INFO", "mine: too low\n");'
    )
    first, second = one.workers()
    for _ in range(20):
        assert one.ask()
    until(lambda: len(lines(one, "event")) >= 20)
    told = [re.fullmatch(r"event in (\d+): NOTICE home mine: (u\d+) of (\d+)", line) for line in lines(one, "event")]
    assert {found[1] for found in told if found} == {str(first)}
    assert {found[3] for found in told if found} == {str(first), str(second)}
    assert sorted(found[2] for found in told if found) == sorted(f"u{number}" for number in range(1, 21))
    assert len(lines(one, "event")) == 20
    assert "Traceback" not in one.said()
