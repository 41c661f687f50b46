"""The short way of save() does what the careful one does: the same requests are fed to both, and all is compared."""

import random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysips.core.changes import Changes
from pysips.core.services import Peer
from pysips.modules.registrar import Registrar
from pysips.modules.registrar.asked import NOT_SAID, usual_contact
from pysips.modules.registrar.flags import parse_save
from pysips.modules.registrar.save import Saver
from pysips.script.values import Value
from pysips.sip import scan, shapes
from pysips.sip.validate import check

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
        flags.settle(self.saver.rules)
        random.seed(seed)
        if self.is_careful:
            return self.saver.serve_carefully(ctx, domain, flags, "", "")
        return self.saver.serve(ctx, domain, flags, "", "")

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
    """Feed both, and compare them after each request; answers the one that may go the short way."""
    sides = Side(False, parameters, is_logged), Side(True, parameters, is_logged)
    for number, asked in enumerate(requests):
        short, careful = [side.ask(asked, number, avps or {}) for side in sides]
        assert short == careful, asked
        assert sides[0].state() == sides[1].state(), asked
        for side in sides:
            side.rig.clock.at += step
    return sides[0]


@pytest.mark.parametrize("deviation", [0, 40])
def test_a_phone_that_comes_and_comes_again(deviation: int) -> None:
    first = (f"Contact: <{PHONE}>;expires=300", "User-Agent: phone/1", "Allow: INVITE, ACK"), None
    again = (f"Contact: <{PHONE}>;expires=600", "CSeq: 2 REGISTER"), None
    moved = (f"m: <{PHONE}>", "Expires: 900", "Call-ID: other"), None
    side = both([first, again, moved], (("registrar", "expires_max_deviation", deviation),))
    assert [name for name, _ in side.heard] == ["E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", *EVENTS[3:4] * 2]
    assert side.rig.listed().startswith(f"<{PHONE}>;expires=" + ("900" if not deviation else ""))


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
def test_what_is_not_usual(again: tuple[str, ...]) -> None:
    first = (f"Contact: <{PHONE}>", "CSeq: 2 REGISTER")
    both([(first, None), (again, None)], (("registrar", "max_contacts", 1),))


def test_tables_without_room_are_refused_once() -> None:
    sides = Side(False, (), False), Side(True, (), False)
    for side in sides:
        side.ask(((f"Contact: <{PHONE}>",), None), 1, {})
        side.rig.tables.is_full = True
        assert side.ask(((f"Contact: <{PHONE}>", "CSeq: 2 REGISTER"), None), 1, {}) == -2
    assert sides[0].state() == sides[1].state()
    assert sides[0].rig.replies.sent[-1][0] == 500


def test_an_answer_that_cannot_be_sent_is_told() -> None:
    for side in (Side(False, (), False), Side(True, (), False)):
        side.rig.replies.answer = -1
        assert side.ask(((f"Contact: <{PHONE}>",), None), 1, {}) == -1


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("Contact: <sip:a@h>",), ("sip:a@h", NOT_SAID)),
        (("m:<sips:a@h;transport=tls>;expires=60",), ("sips:a@h;transport=tls", 60)),
        (("Contact: <sip:a@h>;expires=1234567890",), None),
        (("Contact: <sip:a@h>;expires=x",), None),
        (("Contact: <sip:a@h>;q=0.5",), None),
        (("Contact: <sip:a@h>;",), None),
        (('Contact: "A, B" <sip:a@h>;expires=60',), ("sip:a@h", 60)),
        (("Contact: A B <sip:a@h>", "Expires: 70"), ("sip:a@h", 70)),
        (("Contact: A, B <sip:a@h>",), None),
        (('Contact: "A\\"" <sip:a@h>',), None),
        (("Contact: sip:a@h",), None),
        (("Contact: <sip:a b@h>",), None),
        (("Contact: <sip:a@h>, <sip:b@h>",), None),
        (("Contact: <sip:a@h>", "Contact: <sip:b@h>"), None),
        (("Contact: <sip:a@h>\r\n ;expires=60",), None),
        (("Contact: <sip:a@h>", "Require: path"), None),
        (("Contact: *",), None),
        ((), None),
    ],
)
def test_what_is_usual(rig: Rig, lines: tuple[str, ...], found: tuple[str, int] | None) -> None:
    expected = None if found is None else ("sip:alice@example.com", *found)
    assert usual_contact(rig.register(*lines).message) == expected


@pytest.mark.parametrize("line", ["To", "Call-ID", "CSeq", "To: <sip:alice@h", "To: <sip:a%62@h>", "To: nobody"])
def test_a_head_with_gaps_is_not_usual(rig: Rig, line: str) -> None:
    text = rig.register("Contact: <sip:a@h>").message.text.strip("\r\n").split("\r\n")
    name, colon, _ = line.partition(":")
    other = line if colon else "X: y"
    head = [other if each.startswith(name + ":") else each for each in text]
    assert usual_contact(rig.request("\n".join(head)).message) is None


@pytest.mark.skipif(scan.COMPILED, reason="expressions are for plain Python")
@pytest.mark.parametrize("more", ["", "\nExpires: 70", "\nRequire: path"])
@pytest.mark.parametrize(
    "tail", ["", ";expires=60", ";expires=1234567890", ";q=0.5", ";q=1;expires=60", ";x=y", ";expires=x"]
)
@pytest.mark.parametrize("contact", ["<sip:a@h>", '"A, B" <sip:a@h;x=y>', "sip:a@h", '"A\\"" <sip:a@h>', "<sip:%61@h>"])
def test_a_head_that_an_expression_has_read_is_as_usual_as_its_lines(
    rig: Rig, contact: str, tail: str, more: str
) -> None:
    lines = rig.register("Contact: " + contact + tail + more, aor="sips:alice@example.com:5061;x=y").message
    check(lines)
    shapes.make(lines)
    read = shapes.read(lines.text.encode())
    assert read.match is not None
    assert usual_contact(read) == usual_contact(lines)
    shapes.forget()


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
        ("registrar", "default_q", 300), ("registrar", "allow_dup_cseq", 0),
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
