"""The FIFO client against a server of a few lines."""

import json
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from pysips.cli import main
from pysips.cli.mi import MiFailed, ask, find_fifo, params_of


class Server(threading.Thread):
    """Answers one command with what `answer` makes of its parsed text; "" is closed without a word."""

    def __init__(self, folder: Path, answer: Callable[[dict[str, object]], str]) -> None:
        super().__init__(daemon=True)
        self.fifo, self.folder, self.answer = folder / "fifo", folder, answer
        self.asked: list[str] = []
        os.mkfifo(self.fifo)
        self.pipe = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.start()

    def run(self) -> None:
        select.select([self.pipe], [], [], 5)
        text = os.read(self.pipe, 65536).decode()
        self.asked.append(text)
        _, name, body = text.split(":", 2)
        (self.folder / name).write_text(self.answer(json.loads(body)))

    def close(self) -> None:
        self.join(5)
        os.close(self.pipe)


def talk(folder: Path, answer: Callable[[dict[str, object]], str], params: object = None, limit: float = 5.0) -> object:
    server = Server(folder, answer)
    try:
        return ask(server.fifo, folder, "ul_dump", params, limit)
    finally:
        server.close()


def test_the_result_comes_back_and_the_reply_pipe_goes(tmp_path: Path) -> None:
    answer = talk(
        tmp_path, lambda asked: json.dumps({"jsonrpc": "2.0", "result": {"asked": asked["method"]}, "id": "1"})
    )
    assert answer == {"asked": "ul_dump"}
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_parameters_travel_as_they_are(tmp_path: Path) -> None:
    answer = talk(tmp_path, lambda asked: json.dumps({"result": asked["params"], "id": "1"}), {"level": 3})
    assert answer == {"level": 3}


def test_an_answer_larger_than_a_pipe_arrives_whole(tmp_path: Path) -> None:
    assert talk(tmp_path, lambda _: json.dumps({"result": "x" * 300_000, "id": "1"})) == "x" * 300_000


def test_a_long_answer_is_looked_at_when_it_is_over_and_not_each_time_some_of_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def loads(data: bytes | str) -> object:
        looks.append(len(data))
        return whole(data)

    whole = json.loads
    monkeypatch.setattr(json, "loads", loads)
    rows = [{"AOR": f"user{number}@example.com"} for number in range(100_000)]
    result: Any = talk(tmp_path, lambda _: json.dumps({"result": rows, "id": "1"}))
    assert len(result) == 100_000
    assert len([size for size in looks if size > 65_536]) == 1


def test_the_servers_own_error_is_said_in_its_words(tmp_path: Path) -> None:
    error = {"code": -32602, "message": "Invalid params", "data": "Too few or too many parameters"}
    with pytest.raises(MiFailed, match="-32602 Invalid params: Too few or too many parameters"):
        talk(tmp_path, lambda _: json.dumps({"error": error, "id": "1"}))


def test_an_answer_that_is_cut_short_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(MiFailed, match="cut short"):
        talk(tmp_path, lambda _: '{"result": ')


def test_silence_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(MiFailed, match=r"no answer within 0\.01 s"):
        talk(tmp_path, lambda _: "", limit=0.01)


def test_a_fifo_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(MiFailed, match="no server reads it"):
        ask(tmp_path / "fifo", tmp_path, "ps", None, 1.0)


def test_a_command_longer_than_a_pipe_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MiFailed, match="4096 bytes"):
        ask(tmp_path / "fifo", tmp_path, "ps", ["x" * 5000], 1.0)


def test_a_plain_file_is_no_fifo(tmp_path: Path) -> None:
    (tmp_path / "fifo").write_text("")
    with pytest.raises(MiFailed, match="no FIFO at"):
        find_fifo(str(tmp_path / "fifo"))


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ([], []),
        (["location", "alice"], ["location", "alice"]),
        (["level=3", "pid:=7"], {"level": "3", "pid": 7}),
        (["statistics:=[\"core:\"]"], {"statistics": ["core:"]}),
        (["[\"core:\", \"tm:\"]"], [["core:", "tm:"]]),
        (["sip:a@b;x=y"], ["sip:a@b;x=y"]),
        (["contact=sip:a@b;q=0.5"], {"contact": "sip:a@b;q=0.5"}),
    ],
)  # fmt: skip
def test_words_become_parameters(words: list[str], params: object) -> None:
    assert params_of(words) == params


def test_names_and_order_do_not_mix() -> None:
    with pytest.raises(click.UsageError):
        params_of(["location", "aor=alice"])


def test_plain_words_are_a_list_where_the_command_takes_one() -> None:
    assert params_of(["core:", "rcv_requests"], "get_statistics") == [["core:", "rcv_requests"]]
    assert params_of(["statistics=core:"], "statistics:get") == {"statistics": ["core:"]}
    assert params_of(['["core:"]'], "get_statistics") == [["core:"]]
    assert params_of(["E_NEWS", "1", "2"], "raise_event") == ["E_NEWS", ["1", "2"]]
    assert params_of(["E_NEWS"], "raise_event") == ["E_NEWS"]
    assert params_of([], "list_statistics") == []
    assert params_of(["a", "b"], "ul_show_contact") == ["a", "b"]


def test_the_answer_is_shown_for_people_whatever_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"Rows": [{"Name": "J\u00fcrgen \udcff", "Empty": [], "None": {}}], "Count": 1.5}
    server = Server(tmp_path, lambda _: json.dumps({"result": result, "id": "1"}))
    try:
        assert main(["mi", "-f", str(server.fifo), "--reply-dir", str(tmp_path), "x"]) == 0
    finally:
        server.close()
    said = capsys.readouterr().out
    assert json.loads(said) == result
    assert said.startswith('{\n    "Rows": [\n        {\n            "Name": "J\u00fcrgen \\udcff",')
