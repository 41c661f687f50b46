"""The logger: OpenSIPS' levels, and never a wait for whoever reads the lines.

Facts:
- levels are -3 ALERT, -2 CRITICAL, -1 ERROR, 1 WARNING, 2 NOTICE, 3 INFO, 4 DBG; a line is written if its level is
  not above `level` (core messages, `log()`) or `script_level` (`xlog`);
- a process that runs an event loop calls `start()` after its fork: from then on lines pass through a bounded queue to
  a thread, and are counted in `dropped` when it is full. Before that (the supervisor, the command line) they are
  written at once, or dropped and counted when that would block;
- text from peers cannot forge a line: control bytes are escaped in core messages; `xlog` text goes out as the
  script made it, but a line feed inside it is followed by a tab, so that no second line starts in the first column.

`log` below is the one ready-made object of the project: everything may log, and nothing should have to be handed
a logger for it. It is set up once, by `configure`, at boot.
"""

import atexit
import os
import threading
import time
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, final

from pysips.errors import ModuleError

from .log_consumers import EVENT, STDERROR, SYSLOG, Consumers
from .log_outputs import FACILITIES, FORMATS, NAMES, Entry, Stderr, Style, Syslog

ALERT: Final = -3
CRIT: Final = -2
ERR: Final = -1
WARN: Final = 1
NOTICE: Final = 2
INFO: Final = 3
DBG: Final = 4

QUEUE_LIMIT: Final = 10_000
LIMITER_KEYS: Final = 1_000
EXIT_SECONDS: Final = 1.0

Listener = Callable[[Entry, int], None]  # (the line, pid), for E_CORE_LOG

CONTROL: Final = (
    {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
    | {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 256)}
    | {9: "\\t", 10: "\\n", 13: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}
)


def harmless(text: str) -> str:
    """The text with control characters and undecodable bytes written out (`\\r`, `\\x1b`), fit for one line."""
    return text if text.isprintable() else text.translate(CONTROL)


def known_level(level: int) -> int:
    """The nearest level that has a name; 0 has none and counts as a warning."""
    return min(max(level, ALERT), DBG) or WARN


