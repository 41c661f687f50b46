"""One message on its way through the script.

Facts:
- `message` is what came and never changes; `edits` is what the script wants changed when it is sent
  (OpenSIPS calls that lumps); `uri`, `dst`, `path` … are branch 0 of the branch set.
- `uri` is "" while the Request-URI is the one that came, so the common case writes nothing.
- AVPs are lists whose last element is the newest; a transaction and all runs of it share one dict.
- A run that waits has its own `vars`, see `core/waiting.py`.
"""

from typing import TYPE_CHECKING, Any, Final, final

from mypy_extensions import mypyc_attr

from pysips.script.values import Value
from pysips.sip.edits import Edits
from pysips.sip.message import Message

from .branches import Branch
from .services import Peer, Services, Socket

if TYPE_CHECKING:
    from .program import Program

# Kinds of a run, as `script.catalogue.Route` numbers them.
REQUEST: Final = 1
FAILURE: Final = 2
REPLY: Final = 4
BRANCH: Final = 8
ERROR: Final = 16
LOCAL: Final = 32
STARTUP: Final = 64
TIMER: Final = 128
EVENT: Final = 256

# Classes and levels of errors, as `$err.class` and `$err.level` give them.
PARSER: Final = 1
ASSERTION: Final = 4
SERIOUS: Final = 1
MEDIUM: Final = 3

# What `ctx.via_flags` may hold (OpenSIPS: set_via_handling).
FORCE_RPORT: Final = 1
ADD_LOCAL_RPORT: Final = 2
TCP_ALIAS: Final = 4
REPLY_TO_VIA: Final = 8


@mypyc_attr(allow_interpreted_subclasses=True)
class Ending:
    """Something to do when the request's script has ended (a transaction that nobody answered, accounting …)."""

    def script_ended(self, ctx: "Context") -> None:
        """The top route returned."""


@final
class ErrorInfo:
    """What `$err.*` reads: class (1 parser, 4 assert), level, text, proposed reply."""

    __slots__ = ("code", "info", "kind", "level", "reason")

    def __init__(self, kind: int, level: int, info: str, code: int, reason: str) -> None:
        self.kind: int = kind
        self.level: int = level
        self.info: str = info
        self.code: int = code
        self.reason: str = reason


@final
class Context:
    """See the file's head. `source` is the peer that sent `message`; `socket` the one it came in by."""

    __slots__ = (
        "advertised_host", "advertised_port", "at_end", "attributes", "avps", "bflags", "branch_index", "branches",
        "depth", "dropped", "dst", "edits", "err", "extra", "flags", "frames", "groups", "kind", "message",
        "params", "path", "program", "q", "rc", "reply_body", "reply_headers", "request", "returned", "send_socket",
        "services", "source",
        "to_tag", "transaction", "uri", "vars", "via_flags",
    )  # fmt: skip

    def __init__(self, services: Services, program: "Program", message: Message, source: Peer, kind: int) -> None:
        self.services: Services = services
        self.program: Program = program
        self.message: Message = message
        self.source: Peer = source
        self.kind: int = kind
        self.edits: Edits = Edits()
        self.uri: str = ""
        self.dst: str = ""
        self.path: str = ""
        self.q: int = -1
        self.bflags: int = 0
        self.send_socket: Socket | None = None
        self.attributes: dict[str, Value] | None = None
        self.branches: list[Branch] = []
        self.groups: list[list[Branch]] = []
        self.branch_index: int = 0
        self.flags: int = 0
        self.avps: dict[str, list[Value]] = {}
        self.vars: dict[str, Value] = program.vars
        self.rc: int = 1
        self.dropped: bool = False
        self.depth: int = 0
        self.params: tuple[Value, ...] | dict[str, Value] = ()
        self.returned: tuple[Value, ...] = ()
        self.frames: list[str] = []
        self.transaction: Any = None  # modules/tm's, set by t_newtran, t_relay, t_check_trans …
        self.request: Context | None = None  # in reply and failure routes: the run of the request, if tm knows it
        self.to_tag: str = ""
        self.reply_headers: str = ""  # lines for replies made here (append_to_reply), each with its CRLF
        self.reply_body: str = ""  # for the same replies (append_body_to_reply)
        self.via_flags: int = 0
        self.advertised_host: str = ""
        self.advertised_port: int = 0
        self.err: ErrorInfo | None = None
        self.extra: dict[str, Any] | None = None
        self.at_end: list[Ending] | None = None

    @property
    def socket(self) -> Socket:
        """Our socket that the message came in by."""
        return self.source.socket

    def request_uri(self) -> str:
        """The current Request-URI."""
        return self.uri or self.message.uri

    def set_uri(self, uri: str) -> None:
        """Rewrite the Request-URI."""
        self.uri = "" if uri == self.message.uri else uri

    def note(self, key: str, value: Any) -> None:
        """Keep something of a module's own with this message; key: "module.what"."""
        if self.extra is None:
            self.extra = {}
        self.extra[key] = value

    def noted(self, key: str) -> Any:
        """What a module kept under this key; None if nothing."""
        return None if self.extra is None else self.extra.get(key)

    def when_ended(self, ending: Ending) -> None:
        """Have `ending.script_ended` called after the top route; the same ending once only."""
        if self.at_end is None:
            self.at_end = [ending]
        elif ending not in self.at_end:
            self.at_end.append(ending)

    def assertion_failed(self, text: str) -> None:
        """The script's assert() was false: said, noted in `err`, and error_route runs."""
        self.program.assertion_failed(self, text)

    def unreadable(self, what: str, reason: str) -> None:
        """Something of the message cannot be read: error_route, if there is one, runs after this statement.

        what: `$err.info`; reason: `$err.rreason`, for a reply 400.
        """
        if self.err is None and self.program.has_error_route:
            self.err = ErrorInfo(PARSER, MEDIUM, what, 400, reason)

    def run_error_route(self) -> int:
        """Run error_route for what `err` holds; 0 if it stopped the script. Not in itself, reply and local routes."""
        return self.program.run_error_route(self)

    def run_async(self, call: Any, resume: Any, timeout: int) -> Any:
        """The script's async(): begin `call`, end this script, run `resume` later with the same transaction."""
        return self.program.hooks.run_async(self, call, resume, timeout)

    def launch(self, call: Any, resume: Any, text: Value) -> int:
        """The script's launch(): begin `call` and go on; `resume` runs later with a message of its own."""
        return self.program.launch(call, resume, text)
