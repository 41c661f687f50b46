"""What each command answers to people: its words and its exit code."""

from pathlib import Path

import pytest

from pysips import __version__
from pysips.cli import main

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "maxfwd.so"
route {
    if (!mf_process_maxfwd_header(10)) { route(refuse); }
}
route[refuse] {
    sl_send_reply(483, "Too Many Hops");
    exit;
}
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.cfg"
    path.write_text(GOOD)
    return str(path)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.cfg"
    path.write_text(GOOD.replace("sl_send_reply", "sl_sent_reply").replace("route(refuse)", "route(refused)"))
    return str(path)


@pytest.mark.parametrize("words", [["-C", "-f"], ["-c", "-f"], ["check"]])
def test_a_good_script_is_ok(good: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, good]) == 0
    assert "config file ok" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["-C", "-f"], ["-c", "-f"], ["check"]])
def test_a_bad_script_is_255_with_every_problem(bad: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, bad]) == 255
    said = capsys.readouterr().err
    assert f"{bad}:10:5: " in said
    assert "sl_sent_reply" in said and "did you mean sl_send_reply" in said
    assert "refused" in said
    assert "bad config file (2 errors)" in said


def test_a_module_that_is_not_there_is_complained_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "more.cfg"
    more = 'loadmodule "rtpproxy.so"\nmodparam("rtpproxy", "rtpproxy_sock", "a")\nmodparam("rtpproxi", "x", 1)\nroute {'
    path.write_text(GOOD.replace("route {", more, 1))
    assert main(["-C", "-f", str(path)]) == 255
    said = capsys.readouterr().err
    assert 'module "rtpproxy" is known to OpenSIPS' in said
    assert [line for line in said.splitlines() if "no loaded module matches" in line] == [
        f'{path}:8:1: no loaded module matches "rtpproxi": loadmodule must stand above modparam'
    ]


def test_what_is_accepted_without_effect_is_noted_and_harms_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.cfg"
    usrloc = 'loadmodule "usrloc.so"\nmodparam("usrloc", "preload", "a")\nmodparam("usrloc", "preload", "b")\n'
    path.write_text("children=2\nmemlog=1\n" + GOOD.replace("route {", usrloc + "route {", 1))
    assert main(["-C", "-f", str(path)]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        f"{path}:1: note: children is an old name; udp_workers is the new one",
        f"{path}:2: note: memlog has no meaning here: Python manages its memory itself",
        f'{path}:9: note: parameter "preload" of usrloc has no meaning here: tables are made at their first use',
    ]
    assert "config file ok" in told.out


def test_a_quiet_check_of_a_good_script_says_nothing(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-q", good]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-f", "/nowhere/x.cfg"]) == 255
    assert "/nowhere/x.cfg" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-V"]) == 0
    assert capsys.readouterr().out == f"PySIPS {__version__}\n"


@pytest.mark.parametrize("words", [["-Z"], ["-f"], ["nonsense"], ["-f", "a.cfg", "where", "x"], ["check"]])
def test_a_wrong_command_line_is_255_and_says_why(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 255
    assert "Error:" in capsys.readouterr().err


def test_show_prints_the_python_of_a_route(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", good, "refuse"]) == 0
    said = capsys.readouterr().out
    assert "def route_refuse(ctx)" in said
    assert "483" in said


@pytest.mark.checkout
@pytest.mark.parametrize(
    ("name", "file", "what"),
    [
        ("t_relay", "modules/tm/__init__.py", "tm: function t_relay("),
        ("$rU", "pysips/core/variables_uri.py", "core: variable $rU"),
        ("{s.len}", "pysips/core/transform_strings.py", "core: transformation {s.len}"),
        ("fr_timeout", "modules/tm/__init__.py", "tm: parameter fr_timeout (integer)"),
        ("ul_dump", "modules/usrloc/__init__.py", "usrloc: mi ul_dump"),
        ("xlog", "pysips/core/functions_log.py", "core: function xlog("),
        ("ps", "pysips/runtime/mi_core.py", "core: mi ps (-)"),
        (
            "poll_method",
            "pysips/script/globals.py",
            "global poll_method  (choice; unset by default; no meaning here:",
        ),
    ],
)
def test_where_names_the_line(name: str, file: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", name]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if what in line)
    path, _, number = said.split("  ")[0].partition(":")
    assert path == file
    bare = name.strip("${}").split(".")[-1]
    assert bare in (ROOT / path).read_text("utf-8").splitlines()[int(number) - 1]


def test_where_tells_what_is_not_here_yet_from_a_misspelling(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "rtpproxy_offer"]) == 1
    assert "OpenSIPS knows it: function of rtpproxy" in capsys.readouterr().err
    assert main(["where", "t_realy"]) == 1
    assert "did you mean" in capsys.readouterr().err


def test_docs_has_what_the_module_declares(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "maxfwd"]) == 0
    said = capsys.readouterr().out
    assert "mf_process_maxfwd_header(initial)" in said
    assert "max_limit (integer)  [default 256]" in said


def test_docs_of_a_module_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "rtpproxy"]) == 255
    assert "not in PySIPS yet" in capsys.readouterr().err


def test_modules_lists_shares(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modules"]) == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["maxfwd"][:2] == ["2/2", "1/1"]
    assert rows["tm"][4] == "24/24", "statistics that are made when it is configured"
    assert "core" in rows


def test_show_of_a_route_that_is_not_there_names_those_that_are(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", good, "nix"]) == 1
    assert capsys.readouterr().err == "pysips: there is no nix: route, route[refuse]\n"


def test_the_cores_own_commands_and_counters_are_in_its_manual(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "core"]) == 0
    said = capsys.readouterr().out
    assert "list_tcp_conns (-)  [tcp:list]" in said and "\nrcv_requests\n" in said
    assert "_core:" not in said


def test_where_leads_an_old_name_of_a_global_to_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "children"]) == 0
    assert "global udp_workers  (number; default 8; the new name of children)" in capsys.readouterr().out
