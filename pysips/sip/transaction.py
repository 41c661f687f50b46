"""The four state machines of RFC 3261 section 17, with the corrections of RFC 6026. No socket, no clock.

Facts:
- whoever drives a machine (`tm`) keeps its state, looks up what happened, and does what the arrow says, bits of it;
- what is not in the drawing changes nothing and asks for nothing: a stray ACK, a second final answer, a late timer;
- RFC 6026 adds the state Accepted. A 2xx to INVITE ends nothing: repeated INVITEs are absorbed and repeated 2xx pass
  through until timer L (server) or M (client). So no 2xx is lost, and no INVITE starts a second call;
- a transport that fails is told to the user of the transaction. In an INVITE server it does not end the transaction
  (RFC 6026 section 7.1); a client or a non-INVITE server ends with it;
- timer C is not in the drawings, it is the proxy's own (section 16.6 step 11); an INVITE client ends with it as with B.

Each table below has one row for each arrow of its figure: (state, what happened) -> (next state, what to do).
"""

from typing import Final

# States. TRYING of the non-INVITE machines is CALLING of the INVITE client: the one in which nothing was heard yet.
TRYING: Final = 0
CALLING: Final = 0
PROCEEDING: Final = 1
COMPLETED: Final = 2
CONFIRMED: Final = 3
ACCEPTED: Final = 4
TERMINATED: Final = 5
STATES: Final = ("Trying", "Proceeding", "Completed", "Confirmed", "Accepted", "Terminated")

# What happens. SENT_… : the transaction's user answers; HEARD_… : something came from the network.
HEARD_AGAIN: Final = 0  # server: the request was repeated
HEARD_ACK: Final = 1  # server: an ACK
SENT_1XX: Final = 2
SENT_2XX: Final = 3
SENT_FINAL: Final = 4  # 300-699; a non-INVITE server takes SENT_2XX in the same way
HEARD_1XX: Final = 5
HEARD_2XX: Final = 6
HEARD_FINAL: Final = 7  # 300-699; a non-INVITE client takes HEARD_2XX in the same way
REPEAT: Final = 8  # timer A, E or G
TIME_OUT: Final = 9  # timer B, C, F or H: patience is over
LINGERED: Final = 10  # timer D, I, J, K, L or M: stragglers may be forgotten
SEND_FAILED: Final = 11
EVENTS: Final = 12

# What to do, as bits.
NOTHING: Final = 0
SEND: Final = 1  # send the answer at hand and keep it for repetitions
RESEND: Final = 2  # send the last message of this transaction once more
PASS: Final = 4  # give what came to the transaction's user
ACKNOWLEDGE: Final = 8  # send the ACK for a negative answer to INVITE
TELL: Final = 16  # tell the user that the transaction failed
FORGET: Final = 32  # the transaction is over

Arrows = dict[tuple[int, int], tuple[int, int]]

# RFC 6026 figure 5: the INVITE server transaction.
INVITE_SERVER: Final[Arrows] = {
    (PROCEEDING, HEARD_AGAIN): (PROCEEDING, RESEND),
    (PROCEEDING, SENT_1XX): (PROCEEDING, SEND),
    (PROCEEDING, SENT_2XX): (ACCEPTED, SEND),
    (PROCEEDING, SENT_FINAL): (COMPLETED, SEND),
    (PROCEEDING, SEND_FAILED): (PROCEEDING, TELL),
    (COMPLETED, HEARD_AGAIN): (COMPLETED, RESEND),
    (COMPLETED, REPEAT): (COMPLETED, RESEND),
    (COMPLETED, HEARD_ACK): (CONFIRMED, NOTHING),
    (COMPLETED, SEND_FAILED): (COMPLETED, TELL),
    (COMPLETED, TIME_OUT): (TERMINATED, TELL | FORGET),
    (CONFIRMED, LINGERED): (TERMINATED, FORGET),
    (ACCEPTED, SENT_2XX): (ACCEPTED, SEND),
    (ACCEPTED, HEARD_ACK): (ACCEPTED, PASS),
    (ACCEPTED, SEND_FAILED): (ACCEPTED, TELL),
    (ACCEPTED, LINGERED): (TERMINATED, FORGET),
}

