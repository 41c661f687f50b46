"""Whose a pipe or a Unix socket of ours shall be: users and groups by name or number, as modparams give them."""

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path


def give(path: Path, user: int | str | None, group: int | str | None) -> None:
    """Change the owner of a file; None: as it is. Raises OSError, and KeyError for a name that nobody has."""
    uid = number(user, lambda name: pwd.getpwnam(name).pw_uid)
    gid = number(group, lambda name: grp.getgrnam(name).gr_gid)
    if uid >= 0 or gid >= 0:
        os.chown(path, uid, gid)


def number(who: int | str | None, look_up: Callable[[str], int]) -> int:
    """A user's or group's number; -1 for none. Raises KeyError."""
    if who is None:
        return -1
    if isinstance(who, int):
        return who
    return int(who) if who.isascii() and who.isdigit() and len(who) < 10 else look_up(who)
