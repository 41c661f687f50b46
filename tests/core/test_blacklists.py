"""Blacklists: which targets they mean, who may change them, and what a script makes of them."""

from typing import Any

import pytest

from pysips.core.blacklists import Blacklist, Refused, Rule, ScriptBlacklists, network_of, rule_of
from pysips.core.exports import MiError, mi_specs
from pysips.core.services import Services, Target
from pysips.errors import ConfigError
from pysips.script.config import Blacklist as Wish
from pysips.testing import fakes
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import HEAD, Story

LISTS = HEAD + (
    'dst_blacklist = gw: { (udp, 10.0.0.0/255.255.255.0, 5060, ""), ( 192.0.2.1 ) }\n'
    "dst_blacklist = other: { !(tcp, 10.1.0.0/16) }\n"
    "dst_blacklist = mine/expire: { 10.0.0.7 }\n"
    "dst_blacklist = by_text/default: { (any, 10.0.0.8, 0, \"MESSAGE *x@*\") }\n"
)  # fmt: skip


def fresh(*flags: str, rules: tuple[str, ...] = ()) -> tuple[Blacklist, fakes.FakeClock]:
    services = Services()
    _, clock, _ = fakes.fill(services)
    return Blacklist("l", "script", flags, [rule_of(one) for one in rules], services), clock


@pytest.mark.parametrize(
    ("rule", "target", "meets"),
    [
        ("10.0.0.0/8", "udp:10.1.2.3:5060", True),
        ("10.0.0.0/8", "udp:11.1.2.3:5060", False),
        ("10.0.0.1", "tcp:10.0.0.1:5060", True),
        ("udp,10.0.0.1", "tcp:10.0.0.1:5060", False),
        ("UDP, 10.0.0.1 ,5060", "udp:10.0.0.1:5060", True),
        ("udp,10.0.0.1,5061", "udp:10.0.0.1:5060", False),
        ("any,10.0.0.1,5060", "tls:10.0.0.1:5060", True),
        ("any,10.0.0.1,0,*secret*", "udp:10.0.0.1:5060", True),
        ("any,10.0.0.1,0,secret", "udp:10.0.0.1:5060", False),
        ("!10.0.0.0/8", "udp:10.0.0.1:5060", False),
        ("! udp,10.0.0.0/8", "tcp:10.0.0.1:5060", True),
        ("2001:db8::/32", "udp:2001:db8::7:5060", True),
        ("[2001:db8::7]", "udp:2001:db8::7:5060", True),
        ("10.0.0.0/8", "udp:2001:db8::7:5060", False),
        ("!10.0.0.0/8", "udp:2001:db8::7:5060", True),
        ("fe80::/10", "udp:fe80::1%eth0:5060", True),
    ],
)
def test_what_a_rule_means(rule: str, target: str, meets: bool) -> None:
    proto, _, rest = target.partition(":")
    host, _, port = rest.rpartition(":")
    found, _ = fresh("read-only", rules=(rule,))
    assert (found.meets(proto, host, int(port), "a text with a\r\nsecret in it") is not None) == meets


@pytest.mark.parametrize(
    "text", ["", "!", "udp", "udp,", "here", "10.0.0.1,99999", "10.0.0.1,-1", "10.0.0.1/99", "10.0.0.1,0," + "x" * 2000]
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError):
        rule_of(text)


def test_rules_end_when_they_should() -> None:
    found, clock = fresh("expire")
    found.add(rule_of("udp,10.0.0.1,5060"), 10)
    found.add(rule_of("10.0.0.2"), 0)
    clock.advance(9)
    assert found.meets("udp", "10.0.0.1", 5060, "") and len(found.current()) == 2
    clock.advance(1)
    assert found.meets("udp", "10.0.0.1", 5060, "") is None
    assert [str(one.network) for one in found.current()] == ["10.0.0.2/32"]


def test_the_same_rule_once_more_takes_the_place_of_the_first() -> None:
    found, clock = fresh("expire")
    found.add(rule_of("10.0.0.1"), 10)
    found.add(rule_of("10.0.0.1"), 100)
    clock.advance(50)
    assert len(found.current()) == 1
    assert found.remove(rule_of("10.0.0.1")) and not found.remove(rule_of("10.0.0.1"))


def test_who_may_not_be_changed_says_so() -> None:
    with pytest.raises(Refused):
        fresh("read-only")[0].add(rule_of("10.0.0.1"), 0)
    with pytest.raises(Refused):
        fresh("read-only")[0].remove(rule_of("10.0.0.1"))
    with pytest.raises(Refused):
        fresh("default")[0].add(rule_of("10.0.0.1"), 5)


def test_a_change_is_seen_by_everybody_and_begins_with_what_the_script_says() -> None:
    services = Services()
    fakes.fill(services)
    here, there = (Blacklist("l", "script", ("default",), [rule_of("10.0.0.1")], services) for _ in range(2))
    here.add(rule_of("10.0.0.2"), 0)
    assert there.meets("udp", "10.0.0.1", 1, "") and there.meets("udp", "10.0.0.2", 1, "")
    there.remove(rule_of("10.0.0.1"))
    assert here.meets("udp", "10.0.0.1", 1, "") is None


