"""Heads of a shape that came often are read by one expression.

Facts:
- phones and proxies spell and order their headers in the same way in message after message. The shape of a head is
  that order: the method (of a request), the names of its headers as they are written, and how many values its Via
  lines have;
- a shape that came `OFTEN` gets a regular expression made for it. What the expression matches, the checks of
  validate.py would let pass, and it tells where everything stands: so a match takes the place of scan.py's reader and
  of the checks. Whatever does not match goes their way;
- nothing in an expression can go back but a Via's look for its branch and one choice for a Contact, so the time is
  that of one reading;
- some things no expression can prove (a parameter given twice): a Via but for its branch, and a Contact that is not
  plain, must be among those which the careful checks have passed before (proven.py);
- heads that are not ASCII, and bodies that are not as long as Content-Length says, are not read here;
- shapes cost milliseconds to make and are made at run time: so only for what came often, and not for more than
  `MOST_SHAPES`.

In the compiled build the reader of scan.py and the checks cost less than the expression: it makes no shapes.
"""

import re
from typing import Final, final

from . import message as messages
from .grammar import PLAIN_DISPLAY, PLAIN_URI, Q_VALUE, TOKEN
from .headers import CALL_ID, CONTACT, CONTENT_LENGTH, CSEQ, FROM, MAX_FORWARDS, OTHER, TO, USER_AGENT, VIA
from .limits import LONGEST_URI
from .message import STATUS, Message
from .proven import proven_contacts, proven_vias
from .scan import COMPILED

OFTEN: Final = 50  # messages of a shape before it gets an expression
MOST_SHAPES: Final = 64
MOST_MET: Final = 1_024
MOST_TRIED: Final = 4  # shapes for one beginning
MOST_VIA_VALUES: Final = 2
NEVER: Final = -1_000_000

TEXT: Final = r"[^\x00-\x08\x0a-\x1f\x7f]*+"
LINES: Final = {FROM: "from_line", TO: "to_line", CALL_ID: "call_id_line", CSEQ: "cseq_line", CONTACT: "contact_line"}
VALUE: Final = (
    r'(?P<via_head{0}>[^,"\x00-\x08\x0a-\x1f\x7f]*?);branch=(?P<branch{0}>z9hG4bK[-.!*_+`\'~A-Za-z0-9]++)'
    r'(?P<via_rest{0}>(?:;[^,"\x00-\x08\x0a-\x1f\x7f]*+)?+)'
)
NAME_ADDR: Final = PLAIN_DISPLAY.pattern + "<" + PLAIN_URI.pattern + ">"
PATTERNS: Final[dict[str, str]] = {
    FROM: NAME_ADDR + "(?:;tag=(?P<from_tag>" + TOKEN.pattern + "))?+",
    TO: PLAIN_DISPLAY.pattern + "<(?P<to_uri>" + PLAIN_URI.pattern + ")>(?:;tag=(?P<to_tag>" + TOKEN.pattern + "))?+",
    CALL_ID: r"[ \t]*+(?P<call_id>[\x21-\x7e]++)",
    CSEQ: r"[ \t]*+(?P<cseq>[0-9]{1,9}+) (?P<method>",  # and the method itself
    MAX_FORWARDS: r"[ \t]*+(?P<hops>[0-9]{1,2}+)",
    USER_AGENT: r"[ \t]*+(?P<user_agent>" + TEXT + r")(?<![ \t])",
    CONTENT_LENGTH: r"[ \t]*+(?P<length>[0-9]{1,6}+)",
    CONTACT: (
        "(?:" + PLAIN_DISPLAY.pattern + "<(?P<contact_uri>" + PLAIN_URI.pattern + ")>"
        "(?P<contact_rest>(?:;q=(?:" + Q_VALUE.pattern + "))?+)(?:;expires=(?P<contact_expires>[0-9]++))?+(?=\r)"
        "|" + TEXT + ")"
    ),
}


