"""pysips run: start the server."""

from typing import Any

import click

from .letters import letters, options_of


def run(file: str, wishes: dict[str, Any]) -> int:
    """Run the server until it is stopped; its exit code."""
    from pysips.runtime import boot

    return boot.main(options_of(file, wishes))


@click.command()
@click.argument("file")
@letters
def command(file: str, /, **wishes: Any) -> int:
    """Start the server with the script FILE."""
    return run(file, wishes)
