"""Settings, sockets, modules and their parameters out of the nodes."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pysips.errors import Complaint, Place

from . import literals, nodes
from .complaints import did_you_mean
from .globals import GONE, KNOWN, OTHER_NAMES, TYPES_OF_SERVICE, Known, names
from .known import home_of
from .nodes import SettingItem
from .sockets import Alias, BadValue, Bond, SocketWish, parse_aliases, parse_listener, parse_socket


@dataclass(frozen=True, slots=True)
class LoadModule:
    """name: the plain name, "tm" for "tm.so", "tm" or "/usr/lib/opensips/modules/tm.so"; path as it stands."""

    place: Place
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class ModParam:
    """modules: an extended regular expression over the names of the modules loaded so far."""

    place: Place
    modules: str
    name: str
    value: int | str


@dataclass(frozen=True, slots=True)
class BlacklistRule:
    """One rule of a `dst_blacklist`. inverted: `!`; proto "any", port 0 for any."""

    network: str
    inverted: bool = False
    proto: str = "any"
    port: int = 0
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Blacklist:
    """A `dst_blacklist`: flags out of read-only, expire, default."""

    place: Place
    name: str
    flags: tuple[str, ...]
    rules: tuple[BlacklistRule, ...]


@dataclass(slots=True)
class Config:
    """All that a script says outside of its routes.

    globals: every known name with the script's value or its default, numbers as int; None where unset without a
    default. given: where each was set. steps: loadmodule and modparam in the script's order. notes: what was accepted
    and has no effect, or has a newer name.
    """

    file: str
    globals: dict[str, int | str | None] = field(default_factory=dict)
    given: dict[str, Place] = field(default_factory=dict)
    sockets: list[SocketWish] = field(default_factory=list)
    bonds: list[Bond] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    module_paths: list[str] = field(default_factory=list)
    steps: list[LoadModule | ModParam] = field(default_factory=list)
    blacklists: list[Blacklist] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    notes: list[Complaint] = field(default_factory=list)

    def note(self, remark: Complaint) -> None:
        """Keep a remark, once: at the first place that it is true of."""
        if all((one.message, one.cure) != (remark.message, remark.cure) for one in self.notes):
            self.notes.append(remark)


def read(script: nodes.Script, complaints: list[Complaint]) -> Config:
    """Read a script's settings; what is wrong with them is added to `complaints`."""
    return Reader(script, complaints).read()


def plain_name(path: str) -> str:
    """A module's name: "tm" of "tm.so", "tm/tm.so" and "tm"."""
    return path.rstrip("/").rpartition("/")[2].removesuffix(".so")


