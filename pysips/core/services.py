"""What the lower floors need from outside: send, resolve, time, timers, shared tables, threads.

`runtime` fills these in for production and `pysips/testing` for tests; nothing here knows a socket or a process.
They are base classes and not Protocols, since the compiled build calls them once for each message
(a virtual call costs 2 ns there, a Protocol 21).

A run of the script awaits only a `Promise`: it costs no task, and whoever completes it lets the run go on at once.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from pysips.errors import PysipsError, SipError
from pysips.sip.via import bracketed

from .flags import FlagNames
from .status_reports import StatusReports

UDP: Final = "udp"
RELIABLE: Final = frozenset(("tcp", "tls", "ws", "wss"))
DEFAULT_PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061, "sips": 5061, "ws": 80, "wss": 443}

SENT: Final = 1
PENDING: Final = 0
FAILED: Final = -1


class NotReady(PysipsError):
    """Something from outside was asked for before the process had it."""


class TablesFull(SipError):
    """The shared tables have no room left: 500 to whoever asked."""

    def __init__(self) -> None:
        super().__init__(500, "Server Internal Error")


@final
class Socket:
    """A SIP socket we listen on, as the script named it.

    host: numeric, IPv6 without brackets; port: 1–65535; name: "udp:10.0.0.1:5060"; sent_by: the advertised
    "host:port" as it stands in Via and Record-Route; via: "Via: SIP/2.0/UDP host:port;branch=".
    members: a bond's sockets (see `bond_of`), of which the one that fits the target sends; else none.
    """

    __slots__ = (
        "advertised_host", "advertised_port", "anycast", "family", "host", "index", "members", "name", "port", "proto",
        "sent_by", "tag", "via",
    )  # fmt: skip

    def __init__(
        self, index: int, proto: str, host: str, port: int, advertised_host: str = "", advertised_port: int = 0,
        tag: str = "", anycast: bool = False,
    ) -> None:  # fmt: skip
        self.index: int = index
        self.proto: str = proto
        self.host: str = host
        self.port: int = port
        self.family: int = 6 if ":" in host else 4
        self.advertised_host: str = advertised_host
        self.advertised_port: int = advertised_port
        self.tag: str = tag
        self.anycast: bool = anycast
        self.members: tuple[Socket, ...] = ()
        self.name: str = proto + ":" + bracketed(host) + ":" + str(port)
        self.sent_by: str = bracketed(advertised_host or host) + ":" + str(advertised_port or port)
        self.via: str = "Via: SIP/2.0/" + proto.upper() + " " + self.sent_by + ";branch="


def bond_of(name: str, members: tuple[Socket, ...]) -> Socket:
    """`socket=bond:NAME { … }` of 4.0: a name for several sockets to send from, without a transport or address."""
    made = Socket(-1, "", "", 0)
    made.name = "bond:" + name
    made.members = members
    return made


EXISTING: Final = -1


@final
class Peer:
    """Somebody at the other end: where a message came from, or goes to.

    host: numeric, IPv6 without brackets; socket: ours towards it; connection: the id of the stream connection,
    0 for datagrams or where any connection to that address will do; negative (EXISTING, or an id with a minus): the
    same, but none is opened for it.
    """

    __slots__ = ("connection", "host", "port", "proto", "socket")

    def __init__(self, proto: str, host: str, port: int, socket: Socket, connection: int = 0) -> None:
        self.proto: str = proto
        self.host: str = host
        self.port: int = port
        self.socket: Socket = socket
        self.connection: int = connection

    def __repr__(self) -> str:
        return self.proto + ":" + bracketed(self.host) + ":" + str(self.port)


@final
class Target:
    """Where a name led: transport, numeric host (IPv6 without brackets), port."""

    __slots__ = ("host", "port", "proto")

    def __init__(self, proto: str, host: str, port: int) -> None:
        self.proto: str = proto
        self.host: str = host
        self.port: int = port


class Promise:
    """A value that somebody will bring. Await it in a run, or hand `when_done` a callback; completed once."""

    __slots__ = ("callbacks", "done", "failure", "value")

    def __init__(self) -> None:
        self.done: bool = False
        self.value: Any = None
        self.failure: BaseException | None = None
        self.callbacks: list[Callable[[], object]] = []

    def complete(self, value: Any = None) -> None:
        """Bring the value; later calls change nothing."""
        if not self.done:
            self.value = value
            self.finish()

    def fail(self, failure: BaseException) -> None:
        """Bring a failure: whoever awaits gets it raised."""
        if not self.done:
            self.failure = failure
            self.finish()

    def finish(self) -> None:
        self.done = True
        waiting, self.callbacks = self.callbacks, []
        for callback in waiting:
            callback()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call back when it is done; at once if it is."""
        if self.done:
            callback()
        else:
            self.callbacks.append(callback)

    def __await__(self) -> Generator["Promise", None, Any]:
        if not self.done:
            yield self
        if self.failure is not None:
            raise self.failure
        return self.value


