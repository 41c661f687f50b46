"""pysips docs: a module's manual, out of its own declarations."""

import inspect
from itertools import groupby

import click

TITLES = {
    "function": "Functions",
    "mi": "Management commands",
    "parameter": "Parameters",
    "statistic": "Statistics",
    "transformation": "Transformations",
    "variable": "Variables",
}


@click.command()
@click.argument("module")
def command(module: str) -> int:
    """Print the manual of MODULE (core for the language's own functions and variables)."""
    from . import survey

    shown = survey.module(module)
    file = inspect.getmodule(type(shown))
    parts = [module, "=" * len(module), "", inspect.getdoc(file) or inspect.getdoc(type(shown)) or ""]
    for what, items in groupby(survey.items(shown), key=lambda item: item.what):
        parts += ["", TITLES[what], "-" * len(TITLES[what])]
        for item in items:
            parts += ["", item.signature + (f"  [{item.note}]" if item.note else "")]
            parts += [f"    {line}".rstrip() for line in item.help.splitlines()]
    click.echo_via_pager("\n".join(parts) + "\n")
    return 0
