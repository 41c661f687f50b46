"""Where the embedded file is, and what is in it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pysips.modules.usrloc.embedded import make_tables, state_file, state_folder
from pysips.runtime.offload import driven

from .rig import COLUMNS


class Direct:
    """A database of one connection."""

    version_table = "version"

    def __init__(self, file: Path) -> None:
        self.file = file

    async def query(self, text: str, values: Any = ()) -> list[Any]:
        with sqlite3.connect(self.file) as connection:
            return connection.execute(text, values).fetchall()

    async def version(self, table: str) -> int | None:
        rows = await self.query("SELECT table_version FROM version WHERE table_name = ?", (table,))
        return rows[0][0] if rows else None

    async def insert(self, table: str, row: dict[str, Any]) -> None:
        await self.query(f"INSERT INTO {table} VALUES (?, ?)", tuple(row.values()))


def test_the_file_is_the_scripts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    one = state_file("/etc/opensips/opensips.cfg", "", "")
    assert one.parent.parent == tmp_path / "pysips"
    assert one == state_file("/etc/opensips/../opensips/opensips.cfg", "", "") or one.name == "location.sqlite"
    assert one != state_file("/etc/other/opensips.cfg", "", "")


def test_where_nobody_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder("", "") in (Path("/var/lib"), tmp_path)
    assert state_folder("/jail", "") == Path("/jail/var/lib")
    assert state_folder("", "nosuchuser") in (Path("/var/lib"), tmp_path)


def test_the_tables_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "a" / "location.sqlite"
    for _ in range(2):
        promise = driven(make_tables(file, Direct(file), ["location", "other"], COLUMNS))  # type: ignore[arg-type]
        assert promise.done
        assert promise.failure is None, promise.failure
    with sqlite3.connect(file) as connection:
        assert sorted(connection.execute("SELECT * FROM version")) == [("location", 1013), ("other", 1013)]
        names = [row[1] for row in connection.execute("PRAGMA table_info(location)")]
    assert names == list(COLUMNS.values())
    assert file.stat().st_mode & 0o77 == 0
