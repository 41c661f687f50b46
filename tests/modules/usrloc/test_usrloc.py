"""The module: its commands, events, statistics and key-value stores."""

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from pysips.core.events import Events
from pysips.core.exports import MiError, Var
from pysips.core.paged import Paged
from pysips.core.program import Program
from pysips.core.registry import Registry
from pysips.core.services import Services, Socket
from pysips.core.stats import Statistics
from pysips.errors import BadName, ModuleError
from pysips.modules.usrloc.records import Contact
from pysips.testing.fakes import FakeOffload
from pysips.testing.tables import MemoryTable

from .clock import NOW, MovingClock


class FakeProgram:
    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.events = Events()


def answered(command: Coroutine[Any, None, Any]) -> Any:
    """The answer of a command that only waits for what is there at once."""
    with pytest.raises(StopIteration) as ended:
        command.send(None)
    return ended.value.value


class UsrLoc:
    """The loaded module with one table, "location"."""

    def __init__(self, *params: tuple[str, int | str]) -> None:
        services = Services()
        services.tables = self.tables = MemoryTable()
        services.clock = self.clock = MovingClock()
        services.offload = FakeOffload()
        services.sockets += [Socket(0, "udp", "10.0.0.1", 5060), Socket(1, "tcp", "::1", 5060, "sip.example.com")]
        self.services = services
        self.registry = Registry(services, Statistics())
        self.module: Any = self.registry.load("usrloc")
        for name, value in params:
            self.registry.set_param("usrloc", name, value)
        self.program = cast(Program, FakeProgram(self.registry.statistics))
        self.api = self.module.api
        self.domain = self.api.domain("location")
        problems = self.registry.configure(self.program)
        if problems:
            raise ModuleError("; ".join(problems))
        self.commands = {spec.full: spec for spec in self.registry.mi_commands()}

    def ask(self, name: str, **arguments: Any) -> Any:
        answer = self.commands["usrloc:" + name].call(**arguments)
        if isinstance(answer, Paged):
            return json.loads(asyncio.run(answer.whole()))
        return answered(answer) if inspect.iscoroutine(answer) else answer

    def error(self, name: str, **arguments: Any) -> tuple[int, str]:
        with pytest.raises(MiError) as failed:
            self.ask(name, **arguments)
        return failed.value.code, failed.value.message

    def insert(self, aor: str, *contacts: Contact) -> None:
        work = self.api.location.open(self.domain, aor)
        for contact in contacts:
            work.insert(contact)
        work.commit()

    def add(self, contact: str = "sip:m@h", **changed: Any) -> Any:
        arguments = {"table_name": "location", "aor": "m@h", "contact": contact, "expires": 500, "q": "0.5", "flags": 0,
                     "cflags": 0, "methods": 4294967295} | changed  # fmt: skip
        return self.ask("add", **arguments)

    def statistic(self, name: str) -> int:
        (found,) = self.registry.statistics.select("usrloc:" + name)
        return found.value()


@pytest.fixture
def usrloc() -> UsrLoc:
    return UsrLoc()


@pytest.fixture
def make() -> Callable[..., UsrLoc]:
    return UsrLoc


def contact(uri: str, seconds: int = 100) -> Contact:
    return Contact(uri, 0, NOW + seconds if seconds else 0, NOW, "c1", 1, "ua", "udp:10.0.0.1:5060")


def test_the_commands_have_both_names(usrloc: UsrLoc) -> None:
    names = {spec.full: (spec.name, spec.recipes) for spec in usrloc.commands.values()}
    assert names == {
        "usrloc:rm": ("ul_rm", (("table_name", "aor"),)),
        "usrloc:rm_contact": ("ul_rm_contact", (("table_name", "aor", "contact"),)),
        "usrloc:dump": ("ul_dump", ((), ("brief",))),
        "usrloc:flush": ("ul_flush", ((),)),
        "usrloc:add": (
            "ul_add", (("table_name", "aor", "contact", "expires", "q", "flags", "cflags", "methods"),),
        ),
        "usrloc:show_contact": ("ul_show_contact", (("table_name", "aor"),)),
        "usrloc:sync": ("ul_sync", (("table_name",), ("table_name", "aor"))),
        "usrloc:cluster_sync": ("ul_cluster_sync", ((),)),
        "usrloc:federation_sweep": ("ul_federation_sweep", ((),)),
        "usrloc:federation_clean": ("ul_federation_clean", (("home",),)),
    }  # fmt: skip
    assert usrloc.commands["usrloc:add"].kinds["expires"] is int


