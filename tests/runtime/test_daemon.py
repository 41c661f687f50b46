"""Around the server: pid files, users, the run-time folder and its lock."""

import fcntl
import os
import resource
from pathlib import Path

import pytest

from pysips.core.services import Socket
from pysips.runtime.daemon import (
    CannotStart,
    PidFile,
    RunFolder,
    alive,
    clear_folder,
    identity,
    many_descriptors,
    private_folder,
    server_name,
)

SOCKETS = [Socket(0, "udp", "127.0.0.1", 5060)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysips.runtime.daemon.places", lambda root: [tmp_path / "run"])


def test_a_pid_file_holds_our_number_until_the_end(tmp_path: Path) -> None:
    file = PidFile(str(tmp_path / "pid"), os.getpid())
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    file.remove()
    assert not (tmp_path / "pid").exists()
    file.remove()


def test_a_live_servers_pid_file_is_refused_and_a_dead_ones_taken(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n")
    with pytest.raises(CannotStart, match=f"process {os.getppid()}"):
        PidFile(str(path), os.getpid())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    path.write_text(str(child))
    PidFile(str(path), os.getpid())
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1 2", "٣", "9" * 30])
def test_a_pid_file_with_something_else_in_it_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert alive(tmp_path / "pid") == 0


def test_somebody_elses_pid_file_is_not_removed(tmp_path: Path) -> None:
    file = PidFile(str(tmp_path / "pid"), os.getpid())
    (tmp_path / "pid").write_text("1\n")
    file.remove()
    assert (tmp_path / "pid").exists()


def test_a_pid_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="cannot write"):
        PidFile(str(tmp_path / "nowhere" / "pid"), 1)


def test_users_and_groups_by_name_and_number() -> None:
    assert identity("", "") is None
    assert identity("root", "") == identity("0", "") == (0, 0)
    assert identity("", "root") == (os.getuid(), 0)
    assert identity("0", "1") == identity("root", "daemon") == (0, 1)


@pytest.mark.parametrize("user, group", [("nobody-of-that-name", ""), ("4000000000", ""), ("root", "no-such-group")])
def test_unknown_users_and_groups_are_said(user: str, group: str) -> None:
    with pytest.raises(CannotStart, match="there is no"):
        identity(user, group)


def test_the_run_time_folder_is_private_and_locked(tmp_path: Path) -> None:
    first = RunFolder("/etc/opensips.cfg", SOCKETS)
    assert first.path.parent == tmp_path / "run"
    assert first.path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(CannotStart, match="runs already"):
        RunFolder("/etc/opensips.cfg", SOCKETS)
    other = RunFolder("/etc/other.cfg", SOCKETS)
    os.close(first.lock)
    os.close(RunFolder("/etc/opensips.cfg", SOCKETS).lock)
    os.close(other.lock)


def test_a_folder_taken_away_between_opening_and_locking_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first = RunFolder("/etc/opensips.cfg", SOCKETS)
    flock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        clear_folder(first.path)
        os.close(first.lock)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    second = RunFolder("/etc/opensips.cfg", SOCKETS)
    assert os.path.samestat(os.fstat(second.lock), (second.path / "lock").stat())
    clear_folder(second.path)
    assert not second.path.exists()
    clear_folder(second.path)
    os.close(second.lock)


def test_script_and_sockets_name_a_server() -> None:
    more = [*SOCKETS, Socket(1, "udp", "127.0.0.1", 5062)]
    names = {server_name("/a/opensips.cfg", SOCKETS), server_name("/b/opensips.cfg", SOCKETS)}
    names |= {server_name("/a/opensips.cfg", more), server_name("-", SOCKETS)}
    assert len(names) == 4
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


def test_a_link_or_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("x")
    for name in ("link", "file"):
        with pytest.raises(OSError):
            private_folder(tmp_path, name, None)


def test_no_place_at_all_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(CannotStart, match="no place for run-time files"):
        RunFolder("x.cfg", SOCKETS)


def test_open_files_limit_raises_the_limit_and_never_lowers_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
        many_descriptors(120)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (120, before[1])
        many_descriptors(50)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (120, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