def test_a_list_has_an_end() -> None:
    rules = [Rule(network_of(f"10.0.0.{number}")) for number in range(5)]
    found, _ = fresh("expire")
    found.most = 3
    for number, rule in enumerate(rules[:4]):
        found.add(rule, 100 + number)
    assert found.current() == rules[1:4]
    full, _ = fresh(rules=("10.0.0.1", "10.0.0.2", "10.0.0.3"))
    full.most = 3
    with pytest.raises(Refused):
        full.add(rules[-1], 0)


def test_full_tables_refuse_a_change() -> None:
    found, _ = fresh("expire")
    found.services.tables.is_full = True  # type: ignore[attr-defined]
    with pytest.raises(Refused):
        found.add(rule_of("10.0.0.1"), 0)
    assert found.current() == []


def test_a_target_that_failed_is_remembered_for_four_minutes() -> None:
    services = Services()
    _, clock, _ = fakes.fill(services)
    lists = ScriptBlacklists(True, services)
    target = Target("udp", "10.0.0.2", 5060)
    lists.remember("udp", "10.0.0.2", 5060)
    assert lists.blocks(None, target, b"")
    assert not lists.blocks(None, Target("udp", "10.0.0.2", 5061), b"")
    assert not lists.blocks(0, target, b"")
    clock.advance(241)
    assert not lists.blocks(None, target, b"")


def test_lists_that_cannot_be_are_complaints() -> None:
    for text in ("dst_blacklist = a: { 10.0.0.1 }\ndst_blacklist = a: { 10.0.0.1 }\n",
                 "dst_blacklist = a/read-only,expire: { 10.0.0.1 }\n",
                 "dst_blacklist = a: { (nonsense, 10.0.0.1) }\n"):  # fmt: skip
        with pytest.raises(ConfigError):
            Story("route { exit; }", head=HEAD + text)
    with pytest.raises(ConfigError):
        once('use_blacklist("nowhere");', head=LISTS)
    with pytest.raises(ConfigError):
        once('add_blacklist_rule("all", "10.0.0.1");', head=LISTS)


# -- in a script


def told(route: str, **facts: Any) -> list[str]:
    return once(route, head=LISTS, **facts).lines


def test_a_list_applies_where_the_script_says_so() -> None:
    assert len(once("forward();", head=LISTS).sent) == 1
    done = once('use_blacklist("gw"); forward(); say("$rc");', head=LISTS)
    assert (done.sent, done.lines) == ([], ["-1"])
    assert len(once('use_blacklist("gw"); unuse_blacklist("gw"); forward();', head=LISTS).sent) == 1
    assert once('use_blacklist("all"); forward();', head=LISTS).sent == []


def test_a_default_list_applies_by_itself_and_may_look_at_the_message() -> None:
    there = request("MESSAGE", "sip:x@10.0.0.8")
    assert once("forward();", there, head=LISTS).sent == []
    assert len(once('unuse_blacklist("all"); forward();', there, head=LISTS).sent) == 1
    assert len(once("forward();", request("MESSAGE", "sip:y@10.0.0.8"), head=LISTS).sent) == 1


