"""The kernel gives a datagram to the worker that owns its call: a filter on the sockets of one address.

Facts:
- a group of SO_REUSEPORT sockets may have a program that chooses among them (SO_ATTACH_REUSEPORT_CBPF, socket(7)): in
  classic BPF, which any user may attach. It sees what the datagram holds and answers with the number of a socket, in
  the order in which they were bound. An answer beyond them leaves the choice to the kernel, by the peer's address;
- so a message need not be handed from worker to worker, which costs both of them more than an OPTIONS does altogether;
- it is no more than a hint: what it misses (a Call-ID spelled or placed otherwise, an old kernel) is handed over;
- classic BPF has no loops, so both are unrolled: the search and the sum. The search compares every eighth group of four
  bytes with the eight such groups that lie in "\\r\\nCall-ID: ": one of them is there wherever the line begins;
- the sum is `share`: the first bytes of the Call-ID as one number, modulo a prime that strangers do not know;
- kernels before 6.8 take 20 KiB of translated program (net.core.optmem_max): they get a shorter search.
"""

import ctypes
import socket
import struct
from typing import Final

HASHED: Final = 64  # bytes of a Call-ID that count
SEARCHED: Final = (960, 384)  # bytes of a message in which its Call-ID is looked for: what is tried in turn
LARGEST_PRIME: Final = 1 << 24  # so that a remainder and one more byte fit into 32 bits
LINE: Final = b"\r\nCall-ID: "
WORD: Final = 4
STRIDE: Final = len(LINE) - WORD + 1
BLOCK: Final = 4 * STRIDE  # bytes: how long the message is is asked once for each
BLANK: Final = 32  # it, and what is less, ends a Call-ID
NO_SOCKET: Final = 0xFFFFFFFF

# asm-generic/socket.h; Python has no names for them.
SO_ATTACH_REUSEPORT_CBPF: Final = 51
SO_DETACH_REUSEPORT_BPF: Final = 68

# linux/bpf_common.h: A and X are the registers, M a cell of memory, k the constant.
LOAD_WORD: Final = 0x20  # A = the four bytes at k
LOAD_BYTE: Final = 0x50  # A = the byte at X + k
LOAD_LENGTH: Final = 0x80
LOAD_CONSTANT: Final = 0x00
LOAD_CELL: Final = 0x60
STORE_CELL: Final = 0x02
X_IS_CONSTANT: Final = 0x01
X_IS_CELL: Final = 0x61
X_TO_CELL: Final = 0x03
A_TO_X: Final = 0x07
X_TO_A: Final = 0x87
ADD: Final = 0x04
SHIFT: Final = 0x64  # A <<= k
OR_X: Final = 0x4C
MODULO: Final = 0x94
IF_EQUAL: Final = 0x15  # to `yes` or `no`, so many instructions on
IF_GREATER: Final = 0x25
IF_NOT_LESS: Final = 0x35
GO: Final = 0x05  # k instructions on
ANSWER: Final = 0x06  # k
ANSWER_A: Final = 0x16

SUM, BYTE, PLACE = 0, 1, 2  # cells


def share(call_id: bytes, prime: int, slots: int) -> int:
    """The slot that a Call-ID falls to."""
    return int.from_bytes(call_id[:HASHED], "big") % prime % slots


class Program:
    """Instructions, with jumps whose ends come later."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def add(self, operation: int, k: int = 0, yes: int = 0, no: int = 0) -> None:
        self.code.append((operation, yes, no, k))

    def go(self) -> int:
        """A jump; what it answers is to be given to `land`."""
        self.add(GO)
        return len(self.code) - 1

    def land(self, jumps: list[int]) -> None:
        """These jumps end here."""
        for at in jumps:
            self.code[at] = (GO, 0, 0, len(self.code) - at - 1)

    def packed(self) -> bytes:
        """As the kernel wants it (struct sock_filter)."""
        return b"".join([struct.pack("HBBI", *instruction) for instruction in self.code])


def chooser(prime: int, slots: int, searched: int) -> Program:
    """The program: the number of the socket for a message, by its Call-ID."""
    made = Program()
    find_line(made, searched)
    made.add(LOAD_BYTE)
    made.add(IF_EQUAL, ord(" "), no=3)
    made.add(X_TO_A)
    made.add(ADD, 1)
    made.add(A_TO_X)
    add_up(made, prime)
    made.add(MODULO, slots)
    made.add(ANSWER_A)
    return made


def find_line(made: Program, searched: int) -> None:
    """X = where the value begins, behind the colon; without the line the program is over."""
    words = [int.from_bytes(LINE[at : at + WORD], "big") for at in range(STRIDE)]
    hits = []
    for at in range(0, searched, STRIDE):
        if at % BLOCK == 0:  # what is read beyond the end ends the program with 0
            made.add(LOAD_LENGTH)
            made.add(IF_NOT_LESS, at + BLOCK, yes=1)
            made.add(ANSWER, NO_SOCKET)
        made.add(X_IS_CONSTANT, at)
        made.add(LOAD_WORD, at)
        for left in range(STRIDE - 1, -1, -1):
            made.add(IF_EQUAL, words[STRIDE - 1 - left], yes=left, no=0 if left else 1)
        hits.append(made.go())
    made.add(ANSWER, NO_SOCKET)
    made.land(hits)
    hits = []
    for at, word in enumerate(words):
        made.add(IF_EQUAL, word, no=4)
        made.add(X_TO_A)
        made.add(ADD, LINE.index(b":") + 1 - at)
        made.add(A_TO_X)
        hits.append(made.go())
    made.add(ANSWER, NO_SOCKET)
    made.land(hits)


def add_up(made: Program, prime: int) -> None:
    """A = the bytes from X on to the first blank as one number, modulo `prime`."""
    made.add(X_TO_CELL, PLACE)
    made.add(LOAD_CONSTANT, 0)
    made.add(STORE_CELL, SUM)
    ends = []
    for at in range(HASHED):
        made.add(LOAD_BYTE, at)
        made.add(IF_GREATER, BLANK, yes=1)
        ends.append(made.go())
        made.add(STORE_CELL, BYTE)
        made.add(X_IS_CELL, BYTE)
        made.add(LOAD_CELL, SUM)
        made.add(SHIFT, 8)
        made.add(OR_X)
        made.add(MODULO, prime)
        made.add(STORE_CELL, SUM)
        made.add(X_IS_CELL, PLACE)
    made.land(ends)
    made.add(LOAD_CELL, SUM)


def steer(sock: socket.socket, prime: int, slots: int) -> None:
    """Let the kernel choose among all sockets bound to the address of this one, which are in the order of slots.

    Raises OSError where it will not.
    """
    for searched in SEARCHED:
        program = chooser(prime, slots, searched)
        data = ctypes.create_string_buffer(program.packed())
        header = struct.pack("HP", len(program.code), ctypes.addressof(data))  # struct sock_fprog
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, header)
            return
        except OSError:
            if searched == SEARCHED[-1]:
                raise


def leave(sock: socket.socket) -> None:
    """No longer. Raises OSError if there is no such program."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)
