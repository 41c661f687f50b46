"""Counters in shared memory: whoever adds, everybody reads the sum."""

import os

from pysips.core.stats import Statistics
from pysips.runtime.counters import BEAT, BORN, GONE, LIVES, OWING, PID, RUNNING, STATE, STOPPING, Board, SharedCells


def test_a_sum_over_processes() -> None:
    board = Board(3)
    named = Statistics()
    requests = named.counter("core", "rcv_requests")
    for row in (0, 2):
        pid = os.fork()
        if pid == 0:
            named.attach(SharedCells(board, row))
            requests.add(10 + row)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    named.attach(SharedCells(board, 1))
    requests.inc()
    assert requests.get() == 23


def test_resetting_counts_from_zero_whoever_adds_meanwhile() -> None:
    board = Board(2)
    one, other = SharedCells(board, 0), SharedCells(board, 1)
    one.row[5] += 7
    other.row[5] += 1
    one.clear(5)
    assert (one.total(5), other.total(5)) == (0, 0)
    other.row[5] += 2
    assert one.total(5) == 2


def test_live_things_end_with_their_process_and_other_counters_go_on() -> None:
    board = Board(2)
    cells = SharedCells(board, 0)
    cells.row[1], cells.row[2] = 5, 6
    board.forget(0, [2])
    assert (cells.total(1), cells.total(2)) == (5, 0)


def test_a_worker_owes_until_it_stops_and_says_no() -> None:
    board = Board(1)
    own = board.own(0)
    for state, owing, owes in ((RUNNING, 0, True), (STOPPING, 1, True), (STOPPING, 0, False), (GONE, 1, False)):
        own[STATE], own[OWING] = state, owing
        assert board.owes(0) is owes
    own[STATE] = RUNNING
    board.forget(0, [])
    assert not board.owes(0)


def test_a_seat_knows_who_sits_there() -> None:
    board = Board(2)
    board.own(1)[STATE] = RUNNING
    before = board.own(1)[BEAT]
    board.take_seat(1, 1_700_000_000)
    own = board.own(1)
    assert (own[PID], own[STATE], own[BORN], own[LIVES]) == (0, 0, 1_700_000_000, 1)
    assert own[BEAT] != before
    assert SharedCells(board, 1).total(0) == 0
