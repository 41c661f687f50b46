"""script/source.py: files, included files, a preprocessor, comments."""

import io
import sys
from pathlib import Path

import pytest

from pysips.errors import ConfigError, Place
from pysips.script.source import decoded, of_file, of_text


def test_comments_become_blanks_and_positions_stay() -> None:
    read = of_text("a /* b /* c */ d */ e # f\n\"# no\" '/* no' $(x{y,#}) # z\n", "x.cfg")
    assert read.text == "a                   e    \n\"# no\" '/* no' $(x{y,#})    \n"


def test_comment_over_lines_keeps_the_lines() -> None:
    assert of_text("a /* b\nc */ d\n", "x.cfg").text == "a     \n     d\n"


def test_quotes_inside_a_variable_open_no_string() -> None:
    read = of_text('$(avp(x){re.subst,/"//g}) # c\n$si"; # d\n', "x.cfg")
    assert read.complaints == []
    assert "c" not in read.text and "d" not in read.text


def test_included_lines_keep_their_own_places(tmp_path: Path) -> None:
    (tmp_path / "inner.cfg").write_text("two\nthree", "utf-8")
    main = tmp_path / "main.cfg"
    main.write_text("one\n  include_file \"inner.cfg\" rest\nimport_file 'inner.cfg'\nfour\n", "utf-8")
    read = of_file(str(main))
    assert read.lines == ["one", "two", "three", "two", "three", "four"]
    inner = str(tmp_path / "inner.cfg")
    assert [read.place(line) for line in (1, 3, 6)] == [
        Place(str(main), 1, 1, 1, 0),
        Place(inner, 2, 1, 2, 0),
        Place(str(main), 4, 1, 4, 0),
    ]


def test_missing_include_is_told_with_its_line(tmp_path: Path) -> None:
    main = tmp_path / "main.cfg"
    main.write_text('one\ninclude_file "none.cfg"\n', "utf-8")
    with pytest.raises(ConfigError) as error:
        of_file(str(main))
    (complaint,) = error.value.complaints
    assert (complaint.place.line, complaint.source) == (2, 'include_file "none.cfg"')
    assert "No such file" in complaint.message and str(tmp_path / "none.cfg") in complaint.cure


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    main = tmp_path / "main.cfg"
    main.write_text('include_file "main.cfg"\n', "utf-8")
    with pytest.raises(ConfigError, match="1 errors"):
        of_file(str(main))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError) as error:
        of_file("/nowhere/x.cfg")
    assert error.value.complaints[0].place.file == "/nowhere/x.cfg"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"route {}\r\n")))
    read = of_file("-")
    assert (read.file, read.lines) == ("<stdin>", ["route {}"])


def test_bytes_that_are_no_text_are_kept() -> None:
    assert decoded(b"\xef\xbb\xbfa\xff\r\nb\rc") == "a\udcff\nb\nc"


def test_preprocessor_changes_text_and_places_stay() -> None:
    read = of_text("one NAME\ntwo\n", "x.cfg", "sed s/NAME/name/")
    assert read.lines == ["one name", "two"]
    assert read.origin == [("x.cfg", 1), ("x.cfg", 2)]


def test_a_mark_whose_line_end_a_preprocessor_took_is_found_within_a_line() -> None:
    read = of_text("one\ntwo\nthree\nfour\n", "x.cfg", "sed -z s/\\nthree\\n/+/")
    assert read.lines == ["one", "two", "+", "four"]
    assert [read.origin_of(line)[1] for line in range(1, 5)] == [1, 2, 3, 4]


@pytest.mark.needs("m4")
def test_m4_fills_in_a_template_and_complaints_name_its_lines(tmp_path: Path) -> None:
    """As `opensips -p m4`: features by ifelse, over several lines, within a condition, and in files of its own."""
    (tmp_path / "defined.m4").write_text("divert(-1)\ndefine(`WITH_B', `yes')\ndefine(`PORT', `5060')\ndivert\n")
    template = """include_file "defined.m4"
socket=udp:127.0.0.1:PORT
ifelse(WITH_B, `yes', `loadmodule "b.so"
modparam("b", "x", 1)', `')
route {
    if (a() ifelse(WITH_B, `yes', `|| b()
        || c()', `')) {
        d();
    }
}
"""
    path = tmp_path / "x.m4"
    path.write_text(template)
    for command in ("m4", "m4 -s"):
        read = of_file(str(path), command)
        text = [line.strip() for line in read.text.split("\n") if line.strip()]
        assert text == [
            "socket=udp:127.0.0.1:5060", 'loadmodule "b.so"', 'modparam("b", "x", 1)', "route {", "if (a() || b()",
            "|| c()) {", "d();", "}", "}",
        ]  # fmt: skip
        for what, line in (("socket", 2), ("loadmodule", 3), ("modparam", 4), ("route", 5), ("|| c()", 7), ("d()", 8)):
            [found] = [at for at, one in enumerate(read.lines, 1) if one.strip().startswith(what)]
            assert read.origin_of(found) == (str(path), line)


def test_preprocessor_that_drops_lines_keeps_the_places_of_the_others() -> None:
    read = of_text("one\ndrop\nthree\n", "x.cfg", "sed /^drop/d")
    assert list(zip(read.lines, read.origin, strict=True)) == [("one", ("x.cfg", 1)), ("three", ("x.cfg", 3))]


@pytest.mark.parametrize("command", ["false", "/nowhere/m4"])
def test_preprocessor_that_fails(command: str) -> None:
    with pytest.raises(ConfigError) as error:
        of_text("one\n", "x.cfg", command)
    assert command in error.value.complaints[0].message


def test_the_place_of_an_offset() -> None:
    complaint = of_text("one\n\ttwo /* x */\n", "x.cfg").complaint_at("what", "cure", 5, 3)
    assert complaint.place == Place("x.cfg", 2, 2, 2, 5)
    assert complaint.source == "\ttwo /* x */"


def test_an_empty_text_has_a_place() -> None:
    assert of_text("", "x.cfg").place(7) == Place("x.cfg", 1, 1, 1, 0)