def test_an_empty_table(usrloc: UsrLoc) -> None:
    assert usrloc.ask("dump") == {"Domains": [{"name": "location", "hash_size": 512, "AORs": []}]}


def test_a_contact_with_everything(usrloc: UsrLoc) -> None:
    full = Contact(
        "sip:a@h", 0, NOW + 100, NOW, "c1", 7, "ua", "tcp:[::1]:5060", 750,
        usrloc.services.branch_flags.mask("NAT") | usrloc.services.branch_flags.mask("SIPP"), 33, 1, "sip:192.0.2.7",
        "<sip:p;lr>", "<urn:1>", "blue", 279,
    )  # fmt: skip
    usrloc.insert("alice@h", full)
    (shown,) = usrloc.ask("show_contact", table_name="location", aor="alice@h")["Contacts"]
    assert list(shown.items()) == [
        ("Contact", "sip:a@h"), ("ContactID", str(full.id)), ("Expires", 100), ("Q", "0.75"), ("Callid", "c1"),
        ("Cseq", 7), ("User-agent", "ua"), ("Received", "sip:192.0.2.7"), ("Path", "<sip:p;lr>"), ("State", "CS_NEW"),
        ("Flags", 1), ("Cflags", "SIPP NAT"), ("Socket", "tcp:sip.example.com:5060"), ("Methods", 33), ("Attr", "blue"),
        ("SIP_instance", "<urn:1>"), ("Ping-Latency", 279),
    ]  # fmt: skip


def test_how_long_a_contact_has(usrloc: UsrLoc) -> None:
    gone = contact("sip:d@h")
    gone.expires = 10
    usrloc.insert("alice@h", contact("sip:a@h", 0), contact("sip:b@h", 50), contact("sip:c@h", 70), gone)
    usrloc.clock.at += 60
    shown = usrloc.ask("show_contact", table_name="location", aor="alice@h")["Contacts"]
    assert [one["Expires"] for one in shown] == ["permanent", "expired", 10, "deleted"]


def test_a_dump_shows_every_contact_of_every_table_however_many_pages_it_takes(usrloc: UsrLoc) -> None:
    for k in range(250):
        usrloc.insert(f"user{k:04}@h", contact("sip:a@h"), contact(f'sip:"{k}"\\@h'))
    other = usrloc.api.domain('z"ebra')
    work = usrloc.api.location.open(other, "bob@h")
    work.insert(contact("sip:\udcff@h"))
    work.commit()
    location, zebra = usrloc.ask("dump")["Domains"]
    assert [one["AOR"] for one in location["AORs"]] == [f"user{k:04}@h" for k in range(250)]
    shown = usrloc.ask("show_contact", table_name="location", aor="user0249@h")
    assert location["AORs"][-1] == shown
    assert (zebra["name"], [one["AOR"] for one in zebra["AORs"]]) == ('z"ebra', ["bob@h"])
    assert zebra["AORs"][0]["Contacts"][0]["Contact"] == "sip:\udcff@h"


def test_a_dump_of_many(usrloc: UsrLoc) -> None:
    for k in range(1200):
        usrloc.insert(f"user{k:04}@h", contact("sip:a@h"))
    usrloc.api.domain("another")
    tables = usrloc.ask("dump", brief=1)["Domains"]
    assert [table["name"] for table in tables] == ["location", "another"]
    assert tables[0]["AORs"] == [{"AOR": f"user{k:04}@h"} for k in range(1200)]
    assert tables[1]["AORs"] == []