def test_tm_answers_473_where_all_targets_are_filtered_and_tries_others_first() -> None:
    story = Story('route { use_blacklist("gw"); t_relay(); }', "sl tm", LISTS)
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.2.2", 5060)]
    story.resolver.names["bad.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "192.0.2.1", 5060)]
    alice, other = story.party("10.0.0.1"), story.party("10.0.2.2")
    alice.said(request("MESSAGE", "sip:b@pbx.example"))
    other.answered(other.heard("MESSAGE"), 200)
    alice.heard(200)
    alice.said(request("INFO", "sip:b@bad.example", branch="z9hG4bK-2", call_id="2"))
    assert alice.heard(473).reason == "Filtered destination (473/TM)"


def test_t_relay_returns_minus_5_for_a_filtered_target() -> None:
    assert told('use_blacklist("gw"); t_relay("no-auto-477"); say("$rc"); t_reply(480, "x");', modules="sl tm") == [
        "-5"
    ]


def test_scripts_ask_and_change() -> None:
    assert told(
        'check_blacklist_rule("gw", "10.0.0.3", 5060, "udp"); say("$rc");'
        'check_blacklist_rule("gw", "10.0.0.3", 5061, "udp"); say("$rc");'
        'check_blacklist_rule("mine", "10.0.0.7"); say("$rc"); check_blacklist_rule("all", "10.0.0.7"); say("$rc");'
        'use_blacklist("mine"); check_blacklist_rule("all", "10.0.0.7"); say("$rc");'
    ) == ["1", "-1", "1", "-1", "1"]
    assert told(
        'add_blacklist_rule("mine", "10.0.0.9", 5060, "udp", "", 60); say("$rc");'
        'check_blacklist_rule("mine", "10.0.0.9", 5060, "udp"); say("$rc");'
        'del_blacklist_rule("mine", "10.0.0.9", 5060, "udp"); say("$rc");'
        'check_blacklist_rule("mine", "10.0.0.9", 5060, "udp"); say("$rc");'
        'add_blacklist_rule("gw", "10.0.0.9"); say("$rc"); add_blacklist_rule("mine", "here"); say("$rc");'
        'add_blacklist_rule("mine", "10.0.0.9", 70000); say("$rc"); del_blacklist_rule("mine", "10.9.9.9"); say("$rc");'
    ) == ["1", "1", "1", "-1", "-1", "-1", "-1", "-1"]


# -- the list "dns"

DNS = HEAD + "disable_dns_blacklist = no\n"


@pytest.mark.parametrize("ending", ["503", "silence", "refused", "nobody"])
def test_a_dead_target_is_passed_over_by_the_next_request(ending: str) -> None:
    story = Story('modparam("tm", "fr_timeout", 2)\nroute { t_relay(); }', "sl tm", DNS)
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    if ending == "refused":
        story.net.refused.add(("10.0.0.2", 5060))
    alice.said(request("MESSAGE", "sip:b@pbx.example"))
    if ending == "503":
        bob.answered(bob.heard("MESSAGE"), 503)
    elif ending == "silence":
        story.after(2.1)
    elif ending == "nobody":
        story.door.unreachable("udp", "10.0.0.2", 5060)
    carol.answered(carol.heard("MESSAGE"), 200)
    story.net.refused.clear()
    bob.heard_all()
    alice.said(request("INFO", "sip:b@pbx.example", branch="z9hG4bK-2", call_id="2"))
    carol.answered(carol.heard("INFO"), 200)
    bob.heard_nothing()
    assert alice.heard_all() == [200, 200]
    story.after(241)
    alice.said(request("INFO", "sip:b@pbx.example", branch="z9hG4bK-3", call_id="3"))
    bob.heard("INFO")


def test_without_the_list_a_dead_target_is_tried_again() -> None:
    story = Story("route { t_relay(); }", "sl tm")
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    for number in (1, 2):
        alice.said(request("MESSAGE", "sip:b@pbx.example", branch=f"z9hG4bK-{number}", call_id=str(number)))
        bob.answered(bob.heard("MESSAGE"), 503)
        carol.answered(carol.heard("MESSAGE"), 200)


# -- management


def command(story: Story, name: str, *values: Any, **named: Any) -> Any:
    specs = {spec.name: spec for spec in mi_specs(story.program.registry.loaded["core"])}
    return specs[name].call(*values, **named)


def test_management_shows_checks_and_changes() -> None:
    story = Story("route { exit; }", head=LISTS)
    assert [one["name"] for one in command(story, "list_blacklists")["Lists"]] == ["gw", "other", "mine", "by_text"]
    shown = command(story, "list_blacklists", "gw")
    assert (shown["owner"], shown["flags"]) == ("script", ["read-only"])
    assert shown["Rules"][0] == {"flags": 0, "IP": "10.0.0.0", "Mask": "255.255.255.0", "Proto": "udp", "Port": 5060}
    assert command(story, "list_blacklists", "other")["Rules"][0]["flags"] == 1
    assert command(story, "add_blacklist_rule", "mine", "udp,10.0.0.9,5060", 60) == "OK"
    assert command(story, "list_blacklists", "mine")["Rules"][1]["Expire"] == 60
    assert command(story, "check_blacklist", "mine", "10.0.0.9", proto="udp", port=5060)["IP"] == "10.0.0.9"
    assert command(story, "check_blacklists", "10.0.0.7") == ["other", "mine"]
    assert command(story, "del_blacklist_rule", "mine", "udp,10.0.0.9,5060") == "OK"


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("list_blacklists", ("nowhere",), 404), ("check_blacklist", ("mine", "10.9.9.9"), 404),
        ("check_blacklist", ("mine", "here"), 400), ("check_blacklist", ("nowhere", "10.0.0.1"), 400),
        ("check_blacklists", ("here",), 400), ("check_blacklists", ("10.0.0.1", "nonsense"), 404),
        ("add_blacklist_rule", ("gw", "10.0.0.1"), 403), ("add_blacklist_rule", ("mine", "here"), 404),
        ("add_blacklist_rule", ("mine", "10.0.0.1", 0), 404), ("add_blacklist_rule", ("by_text", "10.0.0.1", 5), 404),
        ("del_blacklist_rule", ("mine", "10.9.9.9"), 404), ("del_blacklist_rule", ("gw", "10.0.0.0/8"), 403),
        ("add_blacklist_rule", ("nowhere", "10.0.0.1"), 400),
    ],
)  # fmt: skip
def test_management_refuses(name: str, values: tuple[Any, ...], code: int) -> None:
    with pytest.raises(MiError) as problem:
        command(Story("route { exit; }", head=LISTS), name, *values)
    assert problem.value.code == code


def test_wishes_of_a_script_are_lists() -> None:
    lists = ScriptBlacklists(False, Services())
    assert not lists.active
    lists.make(Wish(None, "a", ("default",), ()))  # type: ignore[arg-type]
    assert lists.active and lists.bit("a") == lists.default == 1 and lists.bit("ALL") == -1
