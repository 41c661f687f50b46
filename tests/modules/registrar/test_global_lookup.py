"""lookup() with `global`: other sites of a federation beside the contacts that are here."""

from typing import Any

import pytest

from pysips.core.context import Context
from pysips.core.services import Peer, Socket
from pysips.modules.registrar.flags import parse_lookup
from pysips.modules.usrloc.homes import Homes, is_home, place_of, uri_of
from pysips.modules.usrloc.modes import Mode

from .conftest import Rig


class OtherSites(Homes):
    """homes: by AoR; None where the store does not answer."""

    def __init__(self, rig: Rig, homes: dict[str, list[str] | None]) -> None:
        self.homes = homes
        self.rig = rig

    async def of(self, aor: str) -> list[str] | None:
        return self.homes.get(aor, [])

    def told(self, aor: str) -> list[str]:
        return self.homes.get(aor) or []

    def socket(self) -> Socket | None:
        return self.rig.socket


def look(rig: Rig, homes: list[str] | None, flags: str = "global", ctx: Context | None = None) -> tuple[int, Context]:
    """The answer of the lookup that waits, and the request."""
    sites = OtherSites(rig, {"alice@example.com": homes})
    rig.usrloc.api.homes = rig.registrar.finder.homes = sites  # type: ignore[attr-defined]
    ctx = ctx or rig.invite()
    registrar: Any = rig.registrar
    asked = registrar.fetch_and_lookup(ctx, rig.usrloc.api.domain("location"), parse_lookup(flags))
    with pytest.raises(StopIteration) as ended:
        asked.send(None)
    assert registrar.lookup(rig.invite(), rig.usrloc.api.domain("location"), parse_lookup(flags)) == ended.value.value
    return ended.value.value, ctx


def targets(ctx: Context) -> list[tuple[str, str]]:
    return [(ctx.request_uri(), ctx.dst), *((one.uri, one.dst) for one in ctx.branches)]


def test_another_site_alone_becomes_the_target(rig: Rig) -> None:
    code, ctx = look(rig, ["10.0.0.180"])
    assert code == 1
    assert targets(ctx) == [("sip:alice@example.com", "sip:10.0.0.180")]
    assert (ctx.path, ctx.q, ctx.bflags) == ("", -1, 0)
    assert ctx.send_socket is rig.socket


def test_local_contacts_come_first_and_nothing_of_theirs_goes_to_other_sites(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>;q=0.7", "Path: <sip:edge;lr>", "Supported: path", flags="path-off")
    code, ctx = look(rig, ["10.0.0.180", "10.0.0.190:5070"])
    assert code == 1
    assert targets(ctx) == [
        ("sip:a@h", "sip:edge;lr"),
        ("sip:alice@example.com", "sip:10.0.0.180"),
        ("sip:alice@example.com", "sip:10.0.0.190:5070"),
    ]
    assert ctx.path != ""
    assert [(one.path, one.q, one.flags) for one in ctx.branches] == [("", -1, 0)] * 2
    assert [one.socket for one in ctx.branches] == [rig.socket] * 2


def test_the_socket_that_the_script_forced_is_taken(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    ctx = rig.invite()
    ctx.send_socket = rig.other
    look(rig, ["10.0.0.180"], ctx=ctx)
    assert ctx.branches[0].socket is rig.other


def test_without_global_nobody_else_is_called(rig: Rig) -> None:
    assert look(rig, ["10.0.0.180"], "method-filtering")[0] == -1


def test_letters_mean_the_same(rig: Rig) -> None:
    assert look(rig, ["10.0.0.180"], "mg")[0] == 1


def test_a_store_that_does_not_answer_leaves_the_local_contacts(rig: Rig) -> None:
    assert look(rig, None)[0] == -1
    rig.save("Contact: <sip:a@h>")
    code, ctx = look(rig, None)
    assert code == 1 and targets(ctx) == [("sip:a@h", "")]


def test_the_first_one_is_enough_with_no_branches(rig: Rig) -> None:
    assert targets(look(rig, ["10.0.0.180", "10.0.0.190"], "global,no-branches")[1]) == [
        ("sip:alice@example.com", "sip:10.0.0.180")
    ]
    rig.save("Contact: <sip:a@h>")
    assert targets(look(rig, ["10.0.0.180"], "global,no-branches")[1]) == [("sip:a@h", "")]


def test_a_call_does_not_go_back_to_the_site_that_it_came_from(rig: Rig) -> None:
    source = Peer("udp", "10.0.0.180", 5060, rig.socket)
    ctx = rig.invite()
    ctx.source = source
    _, ctx = look(rig, ["10.0.0.180", "10.0.0.180:5080", "10.0.0.190"], ctx=ctx)
    assert [dst for _, dst in targets(ctx)] == ["sip:10.0.0.180:5080", "sip:10.0.0.190"]


def test_more_than_twelve_are_dropped_and_counted(rig: Rig) -> None:
    code, ctx = look(rig, [f"10.0.0.{host}" for host in range(1, 16)])
    assert code == 1 and len(targets(ctx)) == 12
    assert rig.statistic("registrar:dropped_branches") == 2 * 3  # both ways of asking


def test_what_is_no_user_in_a_uri_is_escaped(rig: Rig) -> None:
    sites = OtherSites(rig, {"bob@home@example.com": ["10.0.0.180"]})
    rig.usrloc.api.homes = rig.registrar.finder.homes = sites  # type: ignore[attr-defined]
    ctx = rig.invite("sip:bob%40home@example.com")
    assert rig.registrar.lookup(ctx, rig.usrloc.api.domain("location"), parse_lookup("g")) == 1  # type: ignore[attr-defined]
    assert ctx.request_uri() == "sip:bob%40home@example.com"


def test_only_lookup_waits_and_only_where_there_is_a_store(rig: Rig) -> None:
    rig.usrloc.api.mode = Mode("federation-cachedb", cachedb_url="memory://")
    assert [rig.registrar.waits(name) for name in ("lookup", "save", "is_registered")] == [True, False, False]
    rig.usrloc.api.mode = Mode("federation")
    assert not rig.registrar.waits("lookup")


@pytest.mark.parametrize(
    ("home", "uri", "place"),
    [
        ("10.0.0.180", "sip:10.0.0.180", ("10.0.0.180", 0)),
        ("10.0.0.180:5070", "sip:10.0.0.180:5070", ("10.0.0.180", 5070)),
        ("2001:db8::1", "sip:[2001:db8::1]", ("2001:db8::1", 0)),
        ("[2001:DB8::1]:5070", "sip:[2001:DB8::1]:5070", ("2001:db8::1", 5070)),
        ("Pop.example.com", "sip:Pop.example.com", ("pop.example.com", 0)),
    ],
)
def test_homes_as_uris(home: str, uri: str, place: tuple[str, int]) -> None:
    assert (is_home(home), uri_of(home), place_of(home)) == (True, uri, place)


@pytest.mark.parametrize("home", ["", "a b", "a\r\nb", "h;x=1", "h>", "x" * 256, "h/é"])
def test_what_is_no_home(home: str) -> None:
    assert not is_home(home)
