"""T1, T2, T4 and the timers made from them (RFC 3261 section 17 and its table 4, RFC 6026 section 7). Seconds.

A reliable transport repeats nothing and keeps nothing for stragglers: there timers D, I, J and K are zero.
"""

from typing import Final, final

T1: Final = 0.5  # an estimate of the round trip
T2: Final = 4.0  # the longest pause between two repetitions, INVITE requests excepted
T4: Final = 5.0  # how long a message may stay in the network
C: Final = 180.0  # how long a proxy waits for a final answer to INVITE after the last provisional one (16.6 step 11)


@final
class Timing:
    """The durations that transactions live by; one object serves all of them.

    t1, t2, t4  the base values
    b  INVITE client: no answer at all (timer F of the others is the same); OpenSIPS calls it fr_timeout
    c  INVITE client at a proxy: no final answer; OpenSIPS calls it fr_inv_timeout
    d  INVITE client: for repeated final answers            k  non-INVITE client: the same
    h  INVITE server: no ACK came                           i  INVITE server: for repeated ACKs
    j  non-INVITE server: for repeated requests             l, m  INVITE answered by 2xx, server and client
    """

    __slots__ = ("b", "c", "d", "h", "i", "j", "k", "l", "m", "t1", "t2", "t4")

    def __init__(self, t1: float = T1, t2: float = T2, t4: float = T4, b: float = 0.0, c: float = C) -> None:
        """b: 0 means 64 * T1, as the RFC has it."""
        long = 64 * t1
        self.t1 = t1
        self.t2 = t2
        self.t4 = t4
        self.b = b or long
        self.c = c
        self.d = long if long > 32.0 else 32.0  # table 4: more than 32 s
        self.h = long
        self.i = t4
        self.j = long
        self.k = t4
        self.l = long
        self.m = long
