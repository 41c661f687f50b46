"""The short way of save() does what the careful one does: the same requests are fed to both, and all is compared."""

import random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysips.core.changes import Changes
from pysips.core.context import Context
from pysips.core.services import Peer
from pysips.modules.registrar import Registrar
from pysips.modules.registrar.flags import parse_save
from pysips.modules.registrar.rules import SaveFlags
from pysips.modules.registrar.save import Saver
from pysips.modules.usrloc.api import Domain
from pysips.script.values import Value

from .conftest import Rig

Asked = tuple[tuple[str, ...], str | None]  # lines of a REGISTER, flags of save()
PHONE = "sip:alice@192.0.2.7:5060"
EVENTS = ("E_UL_AOR_INSERT", "E_UL_AOR_DELETE", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE")


class Side:
    """A registrar that goes one of the two ways, and all that it did."""

    def __init__(self, is_careful: bool, parameters: tuple[tuple[str, str, int | str], ...], is_logged: bool) -> None:
        self.rig = Rig(*parameters)
        self.saver: Saver = cast(Registrar, self.rig.registrar).saver
        self.is_careful = is_careful
        self.heard: list[tuple[str, dict[str, Value]]] = []
        self.went_short = 0
        for event in EVENTS:
            self.rig.program.events.listen(event, lambda name, values: self.heard.append((name, values)))
        if is_logged:
            self.rig.usrloc.api.location.log = Changes()

    def ask(self, asked: Asked, seed: int, avps: dict[str, str]) -> int:
        lines, text = asked
        rig = self.rig
        ctx = rig.register(*lines, source=Peer("tcp", "192.0.2.7", 40000, rig.other, 7))
        ctx.avps = {name: [value] for name, value in avps.items()}
        ctx.flags = ctx.bflags = 1
        domain = rig.usrloc.api.location.domain("location")
        flags = parse_save(text or "")
        random.seed(seed)
        saver = self.saver
        if self.is_careful:
            return self.careful(ctx, domain, flags)
        flags.settle(saver.rules)
        done = saver.serve_usual(ctx, domain, flags, "", "") if flags.is_usual else 0
        if done:
            self.went_short += 1
            return done
        random.seed(seed)  # the short way may have drawn a lifetime
        return self.careful(ctx, domain, flags)

    def careful(self, ctx: Context, domain: Domain, flags: SaveFlags) -> int:
        """What `serve` does once the short way has given up."""
        return self.saver.answer(ctx, flags, self.saver.save(ctx, domain, flags, "", ""))

    def state(self) -> tuple[object, ...]:
        counted = [self.rig.statistic(name) for name in ("accepted_regs", "rejected_regs")]
        return (
            self.rig.tables.records, self.rig.tables.commits, self.rig.replies.sent, self.heard, counted,
            self.rig.network.kept,
        )  # fmt: skip


def both(
    requests: list[Asked], parameters: tuple[tuple[str, str, int | str], ...] = (), is_logged: bool = False,
    step: float = 1, avps: dict[str, str] | None = None,
) -> Side:  # fmt: skip
    """Feed both; answers the one that may go the short way."""
    sides = Side(False, parameters, is_logged), Side(True, parameters, is_logged)
    for number, asked in enumerate(requests):
        short, careful = [side.ask(asked, number, avps or {}) for side in sides]
        assert short == careful, asked
        assert sides[0].state() == sides[1].state(), asked
        for side in sides:
            side.rig.clock.at += step
    return sides[0]


def test_a_phone_that_comes_and_comes_again_goes_the_short_way() -> None:
    first = (f"Contact: <{PHONE}>;expires=300", "User-Agent: phone/1", "Allow: INVITE, ACK"), None
    again = (f"Contact: <{PHONE}>;expires=600", "CSeq: 2 REGISTER"), None
    moved = (f"m: <{PHONE}>", "Expires: 900", "Call-ID: other"), None
    side = both([first, again, moved])
    assert side.went_short == 3
    assert [name for name, _ in side.heard] == ["E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", *EVENTS[3:4] * 2]
    assert side.rig.listed() == f"<{PHONE}>;expires=900"


@pytest.mark.parametrize(
    "again",
    [
        (f"Contact: <{PHONE}>", "Require: path"),
        (f"Contact: <{PHONE}>", "Require: what"),
        (f"Contact: <{PHONE}>", "Expires: abc"),
        (f"Contact: <{PHONE}>;expires=0", "CSeq: 3 REGISTER"),
        (f"Contact: <{PHONE}>;expires=4294967295", "CSeq: 3 REGISTER"),
        (f"Contact: <{PHONE}>;q=0.5", "CSeq: 3 REGISTER"),
        (f"Contact: <{PHONE}>", "CSeq: 1 REGISTER"),
        (f"Contact: <{PHONE}>", "CSeq: 2 REGISTER"),
        (f"Contact: <{PHONE}>", "Call-ID: " + "a" * 300),
        (f"Contact: <{PHONE}>", "Contact: <sip:b@h>", "CSeq: 3 REGISTER"),
        (f"Contact: <{PHONE}>,\r\n <sip:b@h>", "CSeq: 3 REGISTER"),
        ("Contact: <sip:ALICE@192.0.2.7:5060>", "CSeq: 3 REGISTER"),
        ("Contact: <sip:alice@192.0.2.7:5060;x=y>", "CSeq: 3 REGISTER"),
        ("Contact: <sip:%61lice@192.0.2.7:5060>", "CSeq: 3 REGISTER"),
        ("Contact: <nonsense>", "CSeq: 3 REGISTER"),
        ("Contact: <sip:" + "a" * 300 + "@h>", "CSeq: 3 REGISTER"),
        ("Contact: *", "Expires: 0", "CSeq: 3 REGISTER"),
        ("CSeq: 3 REGISTER",),
    ],
)
def test_what_is_not_usual_is_left_to_the_careful_way(again: tuple[str, ...]) -> None:
    side = both(
        [((f"Contact: <{PHONE}>", "CSeq: 2 REGISTER"), None), (again, None)], (("registrar", "max_contacts", 1),)
    )
    assert side.went_short == 1


def test_tables_without_room_are_refused_once() -> None:
    sides = Side(False, (), False), Side(True, (), False)
    for side in sides:
        side.ask(((f"Contact: <{PHONE}>",), None), 1, {})
        side.rig.tables.is_full = True
        assert side.ask(((f"Contact: <{PHONE}>", "CSeq: 2 REGISTER"), None), 1, {}) == -2
    assert sides[0].went_short == 2
    assert sides[0].state() == sides[1].state()
    assert sides[0].rig.replies.sent[-1][0] == 500


def test_an_answer_that_cannot_be_sent_is_told() -> None:
    for side in (Side(False, (), False), Side(True, (), False)):
        side.rig.replies.answer = -1
        assert side.ask(((f"Contact: <{PHONE}>",), None), 1, {}) == -1


CONTACTS = st.sampled_from(
    [f"<{PHONE}>", "<sip:alice@h>", "<sip:alice@H>", "<sip:bob@h;transport=tcp>", '"A" <sip:alice@h>', "sip:alice@h"]
)
TAILS = st.sampled_from(["", "", ";expires=100", ";expires=0", ";expires=5", ";expires=99999", ";q=0.5", ";x=y"])
REGISTERS: st.SearchStrategy[Asked] = st.tuples(
    st.builds(
        lambda contact, tail, cseq, call, more: (f"Contact: {contact}{tail}", f"CSeq: {cseq} REGISTER", call, *more),
        CONTACTS, TAILS, st.integers(1, 6), st.sampled_from(["Call-ID: a", "i: b"]),
        st.lists(
            st.sampled_from(["Expires: 200", "Supported: path, gruu", "User-Agent: x", "Allow: BYE", "Path: <sip:p>"]),
            max_size=2, unique=True,
        ),
    ),
    st.sampled_from([None, None, None, "memory-only", "path-lazy", "force-registration,max-contacts=2", "no-reply",
                     "max-contacts=1", "matching-mode=1", "min-expires=50,max-expires=60", "only-request-contacts"]),
)  # fmt: skip
PARAMETERS = st.lists(
    st.sampled_from([
        ("usrloc", "matching_mode", 1), ("usrloc", "desc_time_order", 1), ("usrloc", "use_domain", 0),
        ("usrloc", "cseq_delay", 1), ("registrar", "max_contacts", 2), ("registrar", "max_expires", 300),
        ("registrar", "expires_max_deviation", 40), ("registrar", "default_q", 300), ("registrar", "allow_dup_cseq", 0),
        ("registrar", "case_sensitive", 0), ("registrar", "received_avp", "$avp(rcv)"),
        ("registrar", "attr_avp", "$avp(attr)"), ("registrar", "disable_gruu", 0), ("registrar", "retry_after", 5),
        ("registrar", "tcp_persistent_flag", "keep"),
    ]),
    max_size=3, unique=True,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(REGISTERS, min_size=2, max_size=6), PARAMETERS, st.booleans(), st.sampled_from([1, 200]),
    st.sampled_from([{}, {"rcv": "sip:203.0.113.9:9", "attr": "word"}, {"rcv": "two\r\nlines"}]),
)  # fmt: skip
def test_both_ways_end_alike(
    requests: list[Asked], parameters: list[tuple[str, str, int | str]], is_logged: bool, step: float,
    avps: dict[str, str],
) -> None:  # fmt: skip
    both(requests, tuple(parameters), is_logged, step, avps)