@final
class Shape:
    """One shape.

    kinds    the letters of its lines; lines: the groups that are its lines
    method   of its requests; "" if it is one of replies
    vias     how many values its Via lines have; has_contact, has_length: whether it has these headers
    """

    __slots__ = ("expression", "has_contact", "has_length", "kinds", "lines", "method", "vias")

    def __init__(self, expression: str, kinds: str, method: str, vias: int) -> None:
        self.expression: re.Pattern[str] = re.compile(expression)
        self.kinds: str = kinds
        self.method: str = method
        self.vias: int = vias
        self.has_contact: bool = CONTACT in kinds
        self.has_length: bool = CONTENT_LENGTH in kinds
        groups = self.expression.groupindex
        names = [LINES.get(kind, f"line{k}") for k, kind in enumerate(kinds + OTHER)]
        self.lines: tuple[int, ...] = (0, *(groups[name] for name in names[1:]))

    def read(self, text: str) -> Message | None:
        """The message in `text`, which is ASCII, if it is of this shape and good."""
        match = self.expression.match(text)
        if match is None:
            return None
        facts = proven_vias.get(match["via_head"] + match["via_rest"])
        if facts is None or (self.vias > 1 and match["via_head1"] + match["via_rest1"] not in proven_vias):
            return None
        if self.has_contact and match["contact_uri"] is None and match["contact_line"] not in proven_contacts:
            return None
        starts = list(map(match.start, self.lines))  # not match.regs: the match would keep all its places
        body_at = starts[-1] + 2
        if body_at > LONGEST_URI or (self.has_length and int(match["length"]) != len(text) - body_at):
            return None
        if self.method:
            message = Message(text, self.kinds, starts, body_at, 0, match, self.method)
        else:
            message = Message(text, self.kinds, starts, body_at, 0, match, match["method"], STATUS[match["status"]])
        message.via = facts
        return message


shapes: Final[dict[str, Shape]] = {}  # by their expression
by_beginning: Final[dict[tuple[str, int], list[Shape]]] = {}  # by the first letters and the number of lines
met: Final[dict[str, int]] = {}  # how often a method with these letters went the other way


def read(data: bytes) -> Message:
    """What message.read gives, by the expression of its shape where there is one.

    A message with a `match` is good: validate.py's `check` has nothing to add.
    """
    if COMPILED:
        return messages.read(data)
    text = data.decode("utf-8", "surrogateescape")
    known = by_beginning.get((text[:8], data.count(b"\r\n", 0, data.find(b"\r\n\r\n"))))
    if known is not None and len(text) == len(data):
        for shape in known:
            message = shape.read(text)
            if message is not None:
                return message
    return messages.read(data)


def forget() -> None:
    """Forget all shapes."""
    shapes.clear()
    by_beginning.clear()
    met.clear()


def learn(message: Message) -> None:
    """Note a good message that no shape has read; its shape may become known."""
    if COMPILED:
        return
    key = message.method + message.kinds
    count = met.get(key, 0) + 1
    if count < OFTEN:
        if len(met) >= MOST_MET:
            met.clear()
        met[key] = count
        return
    met[key] = 0 if make(message) else NEVER


def make(message: Message) -> bool:
    """Make the shape of a good message known; False if it is known already or there can be none."""
    kinds = message.kinds
    vias = sum(value.count(",") + 1 for value in message.values(VIA))
    if (
        vias > MOST_VIA_VALUES
        or VIA * kinds.count(VIA) not in kinds
        or kinds.count(CONTACT) > 1
        or kinds.count(USER_AGENT) > 1
    ):
        return False
    expression = expression_of(message)
    shape = shapes.get(expression)
    if shape is None:
        if len(shapes) >= MOST_SHAPES:
            forget()
        shape = shapes[expression] = Shape(expression, kinds, "" if message.status else message.method, vias)
    known = by_beginning.setdefault((message.text[:8], len(kinds) - 1), [])
    if shape in known:
        return False
    del known[MOST_TRIED - 1 :]
    known.insert(0, shape)
    return True


def expression_of(message: Message) -> str:
    """The expression of a message's shape. Each line is a group, and its Vias, which stand together, are one more."""
    text = message.text
    kinds = message.kinds
    if message.status:
        parts = [r"(?P<uri>)SIP/2\.0 (?P<status>[1-6][0-9][0-9]) " + TEXT + "\r\n"]
    else:
        parts = [re.escape(message.method) + " (?P<uri>" + PLAIN_URI.pattern + ") SIP/2\\.0\r\n"]
    first, last = kinds.find(VIA), kinds.rfind(VIA)
    via = 0
    for k in range(1, len(kinds)):
        kind = kinds[k]
        a = message.starts[k]
        colon = text.find(":", a) + 1
        pattern = PATTERNS.get(kind, TEXT)
        if kind == VIA:
            count = text.count(",", colon, message.starts[k + 1]) + 1
            pattern = ",".join([VALUE.format(via + n or "") for n in range(count)])
            via += count
        elif kind == CSEQ:
            pattern += "[A-Z]++)" if message.status else re.escape(message.method) + ")"
        name = LINES.get(kind, f"line{k}")
        opening = "(?P<vias>" if k == first else ""
        closing = ")" if k == last else ""
        parts.append(f"{opening}(?P<{name}>{re.escape(text[a:colon])}{pattern}\r\n){closing}")
    parts.append(f"(?P<line{len(kinds)}>\r\n)")
    return "".join(parts)
