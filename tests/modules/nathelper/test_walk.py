"""The walk over the table, and the parts of a ping."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pysips.core.services import Owners, Services, Socket
from pysips.modules.nathelper.spoofed import datagram
from pysips.modules.nathelper.texts import Texts, contact_of, from_reverse_hex, reverse_hex
from pysips.modules.nathelper.walk import BURST, PIECE, Walk
from pysips.modules.usrloc.records import Contact
from pysips.sip.message import read
from pysips.testing import fakes
from pysips.testing.messages import answer
from pysips.testing.tables import MemoryTable

TICK = 0.05


class Counting(MemoryTable):
    """largest: records that a single read asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def scan(self, kind: bytes, after: bytes = b"", most: int = 500) -> list[tuple[bytes, bytes]]:
        self.largest = max(self.largest, most)
        return super().scan(kind, after, most)


def filled(count: int, tables: MemoryTable | None = None) -> MemoryTable:
    tables = tables or MemoryTable()
    for number in range(count):
        tables.put(b"L", f"location\0user{number:06}".encode(), b"x")
    return tables


@settings(deadline=None, max_examples=40)
@given(count=st.integers(0, 700), interval=st.integers(1, 60), start=st.floats(0, 1e6))
def test_each_record_comes_once_in_each_interval(count: int, interval: int, start: float) -> None:
    walk = Walk(filled(count), interval)
    ticks = interval * 20
    seen: list[bytes] = []
    for tick in range(2 * ticks + 1):
        seen += [key for key, _ in walk.step(start + tick * TICK, count)]
    assert len(set(seen)) == count
    assert 2 * count <= len(seen) + 1 + count // ticks and len(seen) <= 2 * count + 1 + count // ticks


def test_no_read_transaction_is_long_and_no_tick_is_a_heap() -> None:
    tables = Counting()
    walk = Walk(filled(3000, tables), 10)
    heaps = [len(walk.step(100.0 + tick * TICK, 3000)) for tick in range(200)]
    assert max(heaps) <= 3000 / 200 + 1
    assert tables.largest <= PIECE


def test_who_comes_late_catches_up_bit_by_bit() -> None:
    walk = Walk(filled(2000), 10)
    walk.step(100.0, 2000)
    late = [len(walk.step(105.0 + tick * TICK, 2000)) for tick in range(100)]
    assert max(late) <= max(PIECE, BURST * 1000 + 1)
    assert sum(late) >= 1990


def test_a_table_that_grows_is_walked_to_its_end() -> None:
    tables = filled(100)
    walk = Walk(tables, 10)
    seen: list[bytes] = []
    for tick in range(100):
        seen += [key for key, _ in walk.step(tick * TICK, 100)]
    filled(1500, tables)
    for tick in range(100, 230):
        seen += [key for key, _ in walk.step(tick * TICK, 1500)]
    assert len(set(seen)) == 1500


def test_an_empty_table_costs_one_look_a_pass() -> None:
    tables = Counting()
    walk = Walk(tables, 10)
    assert [walk.step(tick * TICK, 0) for tick in range(199)] == [[]] * 199
    assert tables.largest == 0


@given(st.integers(0, (1 << 64) - 1))
def test_reverse_hex_reads_back(number: int) -> None:
    assert from_reverse_hex(reverse_hex(number)) == number


def test_reverse_hex_is_the_lowest_digit_first() -> None:
    assert reverse_hex(0x2F540000000341C) == "c143000000045f2"
    for bad in ("", "xyz", "1" * 17, "-1", "١"):
        assert from_reverse_hex(bad) == -1


class FourWorkers(Owners):
    """Owners that put Call-IDs into four slots."""

    def call_slot(self, call_id: str) -> int:
        return sum(call_id.encode()) % 4

    def owner_of(self, data: bytes) -> int:
        return 0


def test_a_pings_call_id_is_its_workers_own_and_its_answer_is_known() -> None:
    services = Services()
    fakes.fill(services)
    services.owners = FourWorkers()
    services.slots, services.slot = 4, 2
    texts = Texts(services, "INFO", '"P" <sip:p@example.com>')
    seen = set()
    for number in range(50):
        data = texts.ping(f"sip:u{number}@10.0.0.1", "", Socket(0, "udp", "2001:db8::1", 5060), 77 + number)
        ping = read(data)
        assert services.call_slot(ping.call_id()) == 2
        assert ping.call_id().endswith("@[2001:db8::1]")
        assert ping.value("F").startswith('"P" <sip:p@example.com>;tag=')
        reply = read(answer(ping, 200).encode())
        assert texts.is_answer(reply)
        assert contact_of(reply) == 77 + number
        seen.add(ping.call_id())
    assert len(seen) == 50


def test_a_ping_that_does_not_count_names_no_contact() -> None:
    services = Services()
    fakes.fill(services)
    texts = Texts(services, "OPTIONS", "sip:p@example.com")
    reply = read(answer(read(texts.ping("sip:u@10.0.0.1", "", Socket(0, "udp", "10.0.0.9", 5060), -1)), 200).encode())
    assert texts.is_answer(reply)
    assert contact_of(reply) == -1


def test_a_contact_of_bytes_that_are_no_utf_8_is_pinged_as_it_came() -> None:
    services = Services()
    fakes.fill(services)
    contact = Contact("sip:\udce4@10.0.0.1", 1, 0, 0, "c", 1, "ua")
    texts = Texts(services, "OPTIONS", "sip:p@example.com")
    data = texts.ping(contact.uri, "", Socket(0, "udp", "10.0.0.9", 5060), 1)
    assert data.startswith(b"OPTIONS sip:\xe4@10.0.0.1 SIP/2.0\r\n")


def test_a_spoofed_datagram_has_its_two_heads() -> None:
    made = datagram(b"\x0a\0\0\x01", 5060, b"\xcb\0\x71\x05", 7000, b"\0\0\0\0")
    assert made.hex() == "45000020000000004011" + "0000" + "0a000001" + "cb007105" + "13c41b58000c0000" + "00000000"
