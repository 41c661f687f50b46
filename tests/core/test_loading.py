"""A script from its text to a program that runs."""

import re
import time

from pysips.core import loading
from pysips.core.options import Options
from pysips.script import parse, source
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
    taken = []
    for _ in range(3):  # the least of three: other work on the machine only adds
        parse.grammar.cache_clear()
        before = time.process_time()
        program = loading.load_source(source.of_text(text, "opensips.cfg"), Options("opensips.cfg"))
        taken.append(time.process_time() - before)
    assert len(program.routes) > 20
    assert min(taken) < 0.5
