"""The core's own management commands: which, version, uptime, ps, statistics, log_level … (OpenSIPS: mi_core.c).

`log_level` and its kin change every process: the attendant asks each of them to change its own.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from pysips import __version__
from pysips.core.events import Values
from pysips.core.exports import Json, MiError, Module, Where, mi
from pysips.core.log import log
from pysips.core.log_consumers import CONSUMERS
from pysips.core.stats import Statistics
from pysips.errors import PysipsError

from .counters import LEVEL_OFFSET, LOG_LEVEL, PID, SCRIPT_LEVEL
from .mi import Mi
from .mi_params import InvalidParams
from .reload import Conductor, Editions, said
from .server import Seat, Server

LOWEST: Final = -3
HIGHEST: Final = 4
SUBSCRIBED_SECONDS: Final = 3600


class CoreCommands(Module):
    """Commands of the core. `mi` is set once it is there."""

    name = "core"

    def __init__(self, server: Server, seat: Seat, editions: Editions) -> None:
        self.server = server
        self.seat = seat
        self.statistics: Statistics = server.program.statistics
        self.management: Mi | None = None
        self.editions = editions
        self.conductor: Conductor | None = None  # in the attendant
        self.connections: Callable[[], list[dict[str, object]]] = list  # a worker's stream connections

    # -- who we are

    @mi("which")
    def which(self, command: str = "") -> Json:
        """All commands, or the recipes of one."""
        known = self.mi_of()
        if not command:
            return list(known.names())
        spec = known.commands.get(command)
        if spec is None:
            raise MiError(404, "unknown MI command")
        return [list(recipe) for recipe in spec.recipes]

    @mi("help")
    def help(self, mi_cmd: str = "") -> Json:
        """What a command does."""
        if not mi_cmd:
            return {"Help": "which lists the commands; help COMMAND explains one"}
        spec = self.mi_of().commands.get(mi_cmd)
        if spec is None:
            raise MiError(404, "unknown MI command")
        return {"Help": spec.help, "Exported by": spec.module}

    @mi("version")
    def version(self, revision: str = "") -> Json:
        """Name, version and platform."""
        system = os.uname()
        return {"Server": f"PySIPS ({__version__} ({system.machine}/{system.sysname.lower()}))"}

    @mi("uptime")
    def uptime(self) -> Json:
        """Since when the server runs."""
        now, since = time.time(), self.server.started
        return {"Now": time.ctime(now), "Up since": time.ctime(since), "Up time": f"{int(now - since)} [sec]"}

    @mi("pwd")
    def pwd(self) -> Json:
        """The working folder."""
        return {"WD": os.getcwd()}

    @mi("arg")
    def arg(self) -> Json:
        """The command line."""
        return {"arguments": list(sys.argv)}

    @mi("ps")
    def ps(self) -> Json:
        """The processes: number, process id, what for."""
        return {"Processes": [{"ID": number, "PID": pid, "Type": kind} for number, pid, kind in self.processes()]}

    def processes(self) -> list[tuple[int, int, str]]:
        """The attendant is number 0, as in OpenSIPS; the supervisor is the last."""
        server = self.server
        seats = sorted(server.seats, key=lambda seat: seat.slot >= 0)
        found = [(number, server.board.own(seat.row)[PID], seat.title) for number, seat in enumerate(seats)]
        return [*found, (len(seats), server.supervisor, "supervisor")]

    # -- statistics

    @mi("get_statistics", full="statistics:get")
    def get_statistics(self, statistics: list[str]) -> Json:
        """Values by name, by `group:`, or `all`."""
        found: dict[str, Any] = {}
        for word in statistics:
            _, colon, name = word.partition(":")
            if colon and name:
                continue  # OpenSIPS knows no such name
            for one in self.statistics.select(word):
                found[f"{one.group}:{one.name}"] = one.value()
        return found

    @mi("list_statistics", full="statistics:list")
    def list_statistics(self, statistics: list[str] | None = None) -> Json:
        """The names, and whether each can be reset."""
        words = statistics or ["all"]
        chosen = [one for word in words for one in self.statistics.select(word)]
        return {f"{one.group}:{one.name}": "non-incremental" if one.no_reset else "incremental" for one in chosen}

    @mi("reset_statistics", full="statistics:reset")
    def reset_statistics(self, statistics: list[str]) -> Json:
        """Set counters to 0."""
        found = [self.statistics.reset(word) for word in statistics]
        if not any(found):
            raise MiError(404, "Statistics Not Found")
        return "OK"

    @mi("reset_all_statistics", full="statistics:reset_all")
    def reset_all_statistics(self) -> Json:
        """Set all counters to 0."""
        self.statistics.reset("all")
        return "OK"

    # -- stream connections

    @mi("list_tcp_conns", full="tcp:list", where=Where.ONCE)
    async def tcp_list(self) -> Json:
        """The open stream connections of all workers, and those to other nodes; null without any."""
        answers = await self.mi_of().ask_all(range(self.server.workers), "_core:connections", {})
        found = [row for one in answers if one.failure is None for row in one.value]
        found += [dict(row) for row in self.connections()]
        return {"Connections": found} if found else None

    @mi("_connections", full="_core:connections", where=Where.EACH)
    def connections_here(self) -> Json:
        """In each worker: its own."""
        return [dict(row) for row in self.connections()]

    # -- the change log

    @mi("_reached", full="_core:reached", where=Where.ONCE)
    async def reached(self, follower: str, place: str) -> Json:
        """In the attendant, for a worker: true once a follower has passed a place of the log."""
        return bool(await self.server.program.changes.reading.reached(follower, bytes.fromhex(place)))

    @mi("_wake", full="_core:wake", where=Where.ONCE)
    def wake(self, follower: str) -> Json:
        """In the attendant, for a worker: let a follower look at the log at once."""
        self.server.program.changes.reading.wake(follower)
        return True

    # -- events

    @mi("event_subscribe", full="evi:subscribe", where=Where.FIRST)
    def event_subscribe(self, event: str, socket: str, expire: int = SUBSCRIBED_SECONDS) -> Json:
        """Tell a socket of an event from now on, for so many seconds."""
        program = self.server.program
        if event not in program.events.known:
            raise MiError(404, "Event not found")
        try:
            program.subscriptions.check(socket)
        except ValueError as problem:
            raise MiError(400, str(problem)) from None
        if expire < 0:
            raise MiError(400, "expire is a number of seconds")
        program.events.carrier.carry_wish(event, socket, expire)
        return "OK"

    @mi("events_list", full="evi:list")
    def events_list(self) -> Json:
        """All events that modules and the script raise or handle."""
        names = self.server.program.events.known
        return {"Events": [{"name": name, "id": number} for number, name in enumerate(names)]}

    @mi("subscribers_list", full="evi:subscribers", where=Where.FIRST)
    def subscribers_list(self, event: str = "") -> Json:
        """Who hears of events, or of one, and for how many seconds more."""
        kept, now = self.server.program.subscriptions, time.time()
        kept.forget_old()
        found: dict[str, list[Json]] = {}
        for one in kept.known.values():
            if event in ("", one.event):
                left: Json = int(one.ends - now) if one.ends else "never"
                found.setdefault(one.event, []).append({"socket": one.socket, "expires": left})
        return {"Events": [{"name": name, "Subscribers": subscribers} for name, subscribers in found.items()]}

    @mi("raise_event", full="evi:raise", where=Where.FIRST)
    def raise_event(self, event: str, params: list[str] | None = None) -> Json:
        """Raise an event with values by their places."""
        values: Values = {str(place): value for place, value in enumerate(params or [], 1)}
        self.server.program.events.define(event).tell(values)
        return "OK"

    # -- logging

    @mi("log_level", where=Where.ONCE)
    async def log_level(self, level: int | None = None, pid: int | None = None) -> Json:
        """The level of every process, or a new one for all or for one."""
        if level is None:
            return {"Processes": await self.levels("log", None, None)}
        changed = await self.levels("log", bounded(level), pid)
        if pid is None:
            self.server.board.settings()[LOG_LEVEL] = bounded(level) + LEVEL_OFFSET
            return {"New global log level": bounded(level)}
        if not changed:
            raise InvalidParams("Bad PID")
        return {"Log level": bounded(level)}

    @mi("xlog_level", where=Where.ONCE)
    async def xlog_level(self, level: int | None = None) -> Json:
        """The level of the script's own lines."""
        if level is None:
            return {"xLog Level": log.script_level}
        await self.levels("xlog", bounded(level), None)
        self.server.board.settings()[SCRIPT_LEVEL] = bounded(level) + LEVEL_OFFSET
        return {"New xLog level": bounded(level)}

    @mi("log_level_filter")
    def log_level_filter(self, consumer: str, level_filter: int | None = None) -> Json:
        """The highest level that stderror, syslog or event takes, or a new one; 0: any."""
        number = consumer_of(consumer)
        if level_filter is None:
            return {"Log level filter": log.consumers.filter(number)}
        log.consumers.set_filter(number, bounded(level_filter))
        return "OK"

    @mi("log_mute_state")
    def log_mute_state(self, consumer: str, mute_state: int | None = None) -> Json:
        """Whether stderror, syslog or event is mute (1) or not (0), or a new state."""
        number = consumer_of(consumer)
        if mute_state is None:
            return {"mute state": int(log.consumers.muted(number))}
        log.consumers.mute(number, mute_state != 0)
        return "OK"

    @mi("_level", full="_core:level", where=Where.EACH)
    def level_here(self, what: str, level: int | None = None, pid: int | None = None) -> Json:
        """In each process: set its own level, if it is meant; its level then."""
        if pid is not None and pid != os.getpid():
            return {}
        if level is not None and what == "log":
            log.set_level(level)
        elif level is not None:
            log.set_script_level(level)
        return {"PID": os.getpid(), "Log level": log.level, "Type": self.seat.title}

    async def levels(self, what: str, level: int | None, pid: int | None) -> list[Json]:
        """Ask all processes, ourselves too, to set a level; the answers of those that are meant."""
        values = {"what": what, "level": level, "pid": pid}
        others = [seat.row for seat in self.server.seats if seat is not self.seat]
        answers = await self.mi_of().ask_all(others, "_core:level", values)
        found = [self.level_here(what, level, pid), *[one.value for one in answers if one.failure is None]]
        return [one for one in found if one]

    # -- the script

    @mi("reload_routes", where=Where.ONCE)
    async def reload_routes(self) -> Json:
        """Read the script again and take its routes, everywhere or nowhere. Other changes need a restart."""
        if self.conductor is None:
            raise MiError(404, "only the attendant reloads")
        return await self.conductor.reload()

    @mi("_prepare", full="_core:prepare", where=Where.EACH)
    async def prepare(self, edition: int) -> Json:
        """In each worker: get ready for other routes; see reload.py."""
        try:
            await self.editions.server.program.services.offload.run(self.editions.prepare, edition)
        except (PysipsError, OSError, ValueError) as problem:
            raise MiError(500, said(problem)) from None
        return "OK"

    @mi("_take", full="_core:take", where=Where.EACH)
    def take(self, edition: int) -> Json:
        """In each worker: run them."""
        if not self.editions.take(edition):
            raise MiError(404, "not prepared")
        return "OK"

    @mi("_forget", full="_core:forget", where=Where.EACH)
    def forget(self) -> Json:
        """In each worker: stay with what there is."""
        self.editions.forget()
        return "OK"

    # -- the server

    @mi("kill", where=Where.ONCE)
    def kill(self) -> Json:
        """Stop the server."""
        os.kill(self.server.supervisor, signal.SIGTERM)
        return "OK"

    @mi("restart", where=Where.ONCE)
    def restart(self) -> Json:
        """Have a new server, with all that the script says now, take over from this one; the log says how it went."""
        os.kill(self.server.supervisor, signal.SIGUSR2)
        return "OK"

    def mi_of(self) -> Mi:
        assert self.management is not None
        return self.management


def consumer_of(name: str) -> int:
    """Which consumer of log lines has this name. Raises MiError."""
    if name not in CONSUMERS:
        raise MiError(404, "Unknown log consumer")
    return CONSUMERS.index(name)


def bounded(level: int) -> int:
    """A level that there is."""
    return max(LOWEST, min(level, HIGHEST))
