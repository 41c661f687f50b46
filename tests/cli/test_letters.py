"""OpenSIPS' letters become Options; nothing is dropped without a word."""

from collections.abc import Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pysips.cli.letters import NO_MEANING, letters, options_of
from pysips.core.options import Options


@click.command()
@letters
def command(**wishes: Any) -> None:
    click.echo(repr(options_of("a.cfg", wishes)))


def read(words: Sequence[str]) -> str:
    return CliRunner().invoke(command, list(words)).output


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], Options("a.cfg")),
        (["-n", "4", "-N", "2"], Options("a.cfg", workers_udp=4, workers_tcp=2)),
        (["-l", "udp:a", "-l", "tcp:[::1]:5070"], Options("a.cfg", listeners=["udp:a", "tcp:[::1]:5070"])),
        (["-o", "a=1", "-o", "b=c=d"], Options("a.cfg", values={"a": "1", "b": "c=d"})),
        (["-A", "192.0.2.1"], Options("a.cfg", advertised="192.0.2.1")),
        (["-u", "sip", "-g", "voip"], Options("a.cfg", user="sip", group="voip")),
        (["-w", "/tmp", "-t", "/srv"], Options("a.cfg", work_folder="/tmp", root_folder="/srv")),
        (["-P", "p", "-G", "g"], Options("a.cfg", pid_file="p", group_file="g")),
        (["-D", "-ddd", "-E"], Options("a.cfg", debug=True, more_verbose=3, to_stderr=True)),
        (["-v", "-r", "-R"], Options("a.cfg", check_via=True, use_dns=True, reverse_dns=True)),
        (["-p", "m4 -P"], Options("a.cfg", preprocessor="m4 -P")),
        (["-F"], Options("a.cfg")),
        (["--daemon"], Options("a.cfg", daemon=True)),
    ],
)  # fmt: skip
def test_letters_become_options(words: list[str], options: Options) -> None:
    assert read(words).strip() == repr(options)


def test_letters_without_meaning_are_named() -> None:
    given = [
        "-m",
        "64",
        "-M",
        "8",
        "-a",
        "F_MALLOC",
        "-k",
        "x",
        "-s",
        "x",
        "-e",
        "x",
        "-W",
        "select",
        "-b",
        "4096",
        "-i",
    ]
    said, options = read(given).splitlines()
    assert said == f"pysips: no effect here: {' '.join(NO_MEANING.values())}"
    assert options == repr(Options("a.cfg"))


@pytest.mark.parametrize(
    "words", [["-o", "a"], ["-o", "=b"], ["-l", ":5060"], ["-n", "0"], ["-n", "x"], ["-W", "dream"], ["-F", "--daemon"]]
)
def test_nonsense_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(command, words).exit_code == 2