class Reader:
    """One pass over the items."""

    def __init__(self, script: nodes.Script, complaints: list[Complaint]) -> None:
        self.script = script
        self.complaints = complaints
        self.config = Config(script.file, {name: known.default for name, known in KNOWN.items()})
        self.special: dict[str, Callable[[nodes.Setting], None]] = {
            "socket": self.socket, "listen": self.socket, "alias": self.alias, "mpath": self.mpath,
            "dst_blacklist": self.blacklist, "auto_scaling_profile": self.profile, "log_stderror": self.log_stderror,
        }  # fmt: skip

    def read(self) -> Config:
        for item in self.script.items:
            if isinstance(item, nodes.Setting):
                try:
                    self.setting(item)
                except BadValue as problem:
                    self.complain(problem.place or item.place, str(problem), problem.cure)
            elif isinstance(item, nodes.LoadModule):
                self.config.steps.append(LoadModule(item.place, plain_name(item.path), item.path))
            elif isinstance(item, nodes.ModParam):
                self.config.steps.append(ModParam(item.place, item.module, item.name, item.value))
        if self.config.globals["debug_mode"]:
            self.config.globals["log_level"] = 4
        return self.config

    def complain(self, place: Place, message: str, cure: str = "") -> None:
        self.complaints.append(self.script.complaint(place, message, cure))

    def note(self, place: Place, message: str, cure: str = "") -> None:
        self.config.note(self.script.complaint(place, message, cure))

    # -- plain globals

    def setting(self, item: nodes.Setting) -> None:
        special = self.special.get(item.name)
        if special is not None:
            special(item)
            return
        name = OTHER_NAMES.get(item.name, item.name)
        known = KNOWN.get(name)
        if known is None:
            self.unknown(item)
            return
        if name != item.name:
            self.note(item.place, f"{item.name} is an old name", f"{name} is the new one")
        if known.ignored:
            self.note(item.place, f"{item.name} has no meaning here: {known.ignored}")
        if item.block is not None:
            raise BadValue(f"{item.name} takes no block")
        self.config.globals[name] = self.value(item, known)
        self.config.given[name] = item.place

    def unknown(self, item: nodes.Setting) -> None:
        """A name that is no global."""
        cure = GONE.get(item.name) or did_you_mean(item.name, names())
        home = home_of("global", item.name)
        if not cure and home is not None:
            cure = f"known to OpenSIPS {' '.join(home.versions)}, not in PySIPS yet"
        self.complain(item.place, f"unknown config variable {item.name}", cure)

    def value(self, item: nodes.Setting, known: Known) -> int | str:
        """The typed value. Raises BadValue."""
        first, rest = item.items[0], item.items[1:]
        scaled = known.kind == "number" and len(rest) == 2 and rest[0].text.lower() == "use_auto_scaling_profile"
        if rest and not scaled:
            if known.kind == "text" and all(one.quoted for one in item.items):
                return "".join(one.text for one in item.items)
            raise BadValue(f"{item.name} takes one value", place=rest[0].place)
        if known.kind in ("number", "tos"):
            value = literals.number(first.text)
            if known.kind == "tos":
                value = TYPES_OF_SERVICE.get(first.text, value)
            if value is None:
                raise BadValue(f"{item.name} takes a number, not {first.text!r}", place=first.place)
            if not known.low <= value <= known.high:
                raise BadValue(f"{item.name} is from {known.low} to {known.high}, not {value}", place=first.place)
            return value
        if known.kind == "choice" and first.text not in known.choices:
            cure = did_you_mean(first.text, known.choices) or f"one of {', '.join(known.choices)}"
            raise BadValue(f"{item.name} does not take {first.text!r}", cure, first.place)
        return first.text

    def log_stderror(self, item: nodes.Setting) -> None:
        """2.4's switch between standard error and syslog."""
        value = self.value(item, KNOWN["stderror_enabled"])
        self.note(item.place, "log_stderror is an old name", "stderror_enabled and syslog_enabled are the new ones")
        self.config.globals["stderror_enabled"] = int(value)
        self.config.globals["syslog_enabled"] = 1 - int(value)
        self.config.given["stderror_enabled"] = self.config.given["syslog_enabled"] = item.place

    # -- sockets and names

    def socket(self, item: nodes.Setting) -> None:
        first = item.items[0]
        if first.text.lower().startswith("bond:") or item.block is not None:
            members = tuple(one.text for rule in item.block or () for one in rule if one.text != ",")
            if not members:
                raise BadValue("a bond needs members", 'socket=bond:NAME { "udp:1.2.3.4:5060", … }')
            for member in members:
                parse_listener(member, first.place)
            self.config.bonds.append(Bond(item.place, first.text.partition(":")[2], members))
            return
        if item.name == "listen":
            self.note(item.place, "listen is an old name", "socket is the new one")
        self.config.sockets.append(parse_socket(item.place, item.items))

    def alias(self, item: nodes.Setting) -> None:
        self.config.aliases += parse_aliases(item.place, item.items)

    def mpath(self, item: nodes.Setting) -> None:
        """`"a/"`, or 4.0's `"a/":"b/"`."""
        paths = [part for one in item.items for part in one.text.split(":") if part]
        self.config.module_paths += paths

    def profile(self, item: nodes.Setting) -> None:
        self.config.profiles.append(item.items[0].text)
        self.note(item.place, "auto_scaling_profile has no meaning here: the number of workers is fixed")

    # -- blacklists

    def blacklist(self, item: nodes.Setting) -> None:
        """`NAME[/flag,flag]: { rule, … }`."""
        head = "".join(one.text for one in item.items)
        name, _, flags = head.removesuffix(":").strip().partition("/")
        if not name or not head.endswith(":"):
            raise BadValue('a blacklist reads dst_blacklist = NAME: { ( proto, network, port, "pattern" ), … }')
        known = {"read-only": "read-only", "readonly": "read-only", "expire": "expire", "default": "default"}
        chosen = tuple(flags.split(",")) if flags else ()
        for flag in chosen:
            if flag not in known:
                raise BadValue(f"unknown blacklist flag {flag!r}", f"one of {', '.join(known)}")
        rules: list[BlacklistRule] = []
        inverted = False
        for part in item.block or ():
            words = [one for one in part if one.text != ","]
            if len(words) == 1 and words[0].text == "!":
                inverted = True
            elif words:
                rules.append(self.rule(words, inverted))
                inverted = False
        self.config.blacklists.append(Blacklist(item.place, name, tuple(known[flag] for flag in chosen), tuple(rules)))

    def rule(self, words: Sequence[SettingItem], inverted: bool) -> BlacklistRule:
        """`(proto, net, port, "pattern")`, `(proto, net[, port])`, `(net[, port])` or a bare net. Raises BadValue."""
        texts = [one.text for one in words]
        inverted = inverted or texts[0].startswith("!")
        texts[0] = texts[0].removeprefix("!")
        pattern = texts.pop() if words[-1].quoted and len(texts) > 1 else ""
        proto = "any" if network(texts[0]) else texts.pop(0)
        if not texts or not network(texts[0]) or len(texts) > 2:
            cure = 'it reads ( proto, network, port, "pattern" )'
            raise BadValue("not a rule of a blacklist", cure, words[0].place)
        port = 0
        if len(texts) == 2 and texts[1] != "any":
            value = literals.number(texts[1])
            if value is None or not 0 <= value <= 65535:
                raise BadValue(f"{texts[1]!r} is no port", place=words[-1].place)
            port = value
        return BlacklistRule(texts[0], inverted, proto, port, pattern)


def network(text: str) -> bool:
    """Whether a text is an address or network."""
    address, slash, mask = text.partition("/")
    try:
        ipaddress.ip_network(f"{address.strip('[]')}{slash}{mask}", strict=False)
    except ValueError:
        return False
    return True
