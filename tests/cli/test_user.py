"""`pysips user`: accounts that are made, changed, listed and removed, with hashes and without passwords."""

import hashlib
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli import main

User = Callable[..., str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def user(path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    """What a command says; the exit code stands before it if it is not 0."""
    main(["db", "create", "--url", f"sqlite://{path}", "subscriber", "old=subscriber:7"])
    capsys.readouterr()

    def run(command: str, *words: str) -> str:
        code = main(["user", command, "--url", f"sqlite://{path}", *words])
        told = capsys.readouterr()
        return (told.out if code == 0 else f"{code} {told.err}").strip()

    return run


def rows(path: Path, table: str = "subscriber") -> list[dict[str, str]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]
    connection.close()
    return found


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    return hashlib.new(algorithm, f"{user}:{realm}:{password}".encode()).hexdigest()


def test_an_account_has_a_hash_for_each_algorithm_and_no_password(user: User, path: Path) -> None:
    assert user("add", "alice@a.example", "s3cret word") == "alice@a.example is there now"
    (row,) = rows(path)
    assert (row["username"], row["domain"], row["password"]) == ("alice", "a.example", "")
    assert row["ha1"] == ha1("md5", "alice", "a.example", "s3cret word")
    assert row["ha1_sha256"] == ha1("sha256", "alice", "a.example", "s3cret word")
    assert row["ha1_sha512t256"] == ha1("sha512_256", "alice", "a.example", "s3cret word")


def test_tables_of_2_4_have_another_hash(user: User, path: Path) -> None:
    user("add", "--table", "old", "--realm", "r", "alice@a", "pw")
    (row,) = rows(path, "old")
    assert (row["ha1"], row["ha1b"]) == (ha1("md5", "alice", "r", "pw"), ha1("md5", "alice@a", "r", "pw"))
    assert user("list", "--table", "old") == "alice@a  MD5"


def test_a_password_is_read_from_standard_input(user: User, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\r\nand more\n"))
    assert user("add", "alice@a") == "alice@a is there now"
    assert rows(path)[0]["ha1"] == ha1("md5", "alice", "a", "from a pipe")


def test_a_password_is_made_up(user: User, path: Path) -> None:
    said = user("add", "--random", "alice@a")
    password = said.rpartition(" ")[2]
    assert len(password) == 16
    assert rows(path)[0]["ha1"] == ha1("md5", "alice", "a", password)
    assert user("passwd", "--random", "alice@a") != said


def test_another_password(user: User, path: Path) -> None:
    user("add", "alice@a", "one")
    user("add", "alice@b", "one")
    assert user("passwd", "alice@a", "two") == "alice@a has another password"
    assert [row["ha1"] for row in rows(path)] == [ha1("md5", "alice", "a", "two"), ha1("md5", "alice", "b", "one")]


def test_the_password_itself_where_it_is_wanted(user: User, path: Path) -> None:
    user("add", "--plain", "alice@a", "one")
    assert rows(path)[0]["password"] == "one"
    user("passwd", "alice@a", "two")
    assert rows(path)[0]["password"] == ""


def test_accounts_are_listed_and_removed(user: User) -> None:
    for name in ("bob@a", "alice@a", "carol@b"):
        user("add", name, "pw")
    assert user("list").splitlines() == [f"{name}  MD5 SHA-256 SHA-512-256" for name in ("alice@a", "bob@a", "carol@b")]
    assert user("list", "b") == "carol@b  MD5 SHA-256 SHA-512-256"
    assert user("remove", "alice@a") == "alice@a is gone"
    assert user("list", "a") == "bob@a  MD5 SHA-256 SHA-512-256"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "alice", "pw"), "is no USER@DOMAIN"), (("add", "@a", "pw"), "is no USER@DOMAIN"),
        (("add", "a:b@c", "pw"), "may stand in a name"), (("add", "a\nb@c", "pw"), "may stand in a name"),
        (("add", "a" * 65 + "@c", "pw"), "at most 64"), (("add", "there@a", "pw"), "is there already"),
        (("add", "alice@a", "p\tw"), "printable"), (("add", "alice@a", "x" * 257), "printable"),
        (("add", "--plain", "alice@a", "x" * 26), "at most 25"),
        (("add", "--random", "alice@a", "pw"), "--random"), (("passwd", "nobody@a", "pw"), "there is no nobody@a"),
        (("remove", "nobody@a"), "there is no nobody@a"), (("list", "--table", "nowhere"), "pysips db create"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(user: User, path: Path, words: tuple[str, ...], said: str) -> None:
    user("add", "there@a", "pw")
    before = rows(path)
    answer = user(*words)
    assert answer.startswith("1 pysips: ")
    assert said in answer
    assert rows(path) == before


def test_an_empty_standard_input_is_no_password(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "1 to 256 printable" in user("add", "alice@a")


def test_a_url_never_shows_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "list", "--url", "mysql://u:hidden@127.0.0.1:1/d"]) != 0
    told = capsys.readouterr()
    assert "hidden" not in told.out + told.err
