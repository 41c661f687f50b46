"""Core functions and management commands on blacklists (OpenSIPS manual: core functions; MI: blacklists)."""

from typing import Annotated, NewType

from .blacklists import ALL, Blacklist, Refused, Rule, ScriptBlacklists, made_rule, proto_of, rule_of
from .context import Context
from .exports import By, Json, MiError, Module, function, mi
from .forward import CHOSEN
from .log import log

Lists = NewType("Lists", int)
Listed = Annotated[Lists, By("lists_named")]
One = Annotated[Blacklist, By("list_named")]
MOST_SECONDS = 2**31 - 1

CHECKED = ("ip",), ("proto", "ip"), ("proto", "ip", "port"), ("proto", "ip", "port", "pattern")


class BlacklistFunctions(Module):
    """Part of the core module; see functions.py."""

    def blacklists(self) -> ScriptBlacklists:
        found = self.services.blacklists
        assert isinstance(found, ScriptBlacklists)
        return found

    def lists_named(self, name: str) -> Lists:
        """A list, or "all"; raises ValueError for one that there is not."""
        return Lists(self.blacklists().bit(name))

    def list_named(self, name: str) -> Blacklist:
        """A list; raises ValueError for one that there is not."""
        found = self.blacklists().lists.get(name)
        if found is None:
            raise ValueError(f'there is no blacklist "{name}"')
        return found

    def chosen(self, ctx: Context) -> int:
        """The lists that apply to a message."""
        noted: int | None = ctx.noted(CHOSEN)
        return self.blacklists().default if noted is None else noted

    @function("use_blacklist")
    def use_blacklist(self, ctx: Context, name: Listed) -> int:
        """Send this request to no target of the list ("all": of any list); t_relay() answers 473 where none is left."""
        ctx.note(CHOSEN, self.chosen(ctx) | name)
        return 1

    @function("unuse_blacklist")
    def unuse_blacklist(self, ctx: Context, name: Listed) -> int:
        """Let this list, or "all", not apply to this request."""
        ctx.note(CHOSEN, self.chosen(ctx) & ~name)
        return 1

    @function("check_blacklist_rule")
    def check_blacklist_rule(
        self, ctx: Context, name: Listed, ip: str, port: int = 0, proto: str = "", pattern: str = ""
    ) -> int:
        """True if a target is in the list; "all": in any that applies to this message. pattern: the text to match."""
        lists = self.blacklists()
        wanted = self.chosen(ctx) if name == ALL else name
        try:
            known = proto_of(proto)
        except ValueError as problem:
            log.error("core:check_blacklist_rule", str(problem))
            return -1
        for place, one in enumerate(lists.lists.values()):
            if wanted >> place & 1 and one.meets(known, ip.strip("[]"), port, pattern) is not None:
                return 1
        return -1

    @function("add_blacklist_rule")
    def add_blacklist_rule(
        self, ctx: Context, name: One, net: str, port: int = 0, proto: str = "", pattern: str = "", expire: int = 0
    ) -> int:  # fmt: skip
        """Add a rule to a list, for so many seconds (0: for good); `!` before the network: all but that."""
        rule = self.rule("add_blacklist_rule", net, port, proto, pattern)
        if rule is None or not 0 <= expire <= MOST_SECONDS:
            return -1
        try:
            name.add(rule, expire)
        except Refused as problem:
            log.error("core:add_blacklist_rule", f"{name.name}: {problem}")
            return -1
        return 1

    @function("del_blacklist_rule")
    def del_blacklist_rule(
        self, ctx: Context, name: One, net: str, port: int = 0, proto: str = "", pattern: str = ""
    ) -> int:
        """Take a rule out of a list; -1 if it is not there."""
        rule = self.rule("del_blacklist_rule", net, port, proto, pattern)
        try:
            return 1 if rule is not None and name.remove(rule) else -1
        except Refused as problem:
            log.error("core:del_blacklist_rule", f"{name.name}: {problem}")
            return -1

    def rule(self, who: str, net: str, port: int, proto: str, pattern: str) -> Rule | None:
        """A rule of a script's arguments; None, and a line in the log, for one that cannot be."""
        try:
            return made_rule(net.strip().removeprefix("!"), proto, port, pattern, net.strip().startswith("!"))
        except ValueError as problem:
            log.error(f"core:{who}", f"refused: {problem}")
            return None

    # -- management

    @mi("list_blacklists", full="blacklists:list")
    def list_blacklists(self, name: str = "") -> Json:
        """All lists with their rules, or one."""
        lists = self.blacklists()
        if not name:
            return {"Lists": [self.shown(one) for one in lists.lists.values()]}
        if name not in lists.lists:
            raise MiError(404, "Unknown name")
        return self.shown(lists.lists[name])

    @mi("check_blacklists", full="blacklists:check_all", recipes=CHECKED)
    def check_blacklists(self, ip: str, proto: str = "", port: int = 0, pattern: str = "") -> Json:
        """The names of all lists that a target is in."""
        lists = self.blacklists().lists.values()
        return [one.name for one in lists if self.meets(one, ip, proto, port, pattern) is not None]

    @mi("check_blacklist", full="blacklists:check", recipes=[("name", *one) for one in CHECKED])
    def check_blacklist(self, name: str, ip: str, proto: str = "", port: int = 0, pattern: str = "") -> Json:
        """The rule of a list that a target meets."""
        found = self.meets(self.mi_list(name), ip, proto, port, pattern)
        if found is None:
            raise MiError(404, "Not Matched")
        return self.shown_rule(found)

    @mi("add_blacklist_rule", full="blacklists:add_rule")
    def mi_add_rule(self, name: str, rule: str, expire: int | None = None) -> Json:
        """Add `[!][proto,]network[,port[,pattern]]` to a list, for so many seconds or for good."""
        if expire is not None and not 0 < expire <= MOST_SECONDS:
            raise MiError(404, "Bad expire value")
        try:
            self.mi_list(name).add(self.mi_rule(rule), expire or 0)
        except Refused as problem:
            raise MiError(problem.code, str(problem)) from None
        return "OK"

    @mi("del_blacklist_rule", full="blacklists:del_rule")
    def mi_del_rule(self, name: str, rule: str) -> Json:
        """Take a rule out of a list."""
        try:
            found = self.mi_list(name).remove(self.mi_rule(rule))
        except Refused as problem:
            raise MiError(problem.code, str(problem)) from None
        if not found:
            raise MiError(404, "Rule not found")
        return "OK"

    def mi_list(self, name: str) -> Blacklist:
        found = self.blacklists().lists.get(name)
        if found is None:
            raise MiError(400, "Missing or bad blacklist name")
        return found

    def mi_rule(self, text: str) -> Rule:
        try:
            return rule_of(text)
        except ValueError:
            raise MiError(404, "Bad rule") from None

    def meets(self, one: Blacklist, ip: str, proto: str, port: int, pattern: str) -> Rule | None:
        try:
            made_rule(ip, "", 0, "", False)
        except ValueError:
            raise MiError(400, "Missing or bad IP") from None
        try:
            return one.meets(proto_of(proto), ip.strip("[]"), port, pattern)
        except ValueError:
            raise MiError(404, "Bad params") from None

    def shown(self, one: Blacklist) -> Json:
        """A list under OpenSIPS' keys."""
        rules = [self.shown_rule(rule) for rule in one.current()]
        return {"name": one.name, "owner": one.owner, "flags": sorted(one.flags, reverse=True), "Rules": rules}

    def shown_rule(self, rule: Rule) -> Json:
        found: dict[str, Json] = {
            "flags": int(rule.inverted), "IP": str(rule.network.network_address), "Mask": str(rule.network.netmask),
            "Proto": rule.proto or "any", "Port": rule.port,
        }  # fmt: skip
        if rule.pattern:
            found["Match"] = rule.pattern
        if rule.ends:
            found["Expire"] = max(int(rule.ends - self.services.clock.time()), 0)
        return found
