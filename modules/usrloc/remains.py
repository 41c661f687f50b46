"""What remains of a contact that was taken off here: enough to know it when a partner that missed that brings it back.

A pair whose link was lost compares all contacts when it is back. A contact that one side unregistered meanwhile is
still at the other, which would give it back. So whoever takes contacts off keeps their URI and Call-ID, with the CSeq
that they had, until the contact would have expired; what comes with no higher CSeq is refused, and its sender told.
"""

from hashlib import blake2b
from typing import Final

import msgspec

from pysips.core.services import Tables, Transaction

from .records import Contact

KIND: Final = b"R"  # of records in the shared table
LEAST: Final = 120  # seconds that something is kept
MOST: Final = 86_400
PAGE: Final = 200


class Remains(msgspec.Struct, array_like=True, gc=False):
    """cseq: the last one known; until: unix seconds."""

    cseq: int
    until: int


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Remains).decode


def place_of(key: bytes, uri: str, callid: str) -> bytes:
    """key: of the AoR."""
    which = f"{uri}\0{callid}".encode("utf-8", "surrogateescape")
    return blake2b(key, digest_size=16).digest() + blake2b(which, digest_size=16).digest()


def keep(transaction: Transaction, key: bytes, contact: Contact, now: int) -> None:
    """Raises TablesFull."""
    until = min(max(contact.expires, now + LEAST), now + MOST) if contact.expires else now + MOST
    transaction.put(KIND, place_of(key, contact.uri, contact.callid), encode(Remains(contact.cseq, until)))


def forget(transaction: Transaction, key: bytes, contact: Contact) -> None:
    """The contact is back, by its phone's own wish."""
    transaction.delete(KIND, place_of(key, contact.uri, contact.callid))


def is_gone(tables: Tables, key: bytes, uri: str, callid: str, cseq: int, now: int) -> bool:
    """Whether what somebody brings is what was taken off here."""
    found = tables.get(KIND, place_of(key, uri, callid))
    if found is None:
        return False
    remains = decode(found)
    return remains.until > now and cseq <= remains.cseq


def tidy(tables: Tables, after: bytes, now: int) -> bytes:
    """Throw away what nobody needs any more, a page at a time; answers where to go on, b"" at the end."""
    page = tables.scan(KIND, after, PAGE)
    gone = [key for key, value in page if decode(value).until <= now]
    if gone:
        transaction = tables.begin()
        for key in gone:
            transaction.delete(KIND, key)
        transaction.commit()
    return page[-1][0] if len(page) == PAGE else b""
