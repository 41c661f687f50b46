"""A script from its text to a program that runs."""

import re
from collections.abc import Awaitable, Callable

from pysips.core import loading
from pysips.core.options import Options
from pysips.script import parse, source
from tests.effort import seconds_of
from tests.live import EXAMPLE


def enlarged(text: str, lines: int) -> str:
    """A script with its routes again and again, under other names, until it has so many lines."""
    routes = "\nroute {" + text.split("\nroute {", 1)[1]
    found, number = text, 0
    while found.count("\n") < lines:
        number += 1
        again = re.sub(r'(route\[|route\(|t_on_\w+\(")(\w+)', rf"\1\2_{number}", routes)
        found += again.replace("\nroute {", f"\nroute[main_{number}] {{")
    return found


def test_a_thousand_lines_of_a_real_script_load_in_half_a_second() -> None:
    text = enlarged(EXAMPLE.read_text("utf-8"), 1000)

    def work() -> None:
        parse.grammar.cache_clear()
        loading.load_source(source.of_text(text, "opensips.cfg"), Options("opensips.cfg"))

    assert seconds_of(work, 0.5) < 0.5


async def test_who_lets_requests_in_starts_after_those_who_answer_them() -> None:
    modules = ("mi_fifo", "httpd", "cachedb_local", "proto_udp", "sl")
    script = "".join(f'loadmodule "{name}.so"\n' for name in modules)
    script = f"socket=udp:127.0.0.1\n{script}route {{ exit; }}"
    registry = loading.load_source(source.of_text(script, "opensips.cfg"), Options("opensips.cfg")).registry
    order: list[str] = []

    def starting(name: str) -> Callable[[], Awaitable[None]]:
        async def start() -> None:
            order.append(name)

        return start

    for name, module in registry.loaded.items():
        setattr(module, "start", starting(name))  # noqa: B010
    await registry.start()
    assert order[-2:] == ["mi_fifo", "httpd"]
    assert set(order) == set(registry.loaded)
