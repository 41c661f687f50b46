"""A capture becomes the lines that it was made of, however its segments came."""

import ipaddress
import json
import struct
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pytest

from .record import NoCapture, explained, lines, main, said
from .samples import Sample, samples, session

NODES = {"127.0.0.1": (1, "4.0.1"), "127.0.0.2": (2, "4.0.1"), "127.0.0.3": (3, "4.0.1")}
BEGAN = 1_795_384_201.0


def frame(source: str, target: str, ports: tuple[int, int], seq: int, flags: int, data: bytes) -> bytes:
    """A TCP segment in IP in Ethernet."""
    tcp = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFF_FFFF, 0, 5 << 4, flags, 1000, 0, 0) + data
    if ":" in source:
        addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
        return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + addresses + tcp
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    return bytes(12) + b"\x08\x00" + struct.pack("!BBHHHBBH", 69, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses + tcp


def capture(frames: Iterable[tuple[float, bytes]]) -> bytes:
    rows = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)]
    for t, data in frames:
        rows.append(struct.pack("<IIII", int(t), int(t % 1 * 1_000_000 + 0.5), len(data), len(data)) + data)
    return b"".join(rows)


def recorded(session: list[Sample], size: int) -> list[tuple[float, bytes]]:
    """The session as frames of at most `size` bytes of data each; sequence numbers begin anew on the way."""
    frames, at = [], {1: 0xFFFF_FF00, 2: 7, 3: 99}
    for number in at:
        other = 2 if number == 1 else 1
        syn = frame(f"127.0.0.{number}", f"127.0.0.{other}", (40_000, 5555), at[number] - 1, 2, b"")
        frames.append((BEGAN, syn))
    for one in session:
        for start in range(0, len(one.data), size):
            piece = one.data[start : start + size]
            ends = f"127.0.0.{one.from_node}", f"127.0.0.{one.to_node}"
            frames.append((BEGAN + one.t, frame(*ends, (40_000, 5555), at[one.from_node], 24, piece)))
            at[one.from_node] += len(piece)
    return frames


def found(frames: list[tuple[float, bytes]], scenario: str) -> list[dict[str, object]]:
    return list(lines(said(capture(frames)), scenario, NODES))


def expected(session: list[Sample]) -> list[dict[str, object]]:
    rows = [asdict(one) for one in session]
    for row in rows:
        del row["id"]
    return rows


@pytest.mark.parametrize("size", [1460, 50])
def test_a_capture_of_a_session_becomes_the_lines_of_that_session(size: int) -> None:
    name = "full-sharing-handshake"
    assert found(recorded(session(name), size), name) == expected(session(name))


def test_what_was_sent_twice_or_came_too_early_counts_once_and_in_its_place() -> None:
    name = "full-sharing-handshake"
    frames = recorded(session(name), 50)
    mixed = [*frames[:3]]
    for at in range(3, len(frames) - 1, 2):
        mixed += [frames[at + 1], frames[at], frames[at + 1], frames[at]]
    mixed += frames[3 + (len(frames) - 3) // 2 * 2 :]
    [ours, plain] = [
        [(one["from_node"], one["hex"]) for one in rows] for rows in (found(mixed, name), expected(session(name)))
    ]
    for number in (1, 2):
        assert [one for one in ours if one[0] == number] == [one for one in plain if one[0] == number]


@pytest.mark.parametrize("one", samples(), ids=lambda one: one.id)
def test_every_sample_is_explained_as_it_is_in_the_file(one: Sample) -> None:
    assert explained(one.packet, one.dialect) == one.decoded


def test_connections_of_others_and_of_other_protocols_are_left_out() -> None:
    ping = session("full-sharing-handshake")[0].data
    frames = [
        (BEGAN, frame("127.0.0.1", "127.0.0.9", (1, 2), 5, 24, ping)),
        (BEGAN, frame("127.0.0.1", "127.0.0.2", (1, 2), 5, 24, b"OPTIONS sip:a@b SIP/2.0")),
        (BEGAN, frame("127.0.0.1", "127.0.0.2", (1, 2), 28, 24, ping)),
        (BEGAN, b"no packet at all"),
        (BEGAN, frame("::1", "::2", (1, 2), 5, 24, ping)),
    ]
    assert found(frames, "x") == []
    assert [ends for _, *ends, _ in said(capture(frames))] == [["127.0.0.1", "127.0.0.9"], ["::1", "::2"]]


@pytest.mark.parametrize("data", [b"", b"no capture", struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 147)])
def test_a_file_that_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(NoCapture):
        list(said(data))


def test_the_command_prints_a_line_for_each_packet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "full-sharing-handshake"
    file = tmp_path / "nodes.pcap"
    file.write_bytes(capture(recorded(session(name), 1460)))
    main([str(file), name, "1=127.0.0.1=4.0.1", "2=127.0.0.2=4.0.1"])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["hex"] for one in printed] == [one.hex for one in session(name)]
