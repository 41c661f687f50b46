"""{s.…}: digests, and other ways to write the same bytes down."""

import base64
import binascii
import calendar
import hashlib
import hmac
import re
import zlib
from collections.abc import Callable
from typing import Final

from pysips.script.catalogue import Apply, Ctx, Read, TransformSpec
from pysips.script.values import Value, number_of, text_of, wrapped

from .transform_arguments import MOST_TEXT, a_text, cooked, failed, needed_text, parsed, raw, transform

DIGESTS: Final = ("sha1", "sha224", "sha256", "sha384", "sha512")
COMMON: Final = {39: "\\'", 34: '\\"', 92: "\\\\", 0: "\\0"}
UNCOMMON: Final = re.compile(r"\\(['\"\\0])")
ESCAPED: Final = re.compile(r"%(..?)?", re.DOTALL)
NOT_USER: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")  # RFC 3261 section 25.1: unreserved, user-unreserved
NOT_PARAM: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/:&+$]")  # … and param-unreserved
HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]*")
WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
DATE: Final = re.compile(
    r"\s*[A-Za-z]{3,9},\s*([0-9]{1,2})\s*([A-Za-z]{3})[a-z]*\s*([0-9]{1,4})\s*([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})"
    r"\s*GMT"
)
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def digest(name: str) -> Callable[[str], str]:
    """A digest in small hexadecimal."""
    return lambda text: hashlib.new(name, raw(text), usedforsecurity=False).hexdigest()


def keyed(name: str) -> Callable[[str, str], str]:
    """A keyed digest (RFC 2104) in small hexadecimal."""
    return lambda text, key: hmac.new(raw(key), raw(text), name).hexdigest()


def checksum(text: str) -> str:
    """CRC-32 as decimal text, without the inversion that others do at the end."""
    return str(zlib.crc32(raw(text)) ^ 0xFFFFFFFF)


def from_hexadecimal(text: str) -> str:
    """The bytes that hexadecimal digits name; an odd last digit is dropped."""
    digits = text[: len(text) // 2 * 2]
    if not HEXADECIMAL.fullmatch(digits):
        raise ValueError("not hexadecimal")
    return cooked(bytes.fromhex(digits))


def from_base64(text: str) -> str:
    """The bytes that base64 names (RFC 4648 section 4), with or without its padding."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0])
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return cooked(binascii.a2b_base64(letters + "=" * (-len(letters) % 4)))


def exclusive_or(text: str, key: str) -> str:
    """Each byte and one of the key, which is repeated, by exclusive or."""
    data, secret = raw(text), raw(key)
    return cooked(bytes(byte ^ secret[place % len(secret)] for place, byte in enumerate(data)))


def escaped(unfit: re.Pattern[str]) -> Callable[[str], str]:
    """`%xx` for everything that does not fit."""

    def work(text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise ValueError("a character cannot be escaped")
        return unfit.sub(lambda found: f"%{ord(found[0]):02x}", text)

    return work


def unescaped(text: str) -> str:
    """`%xx` read back, once; only printable characters may come out."""

    def read_back(found: re.Match[str]) -> str:
        digits = found[1] or ""
        if len(digits) < 2 or not HEXADECIMAL.fullmatch(digits):
            raise ValueError("not hexadecimal behind a %")
        char = chr(int(digits, 16))
        if not " " <= char <= "~":
            raise ValueError("an escaped character is not printable")
        return char

    return ESCAPED.sub(read_back, text)


def unescaped_common(text: str) -> str:
    """Backslashes before quotes and backslashes taken off, `\\0` made NUL."""
    return UNCOMMON.sub(lambda found: "\0" if found[1] == "0" else found[1], text)


def unix_time(text: str) -> str:
    """Seconds since 1970 of a Date header's value (RFC 3261 section 20.17), as text."""
    found = DATE.match(text)
    month = found[2].lower() if found else ""
    if found is None or month not in MONTHS:
        raise ValueError("not a date")
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    if not (1 <= day <= 31 and year >= 1 and hour < 24 and minute < 60 and second <= 61):
        raise ValueError("not a date")
    return str(calendar.timegm((year, MONTHS.index(month) + 1, day, hour, minute, second)))


def to_hexadecimal(value: Value) -> str:
    number = number_of(value)
    if number is None:
        text = text_of(value) or ""
        if not WHOLE_NUMBER.fullmatch(text):
            raise ValueError("not a number")
        number = int(text[0].strip("0123456789") + text.lstrip("+-")[-32:])
    return hex(number & 0xFFFFFFFF)[2:]


def from_hexadecimal_number(value: Value) -> Value:
    if number_of(value) is not None:
        return value
    text = text_of(value) or ""
    if not HEXADECIMAL.fullmatch(text):
        raise ValueError("not hexadecimal")
    return wrapped(int(text[-8:] or "0", 16))


def of_value(name: str, work: Callable[[Value], Value], help: str) -> TransformSpec:
    """A transformation that looks at a value's number too."""

    def bind(arguments: str | None, read: Read) -> Apply:
        parsed(f"s.{name}", arguments, read, (), 0)

        def apply(ctx: Ctx, value: Value) -> Value:
            if value is None:
                return None
            try:
                return work(value)
            except ValueError as problem:
                return failed(f"s.{name}", problem, text_of(value))

        return apply

    return TransformSpec("s", name, "core", bind, help)


def bounded(work: Callable[[str], str], growth: int) -> Callable[[str], str]:
    """`work`, refused where the result could pass MOST_TEXT bytes."""

    def checked(text: str) -> str:
        if len(text) * growth > MOST_TEXT:
            raise ValueError("the text is too long")
        return work(text)

    return checked


CODINGS: Final[list[TransformSpec]] = [
    transform("s", "md5", digest("md5"), help="MD5 (RFC 1321), hexadecimal."),
    *(transform("s", name, digest(name), help=f"{name.upper()}, hexadecimal.") for name in DIGESTS),
    *(
        transform("s", f"{name}_hmac", keyed(name), (a_text,), help=f"HMAC-{name.upper()} with a key.")
        for name in DIGESTS
    ),
    transform("s", "crc32", checksum),
    transform("s", "encode.hexa", bounded(lambda text: raw(text).hex(), 2), help="Hexadecimal of the bytes."),
    transform("s", "decode.hexa", from_hexadecimal),
    of_value("dec2hex", to_hexadecimal, "A number in hexadecimal."),
    of_value("hex2dec", from_hexadecimal_number, "The number that hexadecimal digits name."),
    transform(
        "s", "b64encode", bounded(lambda text: base64.b64encode(raw(text)).decode(), 2), help="Base64 (RFC 4648)."
    ),
    transform("s", "b64decode", from_base64),
    transform(
        "s", "encode.base64", bounded(lambda text: base64.b64encode(raw(text)).decode(), 2), help="As b64encode."
    ),
    transform("s", "xor", exclusive_or, (needed_text,)),
    transform("s", "escape.common", bounded(lambda text: text.translate(COMMON), 2), help="Backslashes before quotes."),
    transform("s", "unescape.common", unescaped_common),
    transform("s", "escape.user", bounded(escaped(NOT_USER), 3), help="`%xx` for what a URI's user part may not hold."),
    transform("s", "unescape.user", unescaped),
    transform("s", "escape.param", bounded(escaped(NOT_PARAM), 3), help="`%xx` for what a URI parameter may not hold."),
    transform("s", "unescape.param", unescaped),
    transform("s", "date2unix", unix_time),
]
