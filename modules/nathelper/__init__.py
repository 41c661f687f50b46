"""nathelper: phones behind NATs, seen, helped and pinged (OpenSIPS manual: nathelper).

Numbers instead of words (`nat_uac_test("19")`) are 2.4's spelling of the flags.
"""

from typing import Annotated

from pysips.core.avps import avp_name, push
from pysips.core.context import Context
from pysips.core.exports import Route, function, modparam, param
from pysips.core.log import log
from pysips.errors import ModuleError
from pysips.sip.rewrite import is_one_line
from pysips.sip.text import number

from . import rewriting, where
from .pinging import Pinging

ALL = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL
MOST_BITS = 255


def bits_of(text: int | str, words: dict[str, int]) -> int:
    """`word,word` or a number, in quotes or not, as bits; raises ValueError for an unknown word."""
    if isinstance(text, int):
        text = str(text)
    plain = number(text.strip(), MOST_BITS)
    if plain is not None:
        return plain
    bits = 0
    for word in text.split(","):
        bit = words.get(word.strip())
        if bit is None:
            raise ValueError(f'unknown flag "{word.strip()}": one of {", ".join(words)}')
        bits |= bit
    return bits


def tests(text: int | str) -> int:
    """The tests of nat_uac_test."""
    return bits_of(text, where.WORDS)


def tasks(text: int | str) -> int:
    """The tasks of fix_nated_sdp."""
    return bits_of(text, rewriting.WORDS)


def preserve(text: str) -> str:
    """The one flag of fix_nated_contact; raises ValueError for another."""
    if text not in ("", "preserve-uri"):
        raise ValueError(f'unknown flag "{text}": "preserve-uri"')
    return text


class NatHelper(Pinging):
    received_avp: str | None = param(None, help="The AVP into which fix_nated_register puts the source's URI.")
    nortpproxy_str: str = param("a=nortpproxy:yes", help="The line of add-no-rtpproxy; empty: none.")

    def __init__(self) -> None:
        super().__init__()
        self.skipped = ""

    @modparam("oldip_skip", help='"c", "o": no line with the old address for these.')
    def skip(self, value: str) -> None:
        if not set(value) <= set("co "):
            raise ValueError(f'"{value}" is neither "c" nor "o" nor both')
        self.skipped += value

    def configure(self) -> None:
        self.configure_pings()
        self.nortpproxy_str = self.nortpproxy_str.rstrip("\r\n")
        if not is_one_line(self.nortpproxy_str):
            raise ModuleError("nortpproxy_str is more than one line")
        self.received = avp_name(self.received_avp) if self.received_avp else None
        if self.received_avp and self.received is None:
            raise ModuleError(f'received_avp: "{self.received_avp}" is no AVP: $avp(name)')

    @function("nat_uac_test", routes=ALL)
    def test(self, ctx: Context, flags: Annotated[int | str, tests]) -> int:
        """Whether one of these tests finds that the sender is behind a NAT."""
        return 1 if where.looks_hidden(ctx, int(flags)) else -1

    @function("fix_nated_contact", routes=Route.REQUEST | Route.REPLY | Route.BRANCH | Route.LOCAL)
    def fix_contact(self, ctx: Context, params: str = "", flags: Annotated[str, preserve] = "") -> int:
        """Give every contact the source's address, and more URI parameters; "preserve-uri": keep the old one in it."""
        return rewriting.fix_contacts(ctx, params, bool(flags))

    @function("restore_nated_ruri", routes=Route.REQUEST | Route.BRANCH | Route.LOCAL)
    def restore(self, ctx: Context) -> int:
        """Give the Request-URI the address that "preserve-uri" kept, and go to where it pointed."""
        return rewriting.restore_request_uri(ctx)

    @function("fix_nated_register", routes=Route.REQUEST)
    def fix_register(self, ctx: Context) -> int:
        """Remember the source's URI in received_avp, for save()."""
        if self.received is None:
            log.error(
                "nathelper:fix_nated_register", 'it needs the parameter: modparam("nathelper", "received_avp", …)'
            )
            return -1
        push(ctx, self.received, rewriting.source_uri(ctx))
        return 1

    @function("add_rcv_param", routes=Route.REQUEST)
    def add_received(self, ctx: Context, flag: int = 0) -> int:
        """Put a parameter `received` with the source's URI into the contacts; flag: into their URIs."""
        return rewriting.add_received(ctx, bool(flag))

    @function("fix_nated_sdp", routes=ALL)
    def fix_sdp(self, ctx: Context, flags: Annotated[int | str, tasks], address: str = "", lines: str = "") -> int:
        """Rewrite addresses of the session description to the source's, or to `address`; add lines to it."""
        if (address and not is_one_line(address)) or not rewriting.is_sdp_lines(lines):
            log.error("nathelper:fix_nated_sdp", f"refused: {address} {lines}")
            return -1
        return rewriting.fix_sdp(ctx, int(flags), address, lines, self.nortpproxy_str, self.skipped)
