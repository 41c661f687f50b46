"""A registrar without a server: the modules in a registry, tables in memory, replies in a list."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import pytest

from pysips.core.context import REPLY, REQUEST, Context
from pysips.core.events import Events
from pysips.core.exports import Module, Var
from pysips.core.program import Program
from pysips.core.registry import Registry
from pysips.core.services import Clock, Network, Peer, Resolver, Services, Socket, Target
from pysips.core.stats import Statistics
from pysips.errors import ModuleError
from pysips.script.values import Value
from pysips.sip.message import read
from pysips.testing.tables import MemoryTable

NOW = 1_700_000_000


class StoppedClock(Clock):
    def __init__(self) -> None:
        self.at = float(NOW)

    def now(self) -> float:
        return self.at - NOW

    def time(self) -> float:
        return self.at


class Connections(Network):
    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []

    def keep(self, connection: int, seconds: int) -> None:
        self.kept.append((connection, seconds))


class Hosts(Resolver):
    """Knows numeric addresses, and the names it was told."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def known(self, host: str, port: int, proto: str) -> list[Target] | None:
        return [Target(proto or "udp", self.names.get(host, host), port)]


class Replies(Module):
    """Stands for `signaling`."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, list[str]]] = []
        self.answer = 1
        self.answers = self

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        self.sent.append((code, reason, headers.splitlines()))
        return self.answer


class FakeProgram:
    def __init__(self, statistics: Statistics) -> None:
        self.vars: dict[str, Value] = {}
        self.statistics = statistics
        self.events = Events()


class Rig:
    """The modules, and what a script would do with them."""

    def __init__(self, *params: tuple[str, str, int | str]) -> None:
        self.services = Services()
        self.services.tables = self.tables = MemoryTable()
        self.services.clock = self.clock = StoppedClock()
        self.services.network = self.network = Connections()
        self.services.resolver = self.hosts = Hosts()
        self.socket = Socket(0, "udp", "10.0.0.1", 5060)
        self.other = Socket(1, "tcp", "10.0.0.1", 5070, "sip.example.com", 5071)
        self.services.sockets += [self.socket, self.other]
        statistics = Statistics()
        self.registry = Registry(self.services, statistics)
        self.program = cast(Program, FakeProgram(statistics))
        self.replies = Replies()
        self.registry.add("signaling", self.replies)
        self.usrloc = self.registry.load("usrloc")
        self.registrar = self.registry.load("registrar")
        for module, name, value in params:
            self.registry.set_param(module, name, value)
        assert self.registry.tie() == []
        self.registry.functions["save"].parameters[0].convert("location")  # type: ignore[misc]
        problems = self.registry.configure(self.program)
        if problems:
            raise ModuleError("; ".join(problems))

    def request(self, text: str, source: Peer | None = None, kind: int = REQUEST) -> Context:
        """A context for a message; its head lines are those of the text."""
        data = "\r\n".join(text.split("\n")) + "\r\n\r\n"
        message = read(data.encode("utf-8", "surrogateescape"))
        return Context(
            self.services, self.program, message, source or Peer("udp", "192.0.2.7", 40000, self.socket), kind
        )

    def register(self, *lines: str, aor: str = "sip:alice@example.com", source: Peer | None = None) -> Context:
        """A REGISTER with those lines; Call-ID and CSeq are added if they are missing."""
        head = ["REGISTER sip:example.com SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.7:40000;branch=z9hG4bK1",
                f"From: <{aor}>;tag=1", f"To: <{aor}>"]  # fmt: skip
        names = [line.partition(":")[0] for line in lines]
        more = [line for line in ("Call-ID: c1", "CSeq: 1 REGISTER") if line.partition(":")[0] not in names]
        return self.request("\n".join([*head, *more, *lines]), source)

    def invite(self, uri: str = "sip:alice@example.com", method: str = "INVITE", *lines: str) -> Context:
        """A request to somebody, from sip:bob@example.com."""
        via = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2"
        people = ["From: <sip:bob@example.com>;tag=2", "To: <sip:alice@example.com>"]
        return self.request(
            "\n".join([f"{method} {uri} SIP/2.0", via, *people, "Call-ID: c2", f"CSeq: 1 {method}", *lines])
        )

    def reply(self, *lines: str) -> Context:
        """The 200 of another registrar to a REGISTER."""
        via = "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK3"
        people = ["From: <sip:alice@example.com>;tag=1", "To: <sip:alice@example.com>;tag=2"]
        text = "\n".join(["SIP/2.0 200 OK", via, *people, "Call-ID: c1", "CSeq: 1 REGISTER", *lines])
        return self.request(text, kind=REPLY)

    def call(self, name: str, ctx: Context, *arguments: Any) -> Any:
        """A script function with its arguments as the script writes them; None leaves one out."""
        spec = self.registry.functions[name]
        given = [
            value if value is None or one.convert is None else one.convert(value)
            for one, value in zip(spec.parameters, arguments, strict=False)
        ]
        given = [one.default if value is None else value for one, value in zip(spec.parameters, given, strict=False)]
        return spec.call(ctx, *given)

    def save(self, *lines: str, flags: str | None = None, aor: str = "sip:alice@example.com") -> int:
        """save("location", flags) for a REGISTER with those lines."""
        result: int = self.call("save", self.register(*lines, aor=aor), "location", flags)
        return result

    def listed(self) -> str:
        """The Contact header of the last reply, "" without one."""
        lines = self.replies.sent[-1][2]
        return next((line[9:] for line in lines if line.startswith("Contact: ")), "")

    def error(self) -> str:
        """Status and P-Registrar-Error of the last reply."""
        code, _, lines = self.replies.sent[-1]
        return str(code) + " " + next((line[19:] for line in lines if line.startswith("P-Registrar-Error: ")), "")

    def mi(self, name: str, **arguments: Any) -> Any:
        """A management command."""
        answer = next(spec for spec in self.registry.mi_commands() if spec.name == name).call(**arguments)
        if not inspect.iscoroutine(answer):
            return answer
        with pytest.raises(StopIteration) as ended:  # it waits for nobody where there is no database
            answer.send(None)
        return ended.value.value

    def shown(self, aor: str = "alice@example.com") -> list[dict[str, Any]]:
        """The contacts of an AoR as ul_show_contact shows them."""
        contacts: list[dict[str, Any]] = self.mi("ul_show_contact", table_name="location", aor=aor)["Contacts"]
        return contacts

    def statistic(self, name: str) -> int:
        return sum(one.value() for one in self.program.statistics.select(name))


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def make() -> Callable[..., Rig]:
    """A rig with parameters: make(("registrar", "max_contacts", 2))."""
    return Rig


def avp(name: str) -> Var:
    """`$avp(name)` as a function gets it."""
    return Var(f"$avp({name})", lambda ctx: (ctx.avps.get(name) or [None])[-1], None)
