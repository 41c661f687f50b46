"""What the functions of tm take, as it stands in a script: flags, proxies, status codes."""

import re
from typing import Annotated, Final, NewType

from pysips.core.forward import Hop, destination
from pysips.errors import SipError

from .forking import ALLOW_NO_CANCEL, NO_AUTO_477, NO_DNS_FAILOVER, PASS_REASON

RelayFlags = NewType("RelayFlags", int)
NO_FLAGS: Final = RelayFlags(0)
FLAG_NAMES = {
    "no-auto-477": NO_AUTO_477,
    "no-dns-failover": NO_DNS_FAILOVER,
    "pass-reason-hdr": PASS_REASON,
    "allow-no-cancel": ALLOW_NO_CANCEL,
}
NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")
KNOWN_BITS = 0x1F  # bit 1 was "no 100" in OpenSIPS before 2.1 and means nothing since


def relay_flags(text: str) -> RelayFlags:
    """`no-auto-477,pass-reason-hdr`, or the bits as 2.4 has them (`0x02`, `2`); raises ValueError."""
    if NUMBER.fullmatch(text.strip()):
        bits = int(text, 0)
        if bits & ~KNOWN_BITS:
            raise ValueError(f"{text} has bits that t_relay does not know")
        return RelayFlags(bits)
    bits = 0
    for word in text.split(","):
        name = word.strip()
        if name and name not in FLAG_NAMES:
            raise ValueError(f'unknown flag "{name}": one of {", ".join(FLAG_NAMES)}')
        bits |= FLAG_NAMES.get(name, 0)
    return RelayFlags(bits)


def proxy(text: str) -> Hop:
    """An outbound proxy `[proto:]host[:port]`; raises ValueError."""
    try:
        return destination(text)
    except SipError:
        raise ValueError(f'"{text}" is no destination: [proto:]host[:port]') from None


def relay_argument(text: str) -> RelayFlags | Hop:
    """Flags or an outbound proxy: 3.x has them in this order, 2.4 the other way round, or either alone.

    Raises ValueError for what is neither.
    """
    words = [word.strip() for word in text.split(",")]
    if all(word in FLAG_NAMES for word in words) or NUMBER.fullmatch(text.strip()):
        return relay_flags(text)
    try:
        return proxy(text)
    except ValueError:
        return relay_flags(text)


def status_code(number: int) -> int:
    """A status from 100 to 699; raises ValueError."""
    if not 100 <= number <= 699:
        raise ValueError(f"{number} is no status: 100 to 699")
    return number


StatusCode = Annotated[int, status_code]
Which = NewType("Which", str)


def which_replies(text: str) -> Which:
    """all, branch or last; raises ValueError."""
    word = text.strip().lower()
    if word not in ("all", "branch", "last"):
        raise ValueError(f'"{text}" is none of all, branch, last')
    return Which(word)


CancelFlags = NewType("CancelFlags", str)
NO_LETTERS: Final = CancelFlags("")


def cancel_flags(text: str) -> CancelFlags:
    """a (all branches), o (the others); raises ValueError."""
    flags = text.strip().lower()
    if flags.strip("ao"):
        raise ValueError(f'"{text}": a for all branches, o for the others')
    return CancelFlags(flags)
