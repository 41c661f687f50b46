"""pysips modules: which modules are here, and how much of OpenSIPS' they cover."""

import sys

import click

KINDS = {
    "function": "functions",
    "parameter": "parameters",
    "variable": "variables",
    "mi": "MI",
    "statistic": "statistics",
}


@click.command()
@click.option("--missing", is_flag=True, help="Name what OpenSIPS' module has and ours has not.")
def command(missing: bool) -> int:
    """List the modules with their share of what OpenSIPS' modules of that name offer."""
    from . import survey

    rows = []
    for module in survey.every_module():
        ours = {what: {item.name for item in survey.items(module) if item.what == what} for what in KINDS}
        if module.name != "core":
            ours["parameter"] |= accepted(module.name)
        theirs = {what: names_of(what, module.name) for what in KINDS}
        rows.append([module.name, *(share(ours[what], theirs[what]) for what in KINDS)])
        if missing:
            rows += [["", f"{what} {name}"] for what in KINDS for name in sorted(theirs[what] - ours[what])]
    show(["module", *KINDS.values()], rows)
    return 0


def accepted(module: str) -> set[str]:
    """Parameters that are taken and mean nothing here."""
    from pysips.core.ignored import IGNORED

    return {name for owner, name in IGNORED if owner == module}


def names_of(what: str, module: str) -> set[str]:
    """OpenSIPS' names of that kind, without 4.0's other spellings of MI commands, `core:ps` and the `ps` of that."""
    from pysips.script import known

    names = known.names_of(what, module)
    tails = {name.partition(":")[2] for name in names if ":" in name}

    def only_a_tail(name: str) -> bool:
        home = known.home_of(what, name, module)
        return name in tails and home is not None and home.versions == ("4.0",)

    return {name for name in names if ":" not in name and not only_a_tail(name)}


def share(ours: set[str], theirs: set[str]) -> str:
    if not theirs:
        return str(len(ours)) if ours else ""
    more = len(ours - theirs)
    return f"{len(ours & theirs)}/{len(theirs)}" + (f" +{more}" if more else "")


def show(head: list[str], rows: list[list[str]]) -> None:
    """A table for people on a terminal, words with tabs for everybody else."""
    if not sys.stdout.isatty():
        for row in [head, *rows]:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
