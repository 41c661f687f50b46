"""The shared tables: LMDB's rules, each with the experiment that found it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.services import TablesFull
from pysips.core.stats import Statistics
from pysips.runtime.room import PAGES
from pysips.runtime.tables import AT_ONCE, FILE, LmdbTables, NoTables, make, stored

KIND = b"c"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    in_child(lambda: make(tmp_path))
    return tmp_path


@pytest.fixture
def table(folder: Path) -> Iterator[LmdbTables]:
    opened = open_table(folder)
    yield opened
    opened.close()


def open_table(folder: Path) -> LmdbTables:
    return LmdbTables(folder, Statistics().counter("tables", "refused"))


def in_child(work: Callable[[], object]) -> None:
    """Do it in a process of its own, as the supervisor has the tables made."""
    assert os.waitpid(forked(work), 0)[1] == 0


def forked(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


class Stuck:
    """A child that opens the tables, does something and then stays where it is until killed."""

    def __init__(self, folder: Path, work: Callable[[LmdbTables], object]) -> None:
        there, here = os.pipe()

        def stay() -> None:
            held = work(open_table(folder))
            os.write(here, b"x")
            signal.pause()
            del held

        self.pid = forked(stay)
        os.close(here)
        assert os.read(there, 1) == b"x"
        os.close(there)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_what_is_put_is_there_and_what_is_deleted_is_not(table: LmdbTables) -> None:
    assert table.get(KIND, b"alice") is None
    table.put(KIND, b"alice", b"1")
    table.put(KIND, b"alice", b"2")
    assert table.get(KIND, b"alice") == b"2"
    assert table.delete(KIND, b"alice")
    assert not table.delete(KIND, b"alice")
    assert table.get(KIND, b"alice") is None


def test_kinds_do_not_meet(table: LmdbTables) -> None:
    table.put(b"a", b"x", b"1")
    table.put(b"b", b"x", b"2")
    assert (table.get(b"a", b"x"), table.get(b"b", b"x")) == (b"1", b"2")
    assert table.scan(b"a") == [(b"x", b"1")]
    assert (table.count(b"a"), table.count(b"b"), table.count(b"c")) == (1, 1, 0)


def test_a_transaction_is_whole_or_nothing(table: LmdbTables) -> None:
    table.put(KIND, b"old", b"1")
    one = table.begin()
    one.put(KIND, b"new", b"2")
    one.delete(KIND, b"old")
    assert (one.get(KIND, b"new"), one.get(KIND, b"old")) == (b"2", None)
    assert (table.get(KIND, b"new"), table.get(KIND, b"old")) == (None, b"1")
    one.commit()
    assert (table.get(KIND, b"new"), table.get(KIND, b"old")) == (b"2", None)
    other = table.begin()
    other.put(KIND, b"new", b"3")
    other.abort()
    assert table.get(KIND, b"new") == b"2"


def test_a_scan_goes_on_from_its_last_key_and_ends_with_its_kind(table: LmdbTables) -> None:
    keys = [b"%04d" % number for number in range(2 * AT_ONCE + 3)]
    one = table.begin()
    for key in keys:
        one.put(KIND, key, b"v")
    one.put(b"d", b"0", b"other")
    one.commit()
    found: list[bytes] = []
    while page := table.scan(KIND, found[-1] if found else b""):
        assert len(page) <= AT_ONCE
        found += [key for key, _ in page]
    assert found == keys
    assert table.count(KIND) == len(keys)
    assert [key for key, _ in table.scan(KIND, b"0003", 2)] == [b"0004", b"0005"]


@given(st.lists(st.binary(min_size=1, max_size=900), max_size=5, unique=True))
def test_any_key_has_a_place_of_its_own(keys: list[bytes]) -> None:
    places = {stored(KIND, key) for key in keys}
    assert len(places) == len(keys)
    assert all(len(place) <= 511 for place in places)


def test_long_keys_are_found_again_also_by_a_scan(table: LmdbTables) -> None:
    long, longer = b"sip:" + b"a" * 600, b"sip:" + b"a" * 601
    table.put(KIND, long, b"1")
    table.put(KIND, longer, b"2")
    assert (table.get(KIND, long), table.get(KIND, longer)) == (b"1", b"2")
    page = table.scan(KIND, b"", 1)
    assert len(page) == 1
    assert len(table.scan(KIND, page[0][0])) == 1
    assert table.delete(KIND, long)
    assert table.get(KIND, longer) == b"2"


def test_one_process_sees_what_another_committed(folder: Path) -> None:
    def put(opened: LmdbTables) -> None:
        opened.put(KIND, b"from a sibling", b"1")

    sibling = Stuck(folder, put)
    table = open_table(folder)
    assert table.get(KIND, b"from a sibling") == b"1"
    sibling.kill()
    table.close()


def test_making_them_wipes_what_an_earlier_server_left(folder: Path) -> None:
    in_child(lambda: open_table(folder).put(KIND, b"stale", b"1"))
    in_child(lambda: make(folder))
    opened = open_table(folder)
    assert opened.get(KIND, b"stale") is None
    opened.close()


def test_a_writer_killed_inside_a_transaction_blocks_nobody_and_leaves_nothing(folder: Path) -> None:
    def half(opened: LmdbTables) -> object:
        one = opened.begin()
        one.put(KIND, b"half", b"1")
        return one

    stuck = Stuck(folder, half)
    table = open_table(folder)
    stuck.kill()
    table.put(KIND, b"whole", b"1")
    assert (table.get(KIND, b"half"), table.get(KIND, b"whole")) == (None, b"1")
    table.close()


def test_a_reader_killed_inside_a_transaction_is_tidied_away(folder: Path) -> None:
    def reading(opened: LmdbTables) -> object:
        held = opened.environment.begin()
        held.get(b"c")
        return held

    stuck = Stuck(folder, reading)
    table = open_table(folder)
    assert table.tidy() == 0
    stuck.kill()
    assert table.tidy() == 1
    assert table.tidy() == 0
    table.close()


def test_a_full_map_is_a_500_and_counted_and_mends_itself(folder: Path, table: LmdbTables) -> None:
    table.close()
    small = LmdbTables(folder, Statistics().counter("tables", "refused"), sizes=(64 * 4096,))
    put = 0
    with pytest.raises(TablesFull) as refused:
        for put in range(1000):
            small.put(KIND, b"%d" % put, b"x" * 1000)
    assert refused.value.status == 500
    assert small.refused.get() == 1
    assert small.get(KIND, b"0") == b"x" * 1000
    one = small.begin()
    with pytest.raises(TablesFull):
        for more in range(1000):
            one.put(KIND, b"more %d" % more, b"x" * 1000)
    assert small.count(KIND) == put
    small.close()


FULL_DISK = """
import sys
from pathlib import Path
from pysips.core.services import TablesFull
from pysips.core.stats import Statistics
from pysips.runtime.room import PAGES
from pysips.runtime.tables import LmdbTables, make
make(Path(sys.argv[1]))
opened = LmdbTables(Path(sys.argv[1]), Statistics().counter("tables", "refused"))
print("in place" if opened.room else "by calls")
number = 0
try:
    for number in range(20000):
        opened.put(b"c", b"%d" % number, b"x" * 1000)
