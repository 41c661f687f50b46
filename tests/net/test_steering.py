"""The kernel gives a datagram to the socket of the worker that owns its call. Real sockets, on loopback."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from pysips.net.steering import SEARCHED, leave, share, steer

PRIME = 8_388_593
SLOTS = 3
Group = list[socket.socket]


def opened(family: socket.AddressFamily, host: str) -> Group:
    group: Group = []
    for _ in range(SLOTS):
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.setblocking(False)
        one.bind((host, group[0].getsockname()[1] if group else 0))
        group.append(one)
    return group


@pytest.fixture(params=["127.0.0.1", "::1"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    """The sockets of three workers, chosen by Call-ID."""
    group = opened(socket.AF_INET6 if ":" in request.param else socket.AF_INET, request.param)
    steer(group[0], PRIME, SLOTS)
    yield group
    for one in group:
        one.close()


def slot_of(group: Group, data: bytes) -> int:
    """The worker to whose socket the kernel gives it, sent from a port of its own."""
    with socket.socket(group[0].family, socket.SOCK_DGRAM) as phone:
        phone.sendto(data, group[0].getsockname())
    found = []
    for slot, one in enumerate(group):
        with contextlib.suppress(BlockingIOError):
            found += [slot] if one.recv(65535) == data else []
    assert len(found) == 1
    return found[0]


def request(call_id: bytes, before: int = 0, line: bytes = b"Call-ID: ") -> bytes:
    """A request with so many more bytes before its Call-ID."""
    via = b"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK" + b"x" * before
    return via + b"\r\n" + line + call_id + b"\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("before", [*range(9), 400, SEARCHED[0] - 90])
def test_a_message_comes_to_its_owner_wherever_its_call_id_stands(group: Group, before: int) -> None:
    for call in range(8):
        call_id = b"f81d4fae-%d@10.0.0.1" % call
        assert slot_of(group, request(call_id, before)) == share(call_id, PRIME, SLOTS)


@pytest.mark.parametrize("length", [1, 2, 3, 63, 64, 65, 200])
def test_call_ids_of_any_length_count_by_their_first_bytes(group: Group, length: int) -> None:
    for letter in b"aZ09~\xff":
        call_id = bytes([letter, *range(48, 48 + 75)] * 3)[:length]
        assert slot_of(group, request(call_id)) == share(call_id, PRIME, SLOTS)


def test_a_blank_ends_a_call_id(group: Group) -> None:
    for call in range(8):
        assert slot_of(group, request(b"%d  " % call)) == share(b"%d" % call, PRIME, SLOTS)


def test_most_lines_without_a_blank_are_found_too(group: Group) -> None:
    found = [
        slot_of(group, request(b"%d@h" % call, before, b"Call-ID:")) == share(b"%d@h" % call, PRIME, SLOTS)
        for call in range(8)
        for before in range(8)
    ]
    assert found.count(True) >= 7 * 8


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\0", b"x" * 1500, request(b"a@h", 0, b"i: "), request(b"", 2000)])
def test_what_has_no_call_id_is_spread_by_its_sender(group: Group, data: bytes) -> None:
    assert {slot_of(group, data) for _ in range(60)} == set(range(SLOTS))


def test_one_worker_needs_no_choice(group: Group) -> None:
    leave(group[0])
    assert {slot_of(group, request(b"a@h")) for _ in range(60)} == set(range(SLOTS))
    with pytest.raises(OSError):
        leave(group[0])


def test_calls_that_differ_in_one_byte_are_spread() -> None:
    spread = [share(b"%d-4711@10.0.0.1" % call, PRIME, 4) for call in range(4000)]
    assert all(800 < spread.count(slot) < 1200 for slot in range(4))
