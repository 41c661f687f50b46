"""RFC 3261 section 25 as named patterns, the ABNF above each. For checks off the hot path, and for tests.

No pattern can go back: every repetition is possessive (`++`, `*+`) or of one class of characters, so the time is that
of one reading however the text was made.
"""

import re
from typing import Final

# alphanum = ALPHA / DIGIT
ALPHANUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )
TOKEN_CHARACTERS: Final = frozenset(ALPHANUM + "-.!%*_+`'~")
TOKEN: Final = re.compile(r"[-.!%*_+`'~A-Za-z0-9]++")

# quoted-pair = "\" (%x00-09 / %x0B-0C / %x0E-7F)
QUOTED_PAIR: Final = re.compile(r"\\[\x00-\x09\x0b\x0c\x0e-\x7f]")

# quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
# qdtext        = LWS / %x21 / %x23-5B / %x5D-7E / UTF8-NONASCII
QUOTED_STRING: Final = re.compile(
    r'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*+"'
)

# Controls that may stand in a head as part of a quoted-pair only.
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# gen-value = token / host / quoted-string. What else is printable and separates nothing is let through, too: `=` at
# the end of base64, `@` in a branch, an address with or without brackets.
GEN_VALUE: Final = re.compile(r"[^\x00-\x20\x7f\",;<>\\]++")

# display-name = *(token LWS) / quoted-string. Characters outside ASCII are let through: they are many people's names.
DISPLAY_TOKENS: Final = re.compile(r"[-.!%*_+`'~A-Za-z0-9\x20\t\x80-\U0010ffff]*+")

# qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
Q_VALUE: Final = re.compile(r"0(?:\.[0-9]{0,3}+)?+|1(?:\.0{0,3}+)?+")

# callid = word [ "@" word ]
# word   = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" / "(" / ")" / "<" / ">" / ":" / "\" /
#          DQUOTE / "/" / "[" / "]" / "?" / "{" / "}" )
WORD: Final = re.compile(r"[-.!%*_+`'~()<>:\\\"/\[\]?{}A-Za-z0-9]++")
CALL_ID: Final = re.compile(WORD.pattern + "(?:@" + WORD.pattern + ")?+")

# Quick looks at what is usual: all that matches is right by the careful parsers, too; the rest is for them.
# SIP-URI = ( "sip:" / "sips:" ) [ user "@" ] hostport uri-parameters, without escapes, a password and headers
PLAIN_URI: Final = re.compile(
    r"sips?:(?:[-_.!~*'()&=+$,;/A-Za-z0-9]++@)?+[A-Za-z0-9][-.A-Za-z0-9]*+"
    r"(?::(?:[1-5][0-9]{4}|[1-9][0-9]{0,3}))?+(?:;[-.!*_+`'~A-Za-z0-9]++(?:=[-.!*_+`'~A-Za-z0-9]++)?+)*+"
)

# [ display-name ] of a name-addr, without quoted pairs
PLAIN_DISPLAY: Final = re.compile(
    r"[ \t]*+(?:\"[\x20\x21\x23-\x5b\x5d-\x7e]*+\"[ \t]*+|[-.!*_+`'~A-Za-z0-9][-.!*_+`'~A-Za-z0-9 ]*+)?+"
)

# name-addr = [ display-name ] LAQUOT addr-spec RAQUOT
PLAIN_NAME_ADDR: Final = re.compile(PLAIN_DISPLAY.pattern + "<" + PLAIN_URI.pattern + ">")

# contact-param = name-addr [ ";q=" qvalue ] [ ";expires=" delta-seconds ]
PLAIN_CONTACT: Final = re.compile(
    PLAIN_NAME_ADDR.pattern + "(?:;q=(?:" + Q_VALUE.pattern + "))?+(?:;expires=[0-9]++)?+"
)


def is_token(text: str) -> bool:
    """True for a token of RFC 3261 section 25.1."""
    return bool(text) and TOKEN_CHARACTERS.issuperset(text)