@final
class Log:
    """Writes lines by level. One object for each process; `forked` makes a copy in a child its own."""

    __slots__ = (
        "chosen_level", "chosen_script_level", "clock", "consumers", "dropped", "fallback", "held", "level",
        "listener", "outputs", "pid", "queue", "quiet", "reported", "script_level", "thread", "threaded",
    )  # fmt: skip

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.level = NOTICE
        self.script_level = NOTICE
        self.chosen_level = NOTICE
        self.chosen_script_level = NOTICE
        self.clock = clock
        self.pid = os.getpid()
        self.fallback = Stderr(Style(self.pid, "", "pysips", "plain_text"))
        self.consumers = Consumers()
        self.outputs: dict[int, Stderr | Syslog] = {STDERROR: self.fallback}
        self.queue: SimpleQueue[Entry | threading.Event | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.threaded = False
        self.dropped = 0
        self.reported = 0
        self.held: dict[str, tuple[float, int]] = {}
        self.listener: Listener | None = None
        self.quiet = 0

    # -- saying something

    def alert(self, module: str, text: str) -> None:
        """`module` is "module:function", as in OpenSIPS' lines; the text has no line end. So for all of these."""
        if self.level >= ALERT:
            self.put(ALERT, module, harmless(text))

    def crit(self, module: str, text: str) -> None:
        if self.level >= CRIT:
            self.put(CRIT, module, harmless(text))

    def error(self, module: str, text: str) -> None:
        if self.level >= ERR:
            self.put(ERR, module, harmless(text))

    def warn(self, module: str, text: str) -> None:
        if self.level >= WARN:
            self.put(WARN, module, harmless(text))

    def notice(self, module: str, text: str) -> None:
        if self.level >= NOTICE:
            self.put(NOTICE, module, harmless(text))

    def info(self, module: str, text: str) -> None:
        if self.level >= INFO:
            self.put(INFO, module, harmless(text))

    def debug(self, module: str, text: str) -> None:
        if self.level >= DBG:
            self.put(DBG, module, harmless(text))

    def failure(self, module: str, text: str) -> None:
        """In an `except`: an error that nobody expected, with its traceback below it."""
        if self.level >= ERR:
            lines = [text, *traceback.format_exc().splitlines()]
            self.put(ERR, module, "\n\t".join(harmless(line) for line in lines))

    def script(self, level: int, text: str) -> None:
        """A line of `xlog`: `LEVEL:text` under `script_level`."""
        if level <= self.script_level:
            self.put(known_level(level), "", text.removesuffix("\n").replace("\n", "\n\t"))

    def raw(self, level: int, text: str) -> None:
        """A line of the script's `log()`: as `script`, but under `level`."""
        if level <= self.level:
            self.put(known_level(level), "", text.removesuffix("\n").replace("\n", "\n\t"))

    def limited(self, key: str, seconds: float) -> bool:
        """True if a line about `key` may be written now: one for each `seconds`, the others are counted and told.

        For lines that hostile input provokes. Keys are bounded: with too many at once, new ones wait.
        """
        now = self.clock()
        due, missed = self.held.get(key, (0.0, 0))
        if now < due:
            self.held[key] = (due, missed + 1)
            return False
        if key not in self.held and len(self.held) >= LIMITER_KEYS:
            self.held = {key: value for key, value in self.held.items() if value[0] > now}
            if len(self.held) >= LIMITER_KEYS:
                return False
        self.held[key] = (now + seconds, 0)
        if missed:
            self.notice("core:log", f"{missed} more lines of this kind were left out: {key}")
        return True

    # -- settings

    def configure(
        self,
        *,
        level: int = NOTICE,
        script_level: int = NOTICE,
        stderr: bool = True,
        syslog: bool = False,
        facility: str = "LOG_DAEMON",
        name: str = "pysips",
        prefix: str = "",
        events: bool = True,
        stderr_threshold: int = 0,
        syslog_threshold: int = 0,
        event_threshold: int = 0,
        stderr_format: str = "plain_text",
        syslog_format: str = "plain_text",
        stderr_fd: int = 2,
        syslog_path: str = "/dev/log",
    ) -> None:
        """Set everything anew, with the values of the globals `log_level`, `xlog_level`, `stderror_enabled` …

        A threshold of 0 is none; who is not wanted is mute, and may be wanted later.
        Raises ModuleError for an unknown facility or format.
        """
        if facility.upper() not in FACILITIES:
            raise ModuleError(f"unknown syslog_facility {facility}: one of {', '.join(FACILITIES)}")
        for chosen in (stderr_format, syslog_format):
            if chosen not in FORMATS:
                raise ModuleError(f'unknown log format "{chosen}": one of {", ".join(FORMATS)}')
        self.level = self.chosen_level = level
        self.script_level = self.chosen_script_level = script_level
        self.listener = None
        self.flush()
        self.hang_up()
        self.fallback = Stderr(Style(self.pid, prefix, name, stderr_format), stderr_fd)
        style = Style(self.pid, prefix, name, syslog_format)
        system = Syslog(style, facility.upper(), self.without_syslog, syslog_path)
        self.outputs = {STDERROR: self.fallback, SYSLOG: system}
        for consumer, wanted, threshold in (
            (STDERROR, stderr, stderr_threshold), (SYSLOG, syslog, syslog_threshold), (EVENT, events, event_threshold),
        ):  # fmt: skip
            self.consumers.mute(consumer, not wanted)
            self.consumers.set_filter(consumer, threshold)

    def listen(self, listener: Listener | None) -> None:
        """Tell somebody of the lines that the consumer "event" takes; None: nobody any more."""
        self.listener = listener

    def set_level(self, level: int | None) -> None:
        """`$log_level` of this process; None restores the configured one."""
        self.level = self.chosen_level if level is None else level

    def set_script_level(self, level: int | None) -> None:
        """`$xlog_level` of this process; None restores the configured one."""
        self.script_level = self.chosen_script_level if level is None else level

    def without_syslog(self, text: str) -> None:
        """The system's log cannot be had: say so; lines go to standard error meanwhile."""
        self.fallback.write(Entry(WARN, "core:log", text, self.clock()), wait=False)

    # -- the way out

    def put(self, level: int, module: str, text: str) -> None:
        """Hand one line on, by the queue or at once. It never waits."""
        entry = Entry(level, module, text, self.clock())
        if self.listener is not None and not self.quiet and self.consumers.takes(EVENT, level):
            self.quiet += 1  # what listeners log themselves is no news to them
            try:
                self.listener(entry, self.pid)
            finally:
                self.quiet -= 1
        if not self.threaded:
            self.write(entry, wait=False)
            return
        if self.queue.qsize() >= QUEUE_LIMIT:
            self.dropped += 1
            return
        self.queue.put(entry)
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, name="log", daemon=True)
            self.thread.start()

    def write(self, entry: Entry, wait: bool) -> None:
        """Write to every output that wants this level; a line that none could take is counted as dropped."""
        takes = self.consumers.takes
        wanted = [output for consumer, output in self.outputs.items() if takes(consumer, entry.level)]
        taken = [output.write(entry, wait) for output in wanted]
        if wanted and not any(taken) and not self.fallback.write(entry, wait):
            self.dropped += 1
        elif self.dropped > self.reported:
            missing, self.reported = self.dropped - self.reported, self.dropped
            self.write(Entry(WARN, "core:log", f"{missing} log lines were dropped", entry.when), wait)

    def run(self) -> None:
        """The thread: writes what comes out of the queue until a None comes."""
        queue = self.queue
        while (entry := queue.get()) is not None:
            if isinstance(entry, Entry):
                self.write(entry, wait=True)
            else:
                entry.set()

    # -- life

    def start(self) -> None:
        """From now on a thread writes. For processes with an event loop, after their fork."""
        self.threaded = True

    def forked(self) -> None:
        """In a child after a fork: the parent's queue, thread and pid are not ours."""
        self.pid = os.getpid()
        self.queue = SimpleQueue()
        self.thread = None
        self.threaded = False
        self.dropped = self.reported = 0
        for output in self.outputs.values():
            output.style = output.style._replace(pid=self.pid)

    def flush(self, seconds: float = EXIT_SECONDS) -> bool:
        """Wait until everything said so far is written, at most `seconds`; False if time ran out."""
        if self.thread is None:
            return True
        written = threading.Event()
        self.queue.put(written)
        return written.wait(seconds)

    def close(self) -> None:
        """Flush and end the thread; later lines are written at once again."""
        thread = self.thread
        if thread is not None:
            self.flush()
            self.queue.put(None)
            thread.join(EXIT_SECONDS)
            self.thread = None
        self.threaded = False
        self.hang_up()

    def hang_up(self) -> None:
        """Give back the socket to the system's log; a later line takes a new one."""
        for output in self.outputs.values():
            if isinstance(output, Syslog):
                output.close()


log: Final = Log()
os.register_at_fork(after_in_child=log.forked)
atexit.register(log.close)

__all__ = ["ALERT", "CRIT", "DBG", "ERR", "INFO", "NAMES", "NOTICE", "WARN", "Entry", "Log", "log"]
