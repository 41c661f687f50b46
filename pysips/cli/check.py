"""pysips check: everything that is wrong with a script, at once."""

from typing import Any

import click

from .letters import options_of


def check(file: str, wishes: dict[str, Any], quiet: bool = False) -> int:
    """Check a script and start nothing; 0, or ConfigError with all complaints."""
    from pysips.core import program

    program.load(file, options_of(file, wishes))
    if not quiet:
        click.echo(f"{file}: config file ok")
    return 0


@click.command()
@click.argument("file")
@click.option("-q", "quiet", is_flag=True, help="Say nothing of a good script.")
def command(file: str, quiet: bool) -> int:
    """Say everything that is wrong with the script FILE."""
    return check(file, {}, quiet)
