"""Flags, branches and their attributes as variables."""

from pysips.core.branches import Branch
from pysips.script.values import printed

from .variables_rig import Script


def test_flags_by_name(script: Script) -> None:
    for name in ("first", "second"):
        assert script.put(f"$msg.flag({name})", 1) == 1
    assert script.get("$mf") == "second first"
    assert printed(script.get("$msg.flag(first)")) == "true"
    assert script.put("$msg.flag(first)", 0) == 1
    assert printed(script.get("$msg.flag(first)")) == "false"
    assert script.put("$msg.flag(first)", "1") == -1


def test_branch_flags_count_the_message_as_0(script: Script) -> None:
    script.ctx.branches.append(Branch("sip:x@y"))
    assert script.put("$branch.flag(nat)", 1) == 1, "without an index: the last one"
    assert script.put("$(msg.branch.flag(own)[0])", 1) == 1
    assert script.get("$bf") == "own"
    assert [printed(script.get(f"$(branch.flag(nat)[{index}])")) for index in (0, 1, -1, 2)] == [
        "false", "true", "true", "<null>",
    ]  # fmt: skip
    assert script.put("$(branch.flag(nat)[5])", 1) == -1


def test_added_branches_count_from_0(script: Script) -> None:
    assert script.put("$branch", "sip:x@y") == 1
    assert script.put("$branch", "sip:z@y") == 1
    assert script.put("$(branch(q)[1])", 300) == 1
    assert script.put("$(branch(duri)[0])", "sip:hop") == 1
    assert script.put("$(branch(socket)[0])", "udp:192.0.2.1") == 1
    assert script.put("$(branch(socket)[0])", "udp:192.0.2.99") == -1
    assert script.put("$(branch(uri)[7])", "sip:a@b") == -1
    wanted = {
        "$branch": "sip:x@y", "$branch(uri)": "sip:x@y", "$(branch(uri)[-1])": "sip:z@y", "$(branch(uri)[2])": None,
        "$(branch(q)[1])": "0.3", "$(branch(q)[0])": "", "$(branch(duri)[0])": "sip:hop", "$(branch(path)[0])": None,
        "$(branch(uri)[*])": "sip:x@y, sip:z@y", "$(branch(socket)[0])": "udp:192.0.2.1:5060", "$branch(flags)": "",
    }  # fmt: skip
    assert {text: script.get(text) for text in wanted} == wanted
    for _ in range(9):
        assert script.put("$branch", "sip:more@y") == 1
    assert script.put("$branch", "sip:toomany@y") == -1


def test_all_branches_count_the_message_as_0(script: Script) -> None:
    assert script.get("$msg.branch.uri") == "sip:bob:pw@b.example:5080;transport=tcp"
    assert script.put("$msg.branch.uri", "sip:new@me") == 1
    assert script.get("$ru") == "sip:new@me"
    assert script.put("$msg.branch", "sip:x@y") == 1
    assert script.get("$msg.branch.last_idx") == 1
    assert script.get("$msg.branch.uri") == "sip:x@y"
    assert script.put("$(msg.branch.duri[0])", "sip:hop") == 1
    assert script.get("$du") == "sip:hop"
    assert script.put("$(msg.branch.q[-1])", 1000) == 1
    assert script.get("$(msg.branch.q[1])") == "1"
    assert script.get("$(msg.branch.uri[*])") == "sip:new@me, sip:x@y"
    assert script.put("$(msg.branch.uri[2])", "sip:a@b") == -1
    script.ctx.services.branch_flags.mask("nat")
    assert script.put("$msg.branch.flags", "nat unknown") == 1
    assert script.get("$msg.branch.flags") == "nat"


def test_attributes_belong_to_a_branch(script: Script) -> None:
    script.put("$branch", "sip:x@y")
    assert script.put("$msg.branch.attr(a)", "last") == 1
    assert script.put("$(msg.branch.attr(a)[0])", 7) == 1
    assert [script.get(f"$(msg.branch.attr(a)[{index}])") for index in (0, 1, 2)] == [7, "last", None]
    assert script.put("$(msg.branch.attr(a)[2])", 1) == -1
