"""Messages as files: what is read out of each, or how it is refused. A new case is two files in tests/wire."""

import json
from pathlib import Path
from typing import Any

import pytest

from pysips.errors import SipError
from pysips.sip import scan
from pysips.sip.address import parse_addresses
from pysips.sip.headers import CONTACT, FROM, TO, VIA
from pysips.sip.message import Message, read
from pysips.sip.uri import aor_of, parse_uri
from pysips.sip.validate import check
from pysips.sip.via import bare, parse_vias

WIRE = Path(__file__).resolve().parent.parent / "wire"
VALID = sorted((WIRE / "valid").glob("*.sip"))
INVALID = sorted((WIRE / "invalid").glob("*.sip"))


def expected(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return found


def seen(message: Message, what: str) -> Any:
    """What a message says to one of the questions that the files ask."""
    match what:
        case "user" | "password" | "host" | "port" | "scheme":
            return getattr(parse_uri(message.uri), what)
        case "display":
            return message.address(FROM).name
        case "from_aor":
            return aor_of(message.address(FROM).uri)
        case "to_aor":
            return aor_of(message.address(TO).uri)
        case "contacts":
            return [contact.uri for value in message.values(CONTACT) for contact in parse_addresses(value)]
        case "cseq":
            return list(message.cseq())
        case "vias" | "branches" | "via_count":
            vias = [via for value in message.values(VIA) for via in parse_vias(value)]
            if what == "via_count":
                return len(vias)
            return [via.branch if what == "branches" else str(via).partition(";")[0] for via in vias]
        case _:
            found = getattr(message, what)
            return found() if callable(found) else found


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_what_the_checks_keep_is_what_a_reader_finds(path: Path) -> None:
    data = path.read_bytes()
    check(read(data))
    quick, fresh = read(data), read(data)
    check(quick)
    assert (quick.branch(), quick.call_id(), quick.cseq()) == (fresh.branch(), fresh.call_id(), fresh.cseq())
    assert (quick.from_tag(), quick.to_tag()) == (fresh.from_tag(), fresh.to_tag())
    if quick.via is not None:
        via = fresh.top_via()
        assert (quick.via.host, quick.via.port) == (bare(via.host), via.port or via.default_port)
        assert not quick.via.plain or (via.rport, via.received, via.maddr) == (None, "", "")


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_legal_message_is_read_and_kept_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    want = expected(path)
    message = read(data)
    check(message)
    check(message)  # once carefully, once by what is remembered
    for what, value in want.items():
        if what == "headers":
            for name, text in value.items():
                assert text is None or message.header(name) == text, name
        elif what not in ("about", "cut"):
            assert seen(message, what) == value, what
    if want.get("cut"):
        assert message.data() in data
    else:
        assert message.data() == data


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_what_rfc_3261_forbids_is_refused_with_its_status(path: Path) -> None:
    status = expected(path)["status"]
    try:
        message = read(path.read_bytes())
    except SipError:
        assert status is None
        return
    for _ in range(2):
        with pytest.raises(SipError) as caught:
            check(message)
    assert status is None or caught.value.status == status
    assert status is not None or message.status  # None: dropped, which is what becomes of a bad reply


@pytest.mark.parametrize("path", VALID + INVALID, ids=lambda path: path.stem)
def test_both_readers_see_the_same(path: Path) -> None:
    data = path.read_bytes().lstrip(b"\r\n")
    if data.isascii() and data:
        text = data.decode()
        assert scan.scan_bytes(data, text) == scan.scan_plain(data, text) == scan.scan_careful(data, text)


@pytest.mark.parametrize("path", VALID + INVALID, ids=lambda path: path.stem)
def test_reading_what_was_read_changes_nothing(path: Path) -> None:
    try:
        first = read(path.read_bytes())
    except SipError:
        return
    again = read(first.data())
    assert (again.text, again.kinds, again.starts, again.status) == (
        first.text,
        first.kinds,
        first.starts,
        first.status,
    )