# RFC 3261 figure 8: the non-INVITE server transaction.
NON_INVITE_SERVER: Final[Arrows] = {
    (TRYING, SENT_1XX): (PROCEEDING, SEND),
    (TRYING, SENT_2XX): (COMPLETED, SEND),
    (TRYING, SENT_FINAL): (COMPLETED, SEND),
    (TRYING, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (PROCEEDING, HEARD_AGAIN): (PROCEEDING, RESEND),
    (PROCEEDING, SENT_1XX): (PROCEEDING, SEND),
    (PROCEEDING, SENT_2XX): (COMPLETED, SEND),
    (PROCEEDING, SENT_FINAL): (COMPLETED, SEND),
    (PROCEEDING, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (COMPLETED, HEARD_AGAIN): (COMPLETED, RESEND),
    (COMPLETED, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (COMPLETED, LINGERED): (TERMINATED, FORGET),
}

# RFC 6026 figure 4: the INVITE client transaction.
INVITE_CLIENT: Final[Arrows] = {
    (CALLING, REPEAT): (CALLING, RESEND),
    (CALLING, TIME_OUT): (TERMINATED, TELL | FORGET),
    (CALLING, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (CALLING, HEARD_1XX): (PROCEEDING, PASS),
    (CALLING, HEARD_2XX): (ACCEPTED, PASS),
    (CALLING, HEARD_FINAL): (COMPLETED, PASS | ACKNOWLEDGE),
    (PROCEEDING, HEARD_1XX): (PROCEEDING, PASS),
    (PROCEEDING, HEARD_2XX): (ACCEPTED, PASS),
    (PROCEEDING, HEARD_FINAL): (COMPLETED, PASS | ACKNOWLEDGE),
    (PROCEEDING, TIME_OUT): (TERMINATED, TELL | FORGET),
    (COMPLETED, HEARD_FINAL): (COMPLETED, ACKNOWLEDGE),
    (COMPLETED, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (COMPLETED, LINGERED): (TERMINATED, FORGET),
    (ACCEPTED, HEARD_2XX): (ACCEPTED, PASS),
    (ACCEPTED, LINGERED): (TERMINATED, FORGET),
}

# RFC 3261 figure 6: the non-INVITE client transaction.
NON_INVITE_CLIENT: Final[Arrows] = {
    (TRYING, REPEAT): (TRYING, RESEND),
    (TRYING, TIME_OUT): (TERMINATED, TELL | FORGET),
    (TRYING, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (TRYING, HEARD_1XX): (PROCEEDING, PASS),
    (TRYING, HEARD_2XX): (COMPLETED, PASS),
    (TRYING, HEARD_FINAL): (COMPLETED, PASS),
    (PROCEEDING, REPEAT): (PROCEEDING, RESEND),
    (PROCEEDING, TIME_OUT): (TERMINATED, TELL | FORGET),
    (PROCEEDING, SEND_FAILED): (TERMINATED, TELL | FORGET),
    (PROCEEDING, HEARD_1XX): (PROCEEDING, PASS),
    (PROCEEDING, HEARD_2XX): (COMPLETED, PASS),
    (PROCEEDING, HEARD_FINAL): (COMPLETED, PASS),
    (COMPLETED, LINGERED): (TERMINATED, FORGET),
}

NO_ARROW: Final = -1


def flat(arrows: Arrows) -> list[int]:
    """A table as one list: at state * EVENTS + event stands next state * 256 + what to do, or NO_ARROW."""
    table = [NO_ARROW] * (len(STATES) * EVENTS)
    for (state, event), (after, todo) in arrows.items():
        table[state * EVENTS + event] = after * 256 + todo
    return table


INVITE_SERVER_TABLE: Final = flat(INVITE_SERVER)
NON_INVITE_SERVER_TABLE: Final = flat(NON_INVITE_SERVER)
INVITE_CLIENT_TABLE: Final = flat(INVITE_CLIENT)
NON_INVITE_CLIENT_TABLE: Final = flat(NON_INVITE_CLIENT)


def sent(status: int) -> int:
    """What it is to a server transaction that its user answers with `status`."""
    return SENT_1XX if status < 200 else SENT_2XX if status < 300 else SENT_FINAL


def heard(status: int) -> int:
    """What it is to a client transaction that an answer with `status` came."""
    return HEARD_1XX if status < 200 else HEARD_2XX if status < 300 else HEARD_FINAL
