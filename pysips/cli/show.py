"""pysips show: the Python that a route became."""

import sys

import click

from pysips.core.options import Options
from pysips.errors import PysipsError


class NoSuchRoute(PysipsError):
    """The script has no route of that name."""

    exit_code = 1


@click.command()
@click.argument("file")
@click.argument("route", required=False)
def command(file: str, route: str | None) -> int:
    """Print the Python that the script FILE, or one ROUTE of it, is compiled to."""
    from pysips.core import loading

    try:
        text = loading.load(file, Options(file)).compiled.source_of(route)
    except LookupError as problem:
        raise NoSuchRoute(str(problem.args[0])) from None
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, "python", background_color="default"))
    else:
        click.echo(text)
    return 0
