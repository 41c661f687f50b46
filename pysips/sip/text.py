"""The small parts that header values are made of: quoted strings, lists with commas, parameters, numbers.

Facts:
- a comma or semicolon inside a quoted string or between angle brackets separates nothing (RFC 3261 section 7.3.1);
- inside a quoted string a backslash takes the next character with it (section 25.1, quoted-pair);
- parameter names compare without regard to case; a parameter may stand without a value (section 7.3.1);
- numbers are decimal digits, nothing else: no sign, no blank, no digit of another script.

Everything goes over a text once; nothing here goes back.
"""

from typing import Final

from pysips.errors import SipError

BLANKS: Final = " \t\r\n"  # what may stand between tokens, the line ends of a fold with it (LWS)
MOST_DIGITS: Final = 10
MOST_PARAMETERS: Final = 256  # of one value
MOST_VALUES: Final = 1024  # of one list

Param = tuple[str, str | None]  # name as written, value as written (None without "=")


def number(text: str, most: int) -> int | None:
    """The number that `text` is, 0 to `most`; None for anything but one to ten of the digits 0 to 9."""
    if not text or len(text) > MOST_DIGITS or not text.isascii() or not text.isdigit():
        return None
    value = int(text)
    return value if value <= most else None


def unfolded(text: str) -> str:
    """A value on one line: each fold, with the blanks around it, is one blank (RFC 3261 section 7.3.1)."""
    if "\n" not in text and "\r" not in text:
        return text.strip(" \t")
    parts = [part.strip(BLANKS) for part in text.split("\n")]
    return " ".join([part for part in parts if part])


def quoted_end(text: str, at: int, end: int) -> int:
    """The position after the quoted string that begins at `at`; -1 if it is not closed before `end`."""
    at += 1
    close = -1
    while True:
        if close < at:
            close = text.find('"', at, end)
            if close < 0:
                return -1
        back = text.find("\\", at, close)
        if back < 0:
            return close + 1
        at = back + 2  # the character behind a backslash stands for itself


def quoted(text: str) -> str:
    """`text` as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> str:
    """What a quoted string says; any other text is given back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    text = text[1:-1]
    if "\\" not in text:
        return text
    out: list[str] = []
    at = 0
    while True:
        back = text.find("\\", at)
        if back < 0:
            out.append(text[at:])
            return "".join(out)
        out.append(text[at:back])
        out.append(text[back + 1 : back + 2])
        at = back + 2


def next_outside(text: str, wanted: str, at: int, end: int, angles: bool = True) -> int:
    """The first `wanted` character outside quotes and angle brackets in text[at:end]; `end` if there is none.

    angles: False where brackets mean nothing, in Via and in parameters. Raises SipError(400) for a quote or a bracket
    that is not closed.
    """
    stop = quote = angle = -1  # each is looked for again only when it was passed: no text is read twice
    while True:
        if stop < at:
            stop = text.find(wanted, at, end)
            if stop < 0:
                stop = end
        if quote < at:
            quote = text.find('"', at, stop)
            if quote < 0:
                quote = stop
        if angle < at:
            angle = text.find("<", at, stop) if angles else stop
            if angle < 0:
                angle = stop
        if angle < quote:
            at = text.find(">", angle, end) + 1
            if at == 0:
                raise SipError(400, "Unclosed Angle Bracket")
        elif quote < stop:
            at = quoted_end(text, quote, end)
            if at < 0:
                raise SipError(400, "Unclosed Quote")
        else:
            return stop


def list_spans(text: str, at: int, end: int, angles: bool = True) -> list[tuple[int, int]]:
    """Where the values of a list with commas stand in text[at:end], blanks around them taken off.

    angles: as for `next_outside`. An empty value has an empty span; an empty text has no values. Raises SipError(400)
    for unclosed quotes or brackets and for more than `MOST_VALUES` values.
    """
    spans: list[tuple[int, int]] = []
    if not text[at:end].strip(BLANKS):
        return spans
    while True:
        stop = next_outside(text, ",", at, end, angles)
        spans.append(trimmed(text, at, stop))
        if stop >= end:
            return spans
        if len(spans) >= MOST_VALUES:
            raise SipError(400, "Too Many Values")
        at = stop + 1


def trimmed(text: str, a: int, b: int) -> tuple[int, int]:
    """The span without the blanks at both ends."""
    while a < b and text[a] in BLANKS:
        a += 1
    while a < b and text[b - 1] in BLANKS:
        b -= 1
    return a, b


def split_list(text: str) -> list[str]:
    """The values of a list with commas; commas inside quotes and angle brackets separate nothing."""
    return [text[a:b] for a, b in list_spans(text, 0, len(text))]


def params_of(text: str) -> list[Param]:
    """The parameters of `;a=b;c`, in order, as written; blanks around them are taken off, empty ones left out.

    Raises SipError(400) for an unclosed quote and for more than `MOST_PARAMETERS` parameters.
    """
    found: list[Param] = []
    end = len(text)
    at = 0
    while at < end:
        stop = next_outside(text, ";", at, end, False) if '"' in text else text.find(";", at)
        if stop < 0:
            stop = end
        part = text[at:stop].strip(BLANKS)
        at = stop + 1
        if not part:
            continue
        if len(found) >= MOST_PARAMETERS:
            raise SipError(400, "Too Many Parameters")
        name, equal, value = part.partition("=")
        found.append((name.rstrip(BLANKS), value.lstrip(BLANKS) if equal else None))
    return found


def param_value(params: str, name: str) -> str | None:
    """The value of the first parameter `name` (small letters) in `;a=b;c`, as written; "" without one, None if absent.

    Raises SipError(400) as `params_of`.
    """
    if not params:
        return None
    for each, value in params_of(params):
        if each.lower() == name:
            return "" if value is None else value
    return None
