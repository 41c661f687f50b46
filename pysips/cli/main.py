"""The command group, and how a failure is told: complaints or one line on standard error, and an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pysips import __version__
from pysips.errors import ConfigError, PysipsError

from .letters import letters

DEFAULT_FILES = ("/etc/opensips/opensips.cfg", "/usr/local/etc/opensips/opensips.cfg")
COMMANDS = ("run", "check", "show", "where", "docs", "modules", "mi", "db", "user")
FAILED = 255  # what OpenSIPS answers for whatever stops it from starting


class Commands(click.Group):
    """Subcommands, each in the file of its name, read when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name}", __package__).command
        return command


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", message="PySIPS %(version)s")
@click.option("-f", "file", metavar="FILE", help="The script to run; - is standard input.")
@click.option("-c", "only_check", is_flag=True, help="Check the script and start nothing; exit with 0 or 255.")
@click.option("-C", "only_check_all", is_flag=True, help="The same; every problem is said by either letter.")
@letters
@click.pass_context
def group(ctx: click.Context, /, file: str | None, only_check: bool, only_check_all: bool, **wishes: Any) -> int | None:
    """A SIP proxy and registrar that runs OpenSIPS configurations.

    `pysips -f opensips.cfg` starts the server in the foreground. The letters are OpenSIPS' own.
    """
    if ctx.invoked_subcommand is not None:
        if file is not None or only_check or only_check_all:
            raise click.UsageError(f"-f, -c and -C stand alone; {ctx.invoked_subcommand} has options of its own")
        return None
    file = file or next((path for path in DEFAULT_FILES if Path(path).exists()), None)
    if file is None:
        click.echo(ctx.get_help())
        raise click.UsageError(f"no -f FILE, and no {' nor '.join(DEFAULT_FILES)}")
    if only_check or only_check_all:
        from .check import check

        return check(file, wishes)
    from .run import run

    return run(file, wishes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code. Failures are told on standard error."""
    return told(group, "pysips", arguments)


def told(command: click.Command, name: str, arguments: Sequence[str] | None) -> int:
    """Run a click command; every failure of ours becomes a text for people and an exit code."""
    try:
        code = command.main(arguments, prog_name=name, standalone_mode=False)
    except ConfigError as problem:
        from pysips.script.complaints import report

        click.echo(report(problem.complaints), err=True)
        return problem.exit_code
    except PysipsError as problem:
        click.echo(f"{name}: {problem}", err=True)
        return problem.exit_code
    except click.ClickException as problem:
        problem.show()
        return FAILED
    except click.Abort:
        return 130
    except BrokenPipeError:  # whoever read us has seen enough; the interpreter's last flush must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
