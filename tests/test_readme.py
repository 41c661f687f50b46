"""README.md says what happens: its first call is made, word for word, and its script complained of."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysips.cli import main
from tests.live import EXAMPLE, Server, until

README = (EXAMPLE.parent / "README.md").read_text("utf-8")


def section(title: str) -> list[str]:
    """The indented blocks of a section, without their indent."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text)
    return [re.sub(r"(?m)^    ", "", block).strip("\n") + "\n" for block in blocks if block.strip()]


class Typed:
    """A program of the README, started with its command line; what is typed into it, and what it has said."""

    def __init__(self, command: str, folder: Path) -> None:
        self.said = folder / f"{command.rpartition('/')[2].strip()}.log"
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(command.split(), stdin=subprocess.PIPE, stdout=log, stderr=log)

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()

    def says(self, text: str) -> None:
        """Wait until it has."""

        def heard() -> bool:
            return text in re.sub(r"\s+", " ", self.said.read_text("utf-8", "replace"))

        until(heard, 10, f"{self.said.stem}: {text}")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Typed]]:
    made: list[Typed] = []

    def start(command: str) -> Typed:
        made.append(Typed(command, tmp_path))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.scenario
@pytest.mark.needs("baresip")
def test_the_first_call(serve: Callable[..., Server], started: Callable[[str], Typed], tmp_path: Path) -> None:
    server = serve(EXAMPLE.read_text("utf-8"))
    blocks = [
        block.replace("/tmp/phones", str(tmp_path)).replace(".example/", f"{server.folder}/")
        for block in section("A first call")
    ]
    prepare, bobs, alices, dial, accept = blocks
    subprocess.run(["bash", "-e"], input=prepare.encode(), check=True)
    bob, alice = started(bobs), started(alices)
    promised = re.findall(r"`([A-Z][^`]+)`", README.partition("\n## A first call\n")[2].partition("\n## ")[0])
    registered, incoming, established = promised
    bob.says(registered)
    alice.says(registered)
    alice.type(dial)
    bob.says(incoming)
    bob.type(accept)
    bob.says(established)
    alice.says(established)
    alice.type("/hangup\n")
    bob.says("session closed")
    until(lambda: server.log().count("ACC: transaction answered") == 2, 5, "two lines of accounting")


def test_the_complaints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, script, said = section("Porting a configuration")
    monkeypatch.chdir(tmp_path)
    Path("opensips.cfg").write_text(script, "utf-8")
    assert main(["-C", "-f", "opensips.cfg"]) == 255
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("name", re.findall(r"\]\(([\w/.]+)\)", README))
def test_every_link_leads_somewhere(name: str) -> None:
    assert (EXAMPLE.parent / name).exists()
