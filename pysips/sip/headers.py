"""Header names: how they are compared, their compact forms, and the one letter each has in a message's index.

Facts:
- names compare without regard to case (RFC 3261 section 7.3.1); blanks may stand before the colon (section 25.1);
- ten names of RFC 3261 and a few of later RFCs have a compact form of one letter (section 7.3.3 and the IANA registry);
- a name is a token. A line whose name is none, or that has no colon, is still found by its name with control
  characters and blanks taken off, so that no part of the program reads a name in another way than the rest.
"""

from typing import Final

from .grammar import is_token as is_token

OTHER: Final = "-"  # the first line, and every header that has no letter of its own
FOLD: Final = " "  # a continuation of the line above (RFC 3261 section 7.3.1)

VIA: Final = "V"
FROM: Final = "F"
TO: Final = "T"
CALL_ID: Final = "I"
CSEQ: Final = "C"
MAX_FORWARDS: Final = "M"
ROUTE: Final = "R"
RECORD_ROUTE: Final = "r"
CONTACT: Final = "m"
CONTENT_LENGTH: Final = "L"
CONTENT_TYPE: Final = "c"
EXPIRES: Final = "E"
AUTHORIZATION: Final = "A"
PROXY_AUTHORIZATION: Final = "a"
REQUIRE: Final = "Q"
PROXY_REQUIRE: Final = "q"
SUPPORTED: Final = "k"
ALLOW: Final = "w"
USER_AGENT: Final = "u"
PATH: Final = "P"
EVENT: Final = "o"
SUBJECT: Final = "s"
CONTENT_ENCODING: Final = "e"
REFER_TO: Final = "t"
REFERRED_BY: Final = "b"
SESSION_EXPIRES: Final = "x"
ALLOW_EVENTS: Final = "v"

# (name as RFC 3261 and its successors write it, compact form or "", letter in the index or OTHER)
TABLE: Final[tuple[tuple[str, str, str], ...]] = (
    ("Via", "v", VIA),
    ("From", "f", FROM),
    ("To", "t", TO),
    ("Call-ID", "i", CALL_ID),
    ("CSeq", "", CSEQ),
    ("Max-Forwards", "", MAX_FORWARDS),
    ("Route", "", ROUTE),
    ("Record-Route", "", RECORD_ROUTE),
    ("Contact", "m", CONTACT),
    ("Content-Length", "l", CONTENT_LENGTH),
    ("Content-Type", "c", CONTENT_TYPE),
    ("Expires", "", EXPIRES),
    ("Authorization", "", AUTHORIZATION),
    ("Proxy-Authorization", "", PROXY_AUTHORIZATION),
    ("Require", "", REQUIRE),
    ("Proxy-Require", "", PROXY_REQUIRE),
    ("Supported", "k", SUPPORTED),
    ("Allow", "", ALLOW),
    ("User-Agent", "", USER_AGENT),
    ("Path", "", PATH),
    ("Event", "o", EVENT),
    ("Subject", "s", SUBJECT),
    ("Content-Encoding", "e", CONTENT_ENCODING),
    ("Refer-To", "r", REFER_TO),
    ("Referred-By", "b", REFERRED_BY),
    ("Session-Expires", "x", SESSION_EXPIRES),
    ("Allow-Events", "u", ALLOW_EVENTS),
    ("Accept-Contact", "a", OTHER),
    ("Reject-Contact", "j", OTHER),
    ("Request-Disposition", "d", OTHER),
    ("Identity", "y", OTHER),
    ("Identity-Info", "n", OTHER),
)

LETTERS: Final[dict[str, str]] = {}  # "call-id" and "i" -> "I"
LONG: Final[dict[str, str]] = {}  # "i" -> "call-id"
FIRST_LINE: Final = "\n"  # stands for the name of the first line, which has none
SPELLED: Final[dict[str, str]] = {FIRST_LINE: OTHER}  # a legal name as it came -> its letter
for _name, _compact, _letter in TABLE:
    LETTERS[_name.lower()] = _letter
    if _compact:
        LETTERS[_compact] = _letter
        LONG[_compact] = _name.lower()
        SPELLED[_compact] = _letter
    SPELLED[_name] = _letter
    SPELLED[_name.lower()] = _letter

MOST_SPELLINGS: Final = 2000
LONGEST_SPELLING: Final = 64
LONGEST_NAME: Final = 255  # bytes; no header that anybody defined comes near

# What is taken off a name before it is compared: everything up to the blank, and DEL.
UNSEEN: Final = "".join([chr(_n) for _n in range(33)]) + "\x7f"


def normal(name: str) -> str:
    """The one form in which names are compared: long, small letters, nothing invisible around it."""
    name = name.strip(UNSEEN).lower()
    return LONG.get(name, name)


def letter_of(name: str) -> str:
    """The letter of a header, whatever its spelling; OTHER for one without."""
    return LETTERS.get(normal(name), OTHER)


def is_legal(line: str) -> bool:
    """True for a header line with a colon and a token of bearable length before it."""
    name, colon, _ = line.partition(":")
    return colon != "" and len(name) <= LONGEST_NAME and is_token(name.rstrip(" \t"))


def learn(line: str, strange: list[str]) -> str:
    """The letter of a line whose name was spelled in a way not met before.

    A legal spelling is kept for the next time, as long as there is room; a line that is none is added to `strange`.
    """
    if line[:1] == " " or line[:1] == "\t":
        return FOLD
    name = line.partition(":")[0]
    letter = letter_of(name or line)
    if not is_legal(line):
        strange.append(line)
    elif len(name) <= LONGEST_SPELLING and len(SPELLED) < MOST_SPELLINGS:
        SPELLED[name] = letter
    return letter
