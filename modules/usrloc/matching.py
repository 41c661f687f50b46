"""Which stored contact a registering one is (RFC 3261 section 10.3, step 7; OpenSIPS usrloc manual, `matching_mode`).

Facts:
- by contact: the URIs are compared as section 19.1.4 says;
- by contact and Call-ID: both; the same phone under another Call-ID is another binding;
- by a URI parameter: its values are compared as text, and a contact that lacks it matches everything, as in OpenSIPS;
- a contact marked as deleted matches nothing;
- nearly always the same text comes back, so a look for that goes before any parsing.
"""

from typing import Final

from pysips.errors import SipError
from pysips.sip.uri import equal, parse_uri

from .records import DELETED, Contact

BY_CONTACT: Final = 0
BY_CONTACT_AND_CALLID: Final = 1
BY_PARAM: Final = 2
NONE: Final = -1


def find_contact(contacts: list[Contact], uri: str, callid: str, mode: int, param: str) -> int:
    """The place of the contact that `uri` is, or NONE. param: the URI parameter of BY_PARAM."""
    if mode == BY_PARAM:
        return find_by_param(contacts, uri, param)
    for place, contact in enumerate(contacts):
        if contact.uri == uri and contact.expires != DELETED and (mode == BY_CONTACT or contact.callid == callid):
            return place
    if len(contacts) == 0:
        return NONE
    outline = outline_of(uri)
    for place, contact in enumerate(contacts):
        if contact.expires != DELETED and (mode == BY_CONTACT or contact.callid == callid):
            other = contact.uri
            if (not outline or outline == outline_of(other)) and equal(other, uri):
                return place
    return NONE


def outline_of(uri: str) -> str:
    """Scheme, user, host and port of a SIP URI in small letters: equal URIs have it alike. "" if that takes parsing."""
    if not uri.startswith("sip") or "%" in uri:
        return ""
    at = uri.find("@") + 1
    end = uri.find("?", at)
    if end < 0:
        end = len(uri)
    semicolon = uri.find(";", at, end)
    return uri[: semicolon if semicolon >= 0 else end].lower()


def find_by_param(contacts: list[Contact], uri: str, param: str) -> int:
    """See find_contact."""
    wanted = uri_param(uri, param)
    for place, contact in enumerate(contacts):
        if contact.expires != DELETED:
            stored = uri_param(contact.uri, param)
            if wanted is None or stored is None or wanted == stored:
                return place
    return NONE


def uri_param(uri: str, name: str) -> str | None:
    """A URI's parameter, None if it has none of that name or cannot be read."""
    try:
        return parse_uri(uri).param(name)
    except SipError:
        return None
