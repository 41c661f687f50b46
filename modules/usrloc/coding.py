"""Records as bytes for the shared table.

A message's text may hold bytes that are no UTF-8 (PEP 383). msgpack cannot write them, so such a record is written with
each of its texts turned into Latin-1 letters, one for a byte, and says so (`BYTES`).
"""

from typing import Any, Final

import msgspec

from .records import BYTES, PLAIN, Contact, Record

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """The record as the table keeps it."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:
        return _encoder.encode(_with_texts(record, BYTES, _as_letters))


def decode(data: bytes) -> Record:
    """The record that `encode` wrote."""
    record = _decoder.decode(data)
    return record if record.form == PLAIN else _with_texts(record, PLAIN, _as_text)


def _as_letters(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _as_text(letters: str) -> str:
    return letters.encode("latin-1").decode("utf-8", "surrogateescape")


def _with_texts(record: Record, form: int, turned: Any) -> Record:
    """A copy with every text turned."""

    def turn(value: Any) -> Any:
        if isinstance(value, str):
            return turned(value)
        if isinstance(value, dict):
            return {turned(name): turn(each) for name, each in value.items()}
        return value

    names = Contact.__struct_fields__
    contacts = [Contact(*[turn(getattr(contact, name)) for name in names]) for contact in record.contacts]
    return Record(form, record.base, record.next_id, contacts, turn(record.more))