except TablesFull:
    one = opened.begin()
    try:
        for more in range(20000):
            one.put(b"c", b"%d" % more, b"y" * 1000)
        one.commit()
    except TablesFull:
        print("full", number > 100, opened.get(b"c", b"0") == b"x" * 1000)
"""


def test_a_full_disk_is_a_500_too(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512 * 1024, 512 * 1024))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True, preexec_fn=limit,
    )  # fmt: skip
    assert done.stdout == "by calls\nfull True True\n"
    assert "take no more records" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_memory_disk_is_a_500_and_no_signal(tmp_path: Path) -> None:
    words = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", words, "sh", str(tmp_path), sys.executable, FULL_DISK],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "in place\nfull True True\n"


def test_several_writers_stay_within_what_was_promised(folder: Path) -> None:
    """Whatever they wrote had its place on the disk before it was touched."""

    def fill(name: bytes) -> None:
        mine = LmdbTables(folder, Statistics().counter("tables", "refused"), writers=3)
        for number in range(3000):
            mine.put(KIND, b"%s %d" % (name, number), b"x" * 1000)

    children = [forked(partial(fill, name)) for name in (b"a", b"b", b"c")]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    table = open_table(folder)
    assert table.count(KIND) == 9000
    used = (table.environment.info()["last_pgno"] + 1) * 4096
    assert used <= (folder / FILE).stat().st_blocks * 512 <= used + 8 * PAGES * 4096
    table.close()


SMALL_SPACE = """
import sys
from pathlib import Path
from pysips.core.stats import Statistics
from pysips.runtime.tables import LmdbTables
opened = LmdbTables(Path(sys.argv[1]), Statistics().counter("tables", "refused"))
opened.put(b"c", b"k", b"v")
print(opened.environment.info()["map_size"] >> 30, opened.get(b"c", b"k"))
"""


def test_a_limit_on_address_space_makes_do_with_a_smaller_map(folder: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (100 << 30, 100 << 30))

    done = subprocess.run(
        [sys.executable, "-c", SMALL_SPACE, str(folder)],
        capture_output=True, text=True, timeout=60, check=True, preexec_fn=limit,
    )  # fmt: skip
    assert done.stdout == "64 b'v'\n"


def test_tables_that_are_not_there_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(NoTables, match="cannot open the shared tables"):
        open_table(tmp_path / "nowhere")


def test_the_file_is_small_and_private(folder: Path) -> None:
    status = (folder / FILE).stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 < 100_000
