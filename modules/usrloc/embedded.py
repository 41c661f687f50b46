"""The embedded default: contacts survive a restart in a file of our own, where the script asks for
`restart_persistency` and names no `db_url`. No server is needed, and nothing has to be made beforehand.

Facts:
- the file is `pysips/NAME/location.sqlite` in the state folder: NAME is that of the script with a few letters for its
  path, so a server finds its contacts again, and two servers have two files. The state folder is $STATE_DIRECTORY
  (systemd's StateDirectory=), else /var/lib if we may write there, else $XDG_STATE_HOME, else ~/.local/state;
- with `-u` it is a folder of that user's, with `chroot` one below the root folder;
- it has OpenSIPS' table `location` in version 1013, one for each name that the script uses, and `version`: any tool
  for SQLite reads it, and db_sqlite may be pointed to it.
"""

import os
import pwd
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pysips.core.options import Options
from pysips.core.sqldb import Database

FILE: Final = "location.sqlite"


def state_file(script: str, root: str, user: str) -> Path:
    """Where this server's contacts are, as seen from outside of its root folder."""
    path = str(Path(script).absolute())
    stem = "".join(c if c.isalnum() else "_" for c in Path(script).stem)[:32] or "stdin"
    name = f"{stem}-{blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}"
    return state_folder(root, user) / "pysips" / name / FILE


def state_folder(root: str, user: str) -> Path:
    """The folder for what outlives a server."""
    if root:
        return Path(root) / "var/lib"
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    entry = entry_of(user)
    uid = os.getuid() if entry is None else entry.pw_uid
    shared = Path("/var/lib")
    if may_write(shared / "pysips", uid) or may_write(shared, uid):
        return shared
    own = os.environ.get("XDG_STATE_HOME", "") if entry is None or uid == os.getuid() else ""
    home = Path.home() if entry is None else Path(entry.pw_dir)
    return Path(own) if own.startswith("/") else home / ".local/state"


def entry_of(user: str) -> pwd.struct_passwd | None:
    """The account that the server runs under, None for ours or one that there is not (the start complains of that)."""
    try:
        if user.isascii() and user.isdigit():
            return pwd.getpwuid(int(user[:10]))
        return pwd.getpwnam(user) if user else None
    except KeyError:
        return None


def may_write(folder: Path, uid: int) -> bool:
    """Whether a user may make files in a folder."""
    try:
        status = folder.stat()
    except OSError:
        return False
    if uid == 0:
        return os.getuid() != 0 or os.access(folder, os.W_OK)
    return status.st_uid == uid or (uid == os.getuid() and os.access(folder, os.W_OK))


def place_in(root: str, options: Options) -> tuple[Path, Path]:
    """The file as it is now, and as the running server sees it, which may have another root folder."""
    file = state_file(options.file, root, options.user)
    return file, Path("/") / file.relative_to(root) if root else file


async def make_tables(file: Path, database: Database, tables: list[str], columns: Mapping[str, str]) -> None:
    """Make the file and what is missing in it. Raises OSError, SqlError."""
    from pysips.core.sqltables import LOCATION, VERSION, statements  # SQLAlchemy: only who has a database needs it

    names = {field if field != "user" else "username": column for field, column in columns.items()}
    layout = replace(LOCATION, columns=tuple(replace(one, name=names[one.name]) for one in LOCATION.columns))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)
    there = {row[0] for row in await database.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    version = database.version_table
    if version not in there:
        for statement in statements(VERSION, "sqlite", version):
            await database.query(statement)
    for table in tables:
        if table not in there:
            for statement in statements(layout, "sqlite", table):
                await database.query(statement)
        index = f'"{table}_owner" ON "{table}" ("{columns["user"]}", "{columns["domain"]}")'
        await database.query(f"CREATE INDEX IF NOT EXISTS {index}")
        if await database.version(table) is None:
            await database.insert(version, {"table_name": table, "table_version": layout.version})
