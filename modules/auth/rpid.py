"""Remote-Party-ID: who calls, by what the database says (draft-ietf-sip-privacy-04; OpenSIPS: modules/auth, rpid)."""

from pysips.core.context import Context
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.address import parse_address
from pysips.sip.rewrite import is_one_line

from ..sipmsgops.api import is_e164


def saved(ctx: Context, name: str) -> str:
    """The text that an AVP holds; "" for none."""
    if not name:
        log.error("auth", "rpid_avp names no AVP")
        return ""
    values = ctx.avps.get(name)
    return str(values[-1]) if values and isinstance(values[-1], str) else ""


def append(ctx: Context, name: str, prefix: str, suffix: str) -> int:
    """Put the header behind the others: 1, or -1 if there is nothing to say."""
    said = saved(ctx, name)
    if not said:
        return -1
    line = "Remote-Party-ID: " + prefix + said + suffix
    if not is_one_line(line):
        log.error("auth", "append_rpid_hf: what would leave its line is refused")
        return -1
    ctx.edits.insert(ctx.message.starts[-1], line + "\r\n")
    return 1


def is_number(ctx: Context, name: str) -> int:
    """Whether the URI in it has an E.164 number for its user."""
    said = saved(ctx, name)
    if not said:
        return -1
    try:
        return is_e164(parse_address(said).uri)
    except SipError:
        return -1
