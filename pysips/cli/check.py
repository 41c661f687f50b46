"""pysips check: everything that is wrong with a script, at once."""

from typing import Any

import click

from .letters import options_of


def check(file: str, wishes: dict[str, Any], quiet: bool = False) -> int:
    """Check a script and start nothing; 0, or ConfigError with all complaints."""
    from pysips.core import loading
    from pysips.script.complaints import remark, verdict

    program = loading.load(file, options_of(file, wishes))
    if not quiet:
        for note in program.config.notes:
            click.echo(remark(note), err=True)
        click.echo(verdict([]))
    return 0


@click.command()
@click.argument("file")
@click.option("-q", "quiet", is_flag=True, help="Say nothing of a good script.")
def command(file: str, quiet: bool) -> int:
    """Say everything that is wrong with the script FILE."""
    return check(file, {}, quiet)
