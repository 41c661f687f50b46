"""The options that `pysips` and `pysips run` share: OpenSIPS' letters (opensips(8)) and `--daemon`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pysips.core.options import Options

Function = TypeVar("Function", bound=Callable[..., Any])

POLL_METHODS = ("poll", "epoll", "epoll_lt", "epoll_et", "sigio_rt", "select", "kqueue", "/dev/poll")
NO_MEANING = {
    "shared_memory": "-m", "private_memory": "-M", "allocator": "-a", "private_allocator": "-k",
    "shared_allocator": "-s", "restart_allocator": "-e", "poll_method": "-W", "buffer": "-b", "any_revision": "-i",
}  # fmt: skip


def values_of(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not name=value")
        values[name] = value
    return values


def listeners(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> list[str]:
    for text in given:
        if not text or text.startswith(":"):
            raise click.BadParameter(f"{text!r} is not proto:host[:port]")
    return list(given)


COUNT = click.IntRange(1, 1024)
OPTIONS = [
    click.option(
        "-l",
        "listeners",
        multiple=True,
        callback=listeners,
        metavar="PROTO:HOST[:PORT]",
        help="One more socket; may be repeated.",
    ),
    click.option("-n", "workers_udp", type=COUNT, metavar="N", help="Processes for UDP (udp_workers)."),
    click.option("-N", "workers_tcp", type=COUNT, metavar="N", help="Processes for TCP (tcp_workers)."),
    click.option("-A", "advertised", default="", metavar="ADDRESS", help="Advertise this in Via and Record-Route."),
    click.option(
        "-o",
        "values",
        multiple=True,
        callback=values_of,
        metavar="NAME=VALUE",
        help="The script's $argv(NAME); pysips_workers is ours.",
    ),
    click.option("-p", "preprocessor", default="", metavar="COMMAND", help="Pipe the script through this first."),
    click.option("-u", "user", default="", help="Become this user once the sockets are open."),
    click.option("-g", "group", default="", help="Become this group once the sockets are open."),
    click.option("-w", "work_folder", default="", metavar="FOLDER", help="Working folder."),
    click.option("-t", "root_folder", default="", metavar="FOLDER", help="Root folder (chroot)."),
    click.option("-P", "pid_file", default="", metavar="FILE", help="Write the process id here."),
    click.option("-G", "group_file", default="", metavar="FILE", help="Write the process group's id here."),
    click.option("-D", "debug", is_flag=True, help="Debug mode: log level 4 on standard error, two workers."),
    click.option("-d", "more_verbose", count=True, help="Say more: each -d adds one to the script's log level."),
    click.option("-E", "to_stderr", is_flag=True, help="Log to standard error, whatever the script says."),
    click.option("-F", "foreground", is_flag=True, help="Stay in the foreground, as by default."),
    click.option("--daemon", is_flag=True, help="Go to the background."),
    click.option("-v", "check_via", is_flag=True, help="Drop replies whose Via is not ours (check_via)."),
    click.option("-r", "use_dns", is_flag=True, help="No effect: RFC 3261 says when Via needs a received parameter."),
    click.option("-R", "reverse_dns", is_flag=True, help="No effect, as -r."),
    click.option(
        "-m", "shared_memory", type=click.IntRange(1), metavar="MB", help="No effect: Python looks after its memory."
    ),
    click.option("-M", "private_memory", type=click.IntRange(1), metavar="MB", help="No effect, as -m."),
    click.option("-a", "allocator", metavar="NAME", help="No effect, as -m."),
    click.option("-k", "private_allocator", metavar="NAME", help="No effect, as -m."),
    click.option("-s", "shared_allocator", metavar="NAME", help="No effect, as -m."),
    click.option("-e", "restart_allocator", metavar="NAME", help="No effect, as -m."),
    click.option("-W", "poll_method", type=click.Choice(POLL_METHODS), help="No effect: it is epoll."),
    click.option(
        "-b", "buffer", type=click.IntRange(1), metavar="BYTES", help="No effect: buffers are as large as may be."
    ),
    click.option("-i", "any_revision", is_flag=True, help="No effect: modules have no revision of their own."),
]


def letters(function: Function) -> Function:
    """Give a command all these options."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def options_of(file: str, wishes: dict[str, Any]) -> Options:
    """Options out of what click read; letters without meaning are named once on standard error."""
    wishes = dict(wishes)
    if wishes.pop("foreground", False) and wishes.get("daemon"):
        raise click.UsageError("-F and --daemon exclude each other")
    given = [letter for name, letter in NO_MEANING.items() if wishes.pop(name, None)]
    if given:
        click.echo(f"pysips: no effect here: {' '.join(given)}", err=True)
    return Options(file, **wishes)
