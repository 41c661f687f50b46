"""Where log lines go: standard error and the system's log, in three formats.

Facts (core-parameters reference; RFC 3164 for the datagrams to /dev/log):
- plain: `Mon DD HH:MM:SS [pid] LEVEL:module:function: text`; the system's log adds time and pid by itself;
- `json` and `json_cee` carry the same fields under OpenSIPS' keys, one object a line;
- a pipe that the poll calls writable takes 4096 bytes without blocking, which is why lines go out in such pieces.
"""

import json
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple, final

NAMES: Final = {-3: "ALERT", -2: "CRITICAL", -1: "ERROR", 1: "WARNING", 2: "NOTICE", 3: "INFO", 4: "DBG"}
SEVERITIES: Final = {-3: 1, -2: 2, -1: 3, 1: 4, 2: 5, 3: 6, 4: 7}
FACILITIES: Final = {
    "LOG_KERN": 0, "LOG_USER": 1, "LOG_MAIL": 2, "LOG_DAEMON": 3, "LOG_AUTH": 4, "LOG_SYSLOG": 5, "LOG_LPR": 6,
    "LOG_NEWS": 7, "LOG_UUCP": 8, "LOG_CRON": 9, "LOG_AUTHPRIV": 10, "LOG_FTP": 11, "LOG_LOCAL0": 16,
    "LOG_LOCAL1": 17, "LOG_LOCAL2": 18, "LOG_LOCAL3": 19, "LOG_LOCAL4": 20, "LOG_LOCAL5": 21, "LOG_LOCAL6": 22,
    "LOG_LOCAL7": 23,
}  # fmt: skip
FORMATS: Final = ("plain_text", "json", "json_cee")
PIECE: Final = 4096
RETRY_SECONDS: Final = 5.0


class Entry(NamedTuple):
    """One line: level -3…4, "module:function" ("" for a script's own text), the text, seconds since 1970."""

    level: int
    module: str
    text: str
    when: float


class Style(NamedTuple):
    """What every line of a process carries: its pid, `log_prefix`, `syslog_name`, one of FORMATS."""

    pid: int
    prefix: str
    name: str
    format: str


def stamp(when: float) -> str:
    """`Nov 22 21:57:08` in local time."""
    return time.strftime("%b %d %H:%M:%S", time.localtime(when))


def shown(entry: Entry, prefix: str) -> str:
    """`prefix:LEVEL:module:function: text`, without the line's end."""
    head = prefix + ":" if prefix else ""
    middle = entry.module + ": " if entry.module else ""
    return head + NAMES[entry.level] + ":" + middle + entry.text.removesuffix("\n")


def json_text(entry: Entry, style: Style) -> str:
    """The line as one JSON object, in the plain or in the Common Event Expression scheme of OpenSIPS."""
    module, _, function = entry.module.partition(":")
    text = entry.text.removesuffix("\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    made: dict[str, object] = {"time": stamp(entry.when)}
    if style.format == "json":
        made |= {"pid": style.pid, "level": NAMES[entry.level]}
        made |= {"module": module, "function": function} if module else {}
        made |= {"prefix": style.prefix} if style.prefix else {}
        return json.dumps(made | {"message": text}, ensure_ascii=False)
    made |= {"proc": {"id": str(style.pid)}, "pri": NAMES[entry.level]}
    native = {"function": function} if module else {}
    native |= {"log_prefix": style.prefix} if style.prefix else {}
    made |= {"subsys": module} if module else {}
    made |= {"native": native} if native else {}
    return json.dumps(made | {"msg": text, "pname": style.name, "hostname": socket.gethostname()}, ensure_ascii=False)


@final
class Stderr:
    """Lines on a descriptor, standard error if nothing else is said."""

    __slots__ = ("fd", "style")

    def __init__(self, style: Style, fd: int = 2) -> None:
        self.style = style
        self.fd = fd

    def write(self, entry: Entry, wait: bool) -> bool:
        """Write one line; False if that would have blocked and `wait` does not allow it, or if nobody reads."""
        if self.style.format == "plain_text":
            line = f"{stamp(entry.when)} [{self.style.pid}] {shown(entry, self.style.prefix)}\n"
        else:
            line = json_text(entry, self.style) + "\n"
        data = line.encode("utf-8", "surrogateescape")
        while data:
            if not wait and not writable(self.fd):
                return False
            try:
                data = data[os.write(self.fd, data[:PIECE]) :]
            except OSError:
                return False
        return True


def writable(fd: int) -> bool:
    """True if PIECE bytes can be written at once."""
    poll = select.poll()
    try:
        poll.register(fd, select.POLLOUT)
        return any(event & select.POLLOUT for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


@final
class Syslog:
    """Datagrams to the system's log. Without one, `missing` is called once and lines are refused."""

    __slots__ = ("facility", "missing", "path", "retry_at", "sock", "style", "told")

    def __init__(self, style: Style, facility: str, missing: Callable[[str], None], path: str = "/dev/log") -> None:
        self.style = style
        self.facility = FACILITIES[facility]
        self.missing = missing
        self.path = path
        self.sock: socket.socket | None = None
        self.retry_at = 0.0
        self.told = False

    def write(self, entry: Entry, wait: bool) -> bool:
        """Send one line; False if it could not be sent. `wait` makes no difference: it never blocks."""
        sock = self.sock if self.sock is not None else self.connected(entry.when)
        if sock is None:
            return False
        priority = self.facility * 8 + SEVERITIES[entry.level]
        if self.style.format == "plain_text":
            text = shown(entry, self.style.prefix)
        else:
            text = ("@cee: " if self.style.format == "json_cee" else "") + json_text(entry, self.style)
        line = f"<{priority}>{stamp(entry.when)} {self.style.name}[{self.style.pid}]: {text}"
        try:
            sock.send(line.encode("utf-8", "surrogateescape"))
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Give the socket back; the next line asks for a new one."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def connected(self, now: float) -> socket.socket | None:
        """The socket to the system's log, tried anew every few seconds (the log's own process may be restarted)."""
        if now < self.retry_at:
            return None
        self.retry_at = now + RETRY_SECONDS
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(self.path)
        except OSError as error:
            sock.close()
            if not self.told:
                self.told = True
                self.missing(f"no system log at {self.path} ({error.strerror}): standard error is used instead")
            return None
        self.sock = sock
        return sock
