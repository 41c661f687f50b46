"""save() in an onreply_route: what the registrar behind us granted."""

from collections.abc import Callable

from pysips.core.context import Context

from .conftest import Rig

Make = Callable[..., Rig]


def reply_to(rig: Rig, request: Context, *lines: str) -> Context:
    ctx = rig.reply(*lines)
    ctx.request = request
    ctx.avps = request.avps
    return ctx


def test_the_contact_lives_as_long_as_the_reply_says(rig: Rig) -> None:
    request = rig.register("Contact: <sip:a@h>;q=0.5;expires=3600", "User-Agent: x/1")
    ctx = reply_to(rig, request, "Contact: <sip:other@h>;expires=5, <sip:a@H>;expires=120")
    assert rig.call("save", ctx, "location") == 1
    contact = rig.shown()[0]
    assert (contact["Contact"], contact["Expires"], contact["Q"], contact["User-agent"]) == (
        "sip:a@h",
        120,
        "0.5",
        "x/1",
    )
    assert rig.replies.sent == []
    assert rig.statistic("accepted_regs") == 1


def test_a_reply_that_does_not_name_it(rig: Rig) -> None:
    ctx = reply_to(rig, rig.register("Contact: <sip:a@h>;expires=300"), "Contact: <sip:other@h>;expires=5")
    assert rig.call("save", ctx, "location") == 1
    assert rig.shown()[0]["Expires"] == 300


def test_de_registration(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    ctx = reply_to(rig, rig.register("Contact: <sip:a@h>;expires=0", "CSeq: 2 REGISTER"))
    assert rig.call("save", ctx, "location") == 1
    assert rig.tables.count(b"L") == 0


def test_the_phone_gets_its_own_contact_back(make: Make) -> None:
    rig = make(("registrar", "mcontact_avp", "$avp(sent)"))
    request = rig.register("Contact: <sip:a@h>")
    request.avps["sent"] = ["sip:proxy@us;line=1"]
    ctx = reply_to(rig, request, "Contact: <sip:proxy@us;line=1>;expires=90")
    assert rig.call("save", ctx, "location") == 1
    assert rig.shown()[0]["Contact"] == "sip:a@h"
    assert "\r\nContact: <sip:a@h>;expires=90\r\n" in ctx.edits.written(ctx.message.text)


def test_nothing_to_save(rig: Rig) -> None:
    assert rig.call("save", rig.reply(), "location") == -1, "no transaction"
    assert rig.call("save", reply_to(rig, rig.register()), "location") == 1, "a question"
    assert rig.call("save", reply_to(rig, rig.register("Contact: <sip:a@h"), "Contact: <x>"), "location") == -1
    assert rig.tables.records == {}
