"""pysips where: in which file a name of the script language lives."""

import difflib
from pathlib import Path

import click

from pysips.errors import PysipsError
from pysips.script.globals import KNOWN, OTHER_NAMES
from pysips.script.globals import __file__ as globals_file
from pysips.script.known import homes_of, names_of

KINDS = ("function", "async", "variable", "transformation", "mi", "parameter", "statistic", "module", "global")


class NotHere(PysipsError):
    """No module of ours declares that name."""

    exit_code = 1


@click.command()
@click.argument("name")
def command(name: str) -> int:
    """Say where NAME lives: a function, $variable, {transformation}, parameter, statistic, MI command or module."""
    from . import survey

    bare = name.removeprefix("$").strip("{}()")
    is_module = bare in ["core", *survey.names()]
    if is_module:
        click.echo(f"{survey.place(survey.Item('module', bare, survey.module(bare)))}  module {bare}")
    found = [
        item
        for module in survey.every_module()
        for item in survey.items(module)
        if item.name == bare and (item.what == "variable" or not name.startswith("$"))
    ]
    setting = global_line(bare) if not name.startswith("$") else ""
    if setting:
        click.echo(setting)
    for item in found:
        note = f"  ({item.note})" if item.note else ""
        click.echo(f"{survey.place(item)}  {item.module.name}: {item.what} {item.signature}{note}")
    if not found and not is_module and not setting:
        raise NotHere(unknown(bare))
    return 0


def global_line(name: str) -> str:
    """What there is to say of a global setting of ours; "" if it is none."""
    from . import survey

    new = OTHER_NAMES.get(name, name)
    known = KNOWN.get(new)
    if known is None:
        return ""
    file = Path(globals_file)
    lines = file.read_text("utf-8").splitlines()
    number = next((at for at, line in enumerate(lines, 1) if line.strip().startswith(f'"{new}":')), 1)
    notes = [known.kind, "unset by default" if known.default is None else f"default {known.default!r}"]
    notes += [f"the new name of {name}"] if new != name else []
    notes += [f"no meaning here: {known.ignored}"] if known.ignored else []
    return f"{survey.shown(file)}:{number}  global {new}  ({'; '.join(notes)})"


def unknown(name: str) -> str:
    """What OpenSIPS knows of the name, or what it may have meant."""
    homes = [(what, home) for what in KINDS for home in homes_of(what, name)]
    if homes:
        known = "; ".join(f"{what} of {home.module} in {', '.join(home.versions)}" for what, home in homes)
        return f"{name} is not in PySIPS yet; OpenSIPS knows it: {known}"
    every = {known for what in KINDS for known in names_of(what)}
    close = difflib.get_close_matches(name, every, 3)
    return f"nothing is called {name}" + (f"; did you mean {' or '.join(close)}?" if close else "")