@mypyc_attr(allow_interpreted_subclasses=True)
class Watcher:
    """Whoever wants to know that bytes handed to `Network.send` did not go out after all."""

    def send_failed(self) -> None:
        """The connection could not be made, or broke, or the peer said that nobody listens."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver:
    """The way in: what the transports call. `core/receive.py` is the one in production."""

    def receive(self, data: bytes, peer: Peer) -> None:
        """A message from a socket of this process; it may be a sibling's to handle."""

    def handed(self, data: bytes, peer: Peer) -> None:
        """A message that a sibling received, and that is ours."""

    def unreachable(self, proto: str, host: str, port: int) -> None:
        """The network says that nobody listens there (ICMP)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Network:
    """The way out."""

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None = None) -> int:
        """Send one message from `peer.socket`: SENT, FAILED, or PENDING (the watcher hears if it fails)."""
        raise NotReady("no network yet")

    def own_address(self, host: str) -> str:
        """Which address of this machine the kernel would send from to a numeric host; "" where no route leads."""
        return ""

    def pass_on(self, slot: int, data: bytes, peer: Peer) -> None:
        """Hand bytes that came from `peer` to the worker that owns their call (house rule 9.2)."""
        raise NotReady("no siblings yet")

    def close(self, connection: int) -> bool:
        """Close a stream connection; False if there is none of that id."""
        return False

    def keep(self, connection: int, seconds: int) -> None:
        """Keep a stream connection for so long, even if nothing comes or goes over it (`tcp_persistent_flag`)."""

    def connection_to(self, proto: str, host: str, port: int) -> int:
        """The id of a stream connection to a peer's address, or to an alias of it; 0 if there is none."""
        return 0

    def own_connection(self, proto: str, host: str, port: int) -> int:
        """The same, but of this very process: 0 for a sibling's."""
        return 0

    def alias(self, connection: int, port: int) -> bool:
        """Let messages to this port of a stream connection's peer go over it; False if there is no such connection."""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class Resolver:
    """Names to addresses (RFC 3263)."""

    def known(self, host: str, port: int, proto: str) -> list[Target] | None:
        """The targets of a numeric or lately asked name; None if one has to ask.

        host: without brackets; port: 0 if the URI names none; proto: "" if the URI names none, "sips" if it is a SIPS
        URI that names none.
        """
        raise NotReady("no resolver yet")

    def ask(self, host: str, port: int, proto: str) -> Promise:
        """Ask; the promise brings list[Target], best first, empty if the name leads nowhere."""
        raise NotReady("no resolver yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Blacklists:
    """Targets that nothing is sent to; `core/blacklists.py` has them. active: whether there is any list."""

    def __init__(self) -> None:
        self.active: bool = False

    def blocks(self, chosen: int | None, target: Target, data: bytes) -> bool:
        """Whether a message must not go there. chosen: the lists that apply, None for those that always do."""
        return False

    def remember(self, proto: str, host: str, port: int) -> None:
        """A target could not be reached, or did not answer, or says that it cannot serve now."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock:
    """Time."""

    def now(self) -> float:
        """Seconds that only grow; for timers."""
        raise NotReady("no clock yet")

    def time(self) -> float:
        """Unix seconds; for people and for expiry in shared tables."""
        raise NotReady("no clock yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Timer:
    """Something to be done later. Cancel it with `timer.due = 0`; one timer stands in the wheel once at most.

    due: the tick when it fires, 0 if it does not; at: the wheel's own, the tick whose bucket holds it.
    """

    __slots__ = ("at", "due")

    def __init__(self) -> None:
        self.due: int = 0
        self.at: int = 0

    def fire(self) -> None:
        """The time has come."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Timers:
    """The wheel of a worker; its ticks are 50 ms."""

    def add(self, timer: Timer, seconds: float) -> None:
        """Fire once in so many seconds (at least one tick); adding it again moves it."""
        raise NotReady("no timers yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Transaction:
    """A write transaction of the shared tables. Nothing may wait inside."""

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        raise NotReady("no tables yet")

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        raise NotReady("no tables yet")

    def delete(self, kind: bytes, key: bytes) -> bool:
        raise NotReady("no tables yet")

    def number(self) -> int:
        """Its place in the order of commits: larger than that of any transaction before it."""
        raise NotReady("no tables yet")

    def commit(self) -> None:
        """Make it true; raises TablesFull."""
        raise NotReady("no tables yet")

    def abort(self) -> None:
        raise NotReady("no tables yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Tables:
    """Tables that all processes share. kind: one byte for each sort of record; key: any length (long ones: hashed)."""

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        raise NotReady("no tables yet")

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        """One record in a transaction of its own; raises TablesFull."""
        raise NotReady("no tables yet")

    def delete(self, kind: bytes, key: bytes) -> bool:
        raise NotReady("no tables yet")

    def begin(self) -> Transaction:
        """Begin to write; end it with `commit` or `abort`, soon."""
        raise NotReady("no tables yet")

    def scan(self, kind: bytes, after: bytes = b"", most: int = 500) -> list[tuple[bytes, bytes]]:
        """At most `most` records of a kind in key order, those after key `after`; ask again from the last one."""
        raise NotReady("no tables yet")

    def count(self, kind: bytes) -> int:
        raise NotReady("no tables yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Offload:
    """Blocking work, in threads."""

    def run(self, work: Callable[..., Any], *arguments: Any) -> Promise:
        """Call it in a thread; the promise brings its result or failure."""
        raise NotReady("no threads yet")

    def spawn(self, work: Awaitable[Any]) -> Promise:
        """Run a coroutine of some asyncio library as a task; the promise brings its result or failure."""
        raise NotReady("no loop yet")


@mypyc_attr(allow_interpreted_subclasses=True)
class Owners:
    """Which worker owns a call (house rule 9.2). This one is for a single worker."""

    def call_slot(self, call_id: str) -> int:
        """By a Call-ID."""
        return 0

    def owner_of(self, data: bytes) -> int:
        """By a whole message; -1 if no Call-ID is found in it."""
        return 0


@mypyc_attr(allow_interpreted_subclasses=True)
class Management:
    """Management commands (MI), for the modules that carry them."""

    def answer(self, text: str, paged: bool = False) -> Promise:
        """A JSON-RPC request; the promise brings the answer's text, "" where none is due.

        paged: what is too long to be held whole may also come as `core.paged.Paged`.
        """
        raise NotReady("no management yet")

    def call(self, method: str, words: list[str]) -> Promise:
        """A command with its arguments as text, as 2.4's clients send them; the promise brings Json, or MiError."""
        raise NotReady("no management yet")

    def ask_attendant(self, method: str, values: dict[str, Any]) -> Promise:
        """A command, with its arguments by name, done in the attendant; the promise brings Json, or MiError."""
        raise NotReady("no management yet")


class Services:
    """All of the above in one place, one for each process. Made before the fork, filled in after it.

    slot, slots: which worker this is (-1: the attendant), and how many there are; call_slot: the worker that owns
    a Call-ID; lives: how many processes sat in this seat so far (2 and more: whoever sat here before has died);
    reloading: another script is being checked for a server that runs;
    by_route: whether the kernel's routes say which socket sends (`mhomed`); no_new_request, no_new_reply: the branch
    and message flags with which no stream connection is opened for a request, or for its reply.
    """

    def __init__(self) -> None:
        self.network: Network = Network()
        self.resolver: Resolver = Resolver()
        self.blacklists: Blacklists = Blacklists()
        self.clock: Clock = Clock()
        self.timers: Timers = Timers()
        self.tables: Tables = Tables()
        self.offload: Offload = Offload()
        self.owners: Owners = Owners()
        self.management: Management = Management()
        self.status_reports: StatusReports = StatusReports(self)
        self.sockets: list[Socket] = []
        self.bonds: dict[str, Socket] = {}
        self.message_flags: FlagNames = FlagNames("message")
        self.branch_flags: FlagNames = FlagNames("branch")
        self.by_route: bool = False
        self.no_new_request: int = 0
        self.no_new_reply: int = 0
        self.slot: int = 0
        self.slots: int = 1
        self.lives: int = 1
        self.reloading: bool = False

    def call_slot(self, call_id: str) -> int:
        """The slot of the worker that owns a call (house rule 9.2)."""
        return self.owners.call_slot(call_id)

    def owner_of(self, data: bytes) -> int:
        """The slot that owns the message in these bytes, by its Call-ID; -1 if none is found."""
        return self.owners.owner_of(data)