def test_a_contact_is_added_updated_and_removed(usrloc: UsrLoc) -> None:
    assert usrloc.add() == "OK"
    (shown,) = usrloc.ask("show_contact", table_name="location", aor="m@h")["Contacts"]
    assert shown.pop("ContactID")
    assert shown == {
        "Contact": "sip:m@h", "Expires": 500, "Q": "0.5", "Callid": "dfjrewr12386fd6-343@opensips.mi", "Cseq": 1,
        "User-agent": "OpenSIPS MI Server", "State": "CS_NEW", "Flags": 0, "Cflags": "", "Methods": 4294967295,
    }  # fmt: skip
    assert usrloc.add("sip:m@H", expires=0, q="1") == "OK"
    (shown,) = usrloc.ask("show_contact", table_name="location", aor="m@h")["Contacts"]
    assert (shown["Contact"], shown["Expires"], shown["Q"]) == ("sip:m@H", "permanent", "1")
    gone = {"table_name": "location", "aor": "m@h"}
    assert usrloc.error("rm_contact", **gone, contact="sip:none@h") == (404, "Contact not found")
    assert usrloc.ask("rm_contact", **gone, contact="sip:m@h") == "OK"
    assert usrloc.error("rm_contact", **gone, contact="sip:m@h") == (404, "AOR not found")
    assert usrloc.error("show_contact", **gone) == (404, "AOR not found")


def test_an_aor_is_removed_even_if_it_is_not_there(usrloc: UsrLoc) -> None:
    usrloc.insert("alice@h", contact("sip:a@h"), contact("sip:b@h"))
    assert usrloc.ask("rm", table_name="location", aor="alice@h") == "OK"
    assert usrloc.ask("rm", table_name="location", aor="alice@h") == "OK"
    assert usrloc.tables.count(b"L") == 0


def test_what_is_refused(usrloc: UsrLoc) -> None:
    assert usrloc.error("show_contact", table_name="nosuch", aor="a@h") == (404, "Table not found")
    assert usrloc.error("show_contact", table_name="location", aor="a") == (400, "Domain missing in AOR")
    assert usrloc.error("rm", table_name="nosuch", aor="a@h") == (404, "Table not found")
    assert usrloc.error("sync", table_name="location") == (200, "Contacts already synced")
    assert usrloc.error("cluster_sync") == (400, "Clustering not enabled")
    for changed, code in (
        ({"q": "2"}, 400),
        ({"expires": -1}, 400),
        ({"contact": "<sip:a@h>"}, 500),
        ({"aor": "m"}, 400),
    ):
        with pytest.raises(MiError) as failed:
            usrloc.add(**changed)
        assert failed.value.code == code, changed
    assert usrloc.ask("flush") == "OK"
    assert usrloc.tables.writer is None


def test_events(usrloc: UsrLoc) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    for name in (
        "E_UL_AOR_INSERT",
        "E_UL_AOR_DELETE",
        "E_UL_CONTACT_INSERT",
        "E_UL_CONTACT_UPDATE",
        "E_UL_CONTACT_DELETE",
    ):
        usrloc.program.events.listen(name, lambda event, values: heard.append((event, values)))
    usrloc.insert("alice@h", contact("sip:a@h"))
    assert heard == [
        ("E_UL_AOR_INSERT", {"domain": "location", "aor": "alice@h"}),
        ("E_UL_CONTACT_INSERT", {
            "domain": "location", "aor": "alice@h", "uri": "sip:a@h", "received": "", "path": "", "qval": -1,
            "user_agent": "ua", "socket": "udp:10.0.0.1:5060", "bflags": 0, "expires": NOW + 100, "callid": "c1",
            "cseq": 1, "attr": "", "latency": 0, "shtag": "",
        }),
    ]  # fmt: skip
    heard.clear()
    work = usrloc.api.location.open(usrloc.domain, "alice@h")
    work.replace(0, contact("sip:a@h", 500))
    work.commit()
    usrloc.ask("rm", table_name="location", aor="alice@h")
    assert [name for name, _ in heard] == ["E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE", "E_UL_AOR_DELETE"]


