"""lookup(): where a request goes then."""

from collections.abc import Callable

import pytest

from pysips.core.branches import Branch
from pysips.modules.registrar.aor import careful_aor, plain_aor
from pysips.modules.registrar.rules import Refused

from .conftest import Rig

Make = Callable[..., Rig]


def branches(ctx: object) -> list[str]:
    return [branch.uri for branch in ctx.branches]  # type: ignore[attr-defined]


def test_one_contact_becomes_the_request_uri(rig: Rig) -> None:
    rig.save("Contact: <sip:phone@192.0.2.7:5060;line=7>;q=0.5")
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location") == 1
    assert (ctx.request_uri(), ctx.dst, ctx.q, ctx.branches) == ("sip:phone@192.0.2.7:5060;line=7", "", 500, [])
    assert ctx.send_socket is rig.socket


def test_the_others_become_branches_by_falling_q(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>;q=0.3, <sip:b@h>;q=0.9, <sip:c@h>")
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location") == 1
    assert (ctx.uri, ctx.q) == ("sip:b@h", 900)
    assert [(branch.uri, branch.q) for branch in ctx.branches] == [("sip:a@h", 300), ("sip:c@h", -1)]


def test_nobody_is_there(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    ctx = rig.invite("sip:alice@other.example")
    assert rig.call("lookup", ctx, "location") == -1
    assert (ctx.uri, ctx.branches) == ("", [])
    rig.clock.at += 3600
    assert rig.call("lookup", rig.invite(), "location") == -1


def test_an_uri_that_has_no_aor(rig: Rig) -> None:
    assert rig.call("lookup", rig.invite("mailto:alice@example.com"), "location") == -3
    assert rig.call("lookup", rig.invite(), "location", None, "nonsense") == -3


def test_users_are_found_however_their_uri_is_written(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    for uri in ("sips:alice@EXAMPLE.com:5061;transport=tls", "sip:%61lice@example.com", "sip:alice:pw@example.com"):
        assert rig.call("lookup", rig.invite(uri), "location") == 1, uri
    assert rig.call("lookup", rig.invite("sip:Alice@example.com"), "location") == -1


def test_capital_letters_may_be_ignored(make: Make) -> None:
    rig = make(("registrar", "case_sensitive", 0))
    rig.save("Contact: <sip:a@h>", aor="sip:ALICE@example.com")
    assert rig.call("lookup", rig.invite("sip:aLice@example.com"), "location") == 1


def test_domains_may_be_ignored(make: Make) -> None:
    rig = make(("usrloc", "use_domain", 0))
    rig.save("Contact: <sip:a@h>")
    assert rig.call("lookup", rig.invite("sip:alice@other.example"), "location") == 1
    assert rig.call("lookup", rig.invite("sip:other.example"), "location") == -3
    assert rig.mi("ul_show_contact", table_name="location", aor="alice@anything")["AOR"] == "alice"


def test_a_realm_prefix_is_cut(make: Make) -> None:
    rig = make(("registrar", "realm_prefix", "sip."))
    rig.save("Contact: <sip:a@h>", aor="sip:alice@sip.example.com")
    assert rig.call("lookup", rig.invite(), "location") == 1


def test_a_user_with_a_zero_byte_is_another_user(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", aor="sip:null-%00-null@example.com")
    rig.save("Contact: <sip:b@h>", aor="sip:null-@example.com")
    ctx = rig.invite("sip:null-%00-null@example.com")
    assert rig.call("lookup", ctx, "location") == 1
    assert ctx.uri == "sip:a@h"


def test_the_next_hop_is_where_the_phone_was_seen(rig: Rig) -> None:
    rig.save(
        'Contact: <sip:a@10.1.1.1>;received="sip:192.0.2.7:4;transport=tcp", <sip:b@10.1.1.1>;received="sip:192.0.2.8"'
    )
    ctx = rig.invite()
    rig.call("lookup", ctx, "location")
    assert (ctx.uri, ctx.dst) == ("sip:a@10.1.1.1", "sip:192.0.2.7:4;transport=tcp")
    assert ctx.branches[0].dst == "sip:192.0.2.8"


def test_or_the_first_proxy_of_the_path(rig: Rig) -> None:
    rig.save(
        'Contact: <sip:a@h>;received="sip:192.0.2.7", <sip:b@h>', "Path: <sip:p1;lr>,<sip:p2;lr>", flags="path-off"
    )
    ctx = rig.invite()
    rig.call("lookup", ctx, "location")
    assert (ctx.dst, ctx.path) == ("sip:p1;lr", "<sip:p1;lr>,<sip:p2;lr>")
    assert (ctx.branches[0].dst, ctx.branches[0].path) == ("sip:p1;lr", "<sip:p1;lr>,<sip:p2;lr>")


def test_branch_flags_come_back(rig: Rig) -> None:
    nat, other = rig.services.branch_flags.mask("NAT"), rig.services.branch_flags.mask("OTHER")
    ctx = rig.register("Contact: <sip:a@h>, <sip:b@h>")
    ctx.bflags = nat
    rig.call("save", ctx, "location")
    ctx = rig.invite()
    ctx.bflags = other
    rig.call("lookup", ctx, "location")
    assert (ctx.bflags, ctx.branches[0].flags) == (nat | other, nat)


def test_a_contact_leaves_by_the_socket_it_came_in(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    ctx = rig.register("Contact: <sip:b@h>", "CSeq: 2 REGISTER")
    ctx.source.socket = rig.other
    rig.call("save", ctx, "location")
    ctx = rig.invite()
    rig.call("lookup", ctx, "location")
    assert (ctx.send_socket, ctx.branches[0].socket) == (rig.socket, rig.other)


def test_a_socket_that_is_not_ours_any_longer_is_not_used(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    rig.services.sockets.remove(rig.socket)
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location") == 1
    assert ctx.send_socket is None


@pytest.mark.parametrize("flags", ["method-filtering", "m"])
def test_only_contacts_that_take_the_method(rig: Rig, flags: str) -> None:
    rig.save('Contact: <sip:a@h>;methods="INVITE,ACK,BYE"')
    assert rig.call("lookup", rig.invite(method="OPTIONS"), "location", flags) == -2
    rig.save('Contact: <sip:b@h>;methods="OPTIONS"', "CSeq: 2 REGISTER")
    ctx = rig.invite(method="OPTIONS")
    assert rig.call("lookup", ctx, "location", flags) == 1
    assert (ctx.uri, ctx.branches) == ("sip:b@h", [])


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("ua-filtering=/yea/i", ["sip:b@h"]),
        ("ua-filtering=/yea/", []),
        ("case-insensitive,ua-filtering=/^YEA/", ["sip:b@h"]),
        ("ua-filtering=/snom|yea/,extended-regexp,case-insensitive", ["sip:a@h", "sip:b@h"]),
        ("ua-filtering=/snom|yea/i", []),
        (r"ua-filtering=/snom\|yea/i", ["sip:a@h", "sip:b@h"]),
        ("u/yea/i", ["sip:b@h"]),
        ("u/o{1}m|ink 2/ie", ["sip:a@h", "sip:b@h"]),
        ("bu/./", ["sip:a@h"]),
    ],
)
def test_only_phones_of_a_kind(rig: Rig, flags: str, found: list[str]) -> None:
    rig.save("Contact: <sip:a@h>", "User-Agent: SNOM 1")
    rig.save("Contact: <sip:b@h>", "User-Agent: Yealink 2", "CSeq: 2 REGISTER")
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location", flags) == (1 if found else -1)
    assert [uri for uri in [ctx.uri, *branches(ctx)] if uri] == found


def test_no_branches(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    for flags in ("no-branches", "b"):
        ctx = rig.invite()
        assert rig.call("lookup", ctx, "location", flags) == 1
        assert (ctx.uri, ctx.branches) == ("sip:a@h", [])


def test_to_branches_only(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location", "to-branches-only") == 1
    assert (ctx.uri, branches(ctx)) == ("", ["sip:a@h", "sip:b@h"])


@pytest.mark.parametrize("flags", ["branch", "r"])
def test_the_aors_of_branches_are_looked_up_too(rig: Rig, flags: str) -> None:
    rig.save("Contact: <sip:a@h>")
    rig.save("Contact: <sip:b@h>", aor="sip:bob@example.com")
    ctx = rig.invite()
    ctx.branches = [Branch("sip:bob@example.com"), Branch("sip:nobody@example.com")]
    assert rig.call("lookup", ctx, "location", flags) == 1
    assert (ctx.uri, branches(ctx)) == ("sip:a@h", ["sip:b@h"])
    ctx = rig.invite("sip:nobody@example.com")
    ctx.branches = [Branch("sip:bob@example.com")]
    assert rig.call("lookup", ctx, "location", flags) == 1
    assert (ctx.uri, branches(ctx)) == ("sip:b@h", [])


def test_the_quickest_first(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>")
    location = rig.usrloc.api.location
    work = location.open(location.domain("location"), "alice@example.com")
    work.contacts[1].latency, work.contacts[2].latency = 900, 300
    work.commit(rewrite=True)
    ctx = rig.invite()
    rig.call("lookup", ctx, "location", "sort-by-latency")
    assert [ctx.uri, *branches(ctx)] == ["sip:c@h", "sip:b@h", "sip:a@h"]
    for flags in ("max-ping-latency=500", "y500"):
        ctx = rig.invite()
        rig.call("lookup", ctx, "location", flags)
        assert [ctx.uri, *branches(ctx)] == ["sip:a@h", "sip:c@h"]


def test_more_contacts_than_branches(rig: Rig) -> None:
    rig.save("Contact: " + ", ".join(f"<sip:a{k}@h>" for k in range(20)))
    ctx = rig.invite()
    assert rig.call("lookup", ctx, "location") == 1
    assert len(ctx.branches) == 11


def test_attributes_come_back(make: Make) -> None:
    rig = make(("registrar", "attr_avp", "$avp(attr)"))
    for contact, attribute, cseq in (("a", "blue", 1), ("b", "red", 2)):
        ctx = rig.register(f"Contact: <sip:{contact}@h>", f"CSeq: {cseq} REGISTER")
        ctx.avps["attr"] = [attribute]
        rig.call("save", ctx, "location")
    ctx = rig.invite()
    rig.call("lookup", ctx, "location")
    assert ctx.attributes == {"attr": "blue"}
    assert ctx.branches[0].attributes == {"attr": "red"}
    assert list(reversed(ctx.avps["attr"])) == ["blue", "red"], "$(avp(attr)[0]) belongs to the first contact"


@pytest.mark.parametrize(
    ("uri", "aor"),
    [
        ("sip:alice@Example.COM", "alice@example.com"),
        ("sip:a;b?c=d@h", "a;b?c=d@h"),
        ("sip:alice@h?subject=x", "alice@h"),
        ("sip:alice@h;transport=tcp", "alice@h"),
        ("sip:alice:secret@h", "alice@h"),
        ("sip:al%69ce@h", "alice@h"),
        ("sip:alice@[2001:DB8::1]:5070", "alice@[2001:db8::1]"),
        ("sip:é@h", "é@h"),
        ("SIP:alice@H", "alice@h"),
        ("sip:Example.com", "example.com"),
        ("tel:+49123;phone-context=x", "+49123@"),
        ("sip:@h", None),
        ("sip:a b@h", None),
        ("sip:a@b@c", None),
        ("sip:a@h_x!", None),
        ("sip:a@", None),
        ("sip:", None),
    ],
)
def test_what_the_aor_of_a_uri_is(rig: Rig, uri: str, aor: str | None) -> None:
    rules = rig.registrar.rules  # type: ignore[attr-defined]
    if aor is None:
        with pytest.raises(Refused):
            plain_aor(uri, rules)
    else:
        assert plain_aor(uri, rules) == careful_aor(uri, rules) == aor
