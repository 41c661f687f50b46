"""pysipsctl, and the form of 2.4 that it writes into the pipe."""

import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from pysips.cli import ctl
from pysips.cli.ctl import ask_lines, from_files, main, split
from pysips.cli.mi import MiFailed
from pysips.modules.mi_fifo.commands import Commands, Request


class Server(threading.Thread):
    """Answers one command with these bytes."""

    def __init__(self, folder: Path, answer: bytes) -> None:
        super().__init__(daemon=True)
        self.fifo, self.folder, self.answer = folder / "fifo", folder, answer
        self.asked = b""
        os.mkfifo(self.fifo)
        self.pipe = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.start()

    def run(self) -> None:
        select.select([self.pipe], [], [], 5)
        self.asked = os.read(self.pipe, 65536)
        name = self.asked.decode().split("\n")[0].split(":")[2]
        (self.folder / name).write_bytes(self.answer)

    def close(self) -> None:
        self.join(5)
        os.close(self.pipe)


def talk(folder: Path, answer: bytes, *words: str) -> tuple[list[str], bytes]:
    server = Server(folder, answer)
    try:
        return ask_lines(server.fifo, folder, "nh_enable_ping", words, 5.0), server.asked
    finally:
        server.close()


def test_what_it_writes_is_what_the_server_reads(tmp_path: Path) -> None:
    lines, asked = talk(tmp_path, b"200 OK\n\n", "1", "x y")
    assert lines == []
    (request,) = Commands().feed(asked)
    assert request == Request(request.reply, command="nh_enable_ping", words=("1", "x y"))
    assert request.reply.startswith("osips_rply_")
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_the_lines_of_an_answer(tmp_path: Path) -> None:
    assert talk(tmp_path, b"200 OK\nStatus:: 1\n\tsub:: x\n\n")[0] == ["Status:: 1", "\tsub:: x"]


def test_a_refusal_is_said_in_the_servers_words(tmp_path: Path) -> None:
    with pytest.raises(MiFailed, match="400 NATping disabled from script"):
        talk(tmp_path, b"400 NATping disabled from script\n\n")


@pytest.mark.parametrize("word", ["", "a\nb", "a\rb", "x" * 5000])
def test_arguments_that_the_form_has_no_place_for(tmp_path: Path, word: str) -> None:
    with pytest.raises(MiFailed):
        ask_lines(tmp_path / "fifo", tmp_path, "ps", [word], 1.0)


def test_silence_has_a_limit(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    pipe = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(MiFailed, match=r"no answer within 0\.05 s"):
        ask_lines(tmp_path / "fifo", tmp_path, "ps", [], 0.05)
    os.close(pipe)


@pytest.mark.parametrize(
    ("arguments", "is_fifo", "rest"),
    [
        (["fifo", "nh_enable_ping", "1"], True, ["nh_enable_ping", "1"]),
        (["-f", "fifo", "fifo", "ps"], True, ["-f", "fifo", "ps"]),
        (["--timeout=2", "fifo", "ps"], True, ["--timeout=2", "ps"]),
        (["ps"], False, ["ps"]),
        (["cache_fetch", "local", "fifo"], False, ["cache_fetch", "local", "fifo"]),
        ([], False, []),
    ],
)
def test_which_form(arguments: list[str], is_fifo: bool, rest: list[str]) -> None:
    assert split(arguments) == (is_fifo, rest)


def test_the_pipe_is_found_as_opensipsctl_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last, named = tmp_path / "first", tmp_path / "last", tmp_path / "named"
    monkeypatch.setattr(ctl, "RC_FILES", (str(first), str(last)))
    assert from_files({}) is None
    assert from_files({"OSIPS_FIFO": "/e"}) == "/e"
    first.write_text('# OSIPS_FIFO=/no\nDBENGINE=MYSQL\nOSIPS_FIFO="/a" # the pipe\nrm -rf /tmp/x\n')
    assert from_files({"OSIPS_FIFO": "/e"}) == "/a"
    last.write_text("export OSIPS_FIFO='/b'\n")
    assert from_files({}) == "/b"
    named.write_text("OSIPS_FIFO=/c\n")
    assert from_files({"osipsctlrc": str(named)}) == "/c"
    named.write_text("OSIPS_FIFO='/c\n")
    assert from_files({"osipsctlrc": str(named)}) is None


def test_linked_as_opensipsctl_it_says_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/sbin/opensipsctl", "-f", str(tmp_path / "no"), "fifo", "ps"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("opensipsctl fifo: no FIFO at")


def test_help_names_the_options() -> None:
    with click.Context(ctl.fifo_command) as context:
        assert "--reply-dir" in ctl.fifo_command.get_help(context)


SCRIPT = """
name=osips_rply_1
mkfifo -m a+w "$DIR/$name"
CMD=":$1:$name\\n"; shift
while [ -n "$1" ]; do CMD="${CMD}${1}\\n"; shift; done
cat < "$DIR/$name" &
printf "${CMD}\\n" > "$FIFO"
wait $!
rm -f "$DIR/$name"
"""


def test_the_lines_of_a_shells_opensipsctl_are_the_same(tmp_path: Path) -> None:
    """As 2.4's script does it, in the shell."""
    server = Server(tmp_path, b"200 OK\nStatus:: 1\n\n")
    environment = {**os.environ, "DIR": str(tmp_path), "FIFO": str(server.fifo)}
    words = ["sh", "-c", SCRIPT, "opensipsctl", "nh_enable_ping", "1"]
    done = subprocess.run(words, env=environment, capture_output=True, timeout=10, check=True)
    server.close()
    assert done.stdout == b"200 OK\nStatus:: 1\n\n"
    assert server.asked == b":nh_enable_ping:osips_rply_1\n1\n\n"
    assert Commands().feed(server.asked) == [Request("osips_rply_1", command="nh_enable_ping", words=("1",))]