def test_expiry_is_the_attendants_work(usrloc: UsrLoc) -> None:
    (timer,) = [one for one in usrloc.registry.timers() if one.call.__name__ == "expire"]
    assert (timer.every, timer.where.name) == (1.0, "ONCE")
    usrloc.insert("alice@h", contact("sip:a@h", 30))
    for _ in range(100):
        usrloc.clock.at += 1
        timer.call()
    assert usrloc.tables.count(b"L") == 0
    assert (usrloc.statistic("location-expires"), usrloc.statistic("registered_users")) == (1, 0)


def test_parameters_reach_the_tables(make: Callable[..., UsrLoc]) -> None:
    usrloc = make(
        ("db_mode", 0), ("desc_time_order", 1), ("matching_mode", 1), ("cseq_delay", 5), ("use_domain", 0),
        ("hash_size", 10), ("nat_bflag", "NAT"),
    )  # fmt: skip
    location = usrloc.api.location
    assert (location.desc_time_order, location.matching_mode, location.cseq_delay) == (True, 1, 5)
    assert usrloc.api.use_domain is False
    assert usrloc.api.nat_bflag == usrloc.services.branch_flags.mask("NAT")
    assert usrloc.ask("dump")["Domains"][0]["hash_size"] == 1024
    assert make(("nat_bflag", 6)).api.nat_bflag == 1, "2.4 has numbers"


def test_what_comes_later_is_refused_by_name(make: Callable[..., UsrLoc]) -> None:
    with pytest.raises(ModuleError, match='usrloc: cluster_mode "full-sharing" comes with a later release'):
        make(("cluster_mode", "full-sharing"), ("db_url", "mysql://h/db"))
    with pytest.raises(ModuleError, match='Parameter "nosuch" not found'):
        make(("nosuch", 1))


@pytest.mark.parametrize("name", ["", "x" * 65, "a\0b"])
def test_names_that_no_table_can_have(usrloc: UsrLoc, name: str) -> None:
    with pytest.raises(BadName):
        usrloc.api.domain(name)


def test_an_aor_has_a_key_value_store(make: Callable[..., UsrLoc]) -> None:
    usrloc = make(("mi_dump_kv_store", 1))
    heard: list[Any] = []

    def hear(ctx: Any, value: Any, sign: str) -> int:
        heard.append(value)
        return 1

    into = Var("$var(x)", lambda ctx: None, hear)
    put, get, remove = (usrloc.registry.functions[name].call for name in ("ul_add_key", "ul_get_key", "ul_del_key"))
    assert put(None, usrloc.domain, "alice@h", "k", "v") == -1, "nobody is registered"
    usrloc.insert("alice@h", contact("sip:a@h"))
    assert put(None, usrloc.domain, "alice@h", "k", "v") == 1
    assert put(None, usrloc.domain, "alice@h", "k" * 1025, "v") == -1
    assert get(None, usrloc.domain, "alice@h", "k", into) == 1
    assert heard == ["v"]
    assert usrloc.ask("show_contact", table_name="location", aor="alice@h")["KV-Store"] == {"k": "v"}
    usrloc.insert("alice@h", contact("sip:b@h"))
    assert get(None, usrloc.domain, "alice@h", "k", into) == 1
    assert get(None, usrloc.domain, "alice@h", "other", into) == -1
    assert remove(None, usrloc.domain, "alice@h", "k") == 1
    assert remove(None, usrloc.domain, "alice@h", "k") == -1
    assert get(None, usrloc.domain, "alice@h", "k", into) == -1
    for k in range(100):
        assert put(None, usrloc.domain, "alice@h", f"k{k}", "v") == 1
    assert put(None, usrloc.domain, "alice@h", "one more", "v") == -1
