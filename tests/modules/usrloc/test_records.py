"""Records: what is written comes back, whatever bytes a phone sent."""

from hypothesis import given
from hypothesis import strategies as st

from pysips.modules.usrloc.coding import decode, encode
from pysips.modules.usrloc.records import BYTES, PLAIN, Contact, Record

WIRE = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))


def contact(uri: str, user_agent: str = "ua") -> Contact:
    return Contact(uri, 7, 1_700_000_000, 1_600_000_000, "call", 1, user_agent)


@given(WIRE, WIRE, st.none() | st.dictionaries(WIRE, WIRE | st.integers(-5, 5), max_size=2))
def test_what_is_written_comes_back(uri: str, user_agent: str, more: dict[str, str | int] | None) -> None:
    record = Record(PLAIN, 1 << 60, 3, [contact(uri, user_agent)], more)
    record.contacts[0].more = more
    assert decode(encode(record)) == record


def test_text_is_kept_as_it_is() -> None:
    assert "Büro".encode() in encode(Record(PLAIN, 0, 0, [contact("sip:a@h", "Büro")]))


def test_bytes_that_are_no_text_are_marked() -> None:
    written = encode(Record(PLAIN, 0, 0, [contact("sip:a@h", "B\udcfcro")]))
    assert written[1] == BYTES


def test_a_usual_contact_is_small() -> None:
    usual = Contact(
        "sip:alice@192.168.1.100:5060", 1 << 60, 1_764_000_000, 1_764_000_000, "843817637684230@998sdasdh09", 1826,
        "bench-ua/1.0", "udp:127.0.0.1:5060",
    )  # fmt: skip
    assert len(encode(Record(PLAIN, 1 << 60, 1, [usual]))) < 150
