"""What a running server cannot change: every setting outside the routes (house rule 9.7), said by name.

Values are not repeated: a modparam may hold a password.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from pysips.errors import Complaint, Place
from pysips.script import nodes
from pysips.script.config import Config, LoadModule

CURE: Final = "it needs a restart"

Name = Callable[[Any], str]


def settings(old: Config, new: Config, script: nodes.Script, complaints: list[Complaint]) -> None:
    """Complain of each setting of `script` that is not as it was."""

    def complain(place: Place, message: str) -> None:
        complaints.append(script.complaint(place, message, CURE))

    for name, value in new.globals.items():
        if value != old.globals[name]:
            complain(new.given.get(name) or Place(script.file, 1), f"{name} is changed")
    compare(old.steps, new.steps, step_name, complain, script.file)
    compare(old.sockets, new.sockets, lambda one: f"socket={one.proto}:{one.host}", complain, script.file)
    compare(old.bonds, new.bonds, lambda one: f"socket=bond:{one.name}", complain, script.file)
    compare(old.aliases, new.aliases, lambda one: f"alias={one.host}", complain, script.file)
    compare(old.blacklists, new.blacklists, lambda one: f"dst_blacklist {one.name}", complain, script.file)
    if old.module_paths != new.module_paths:
        complain(Place(script.file, 1), "mpath is changed")


def compare(
    old: Iterable[Any], new: Iterable[Any], name: Name, complain: Callable[[Place, str], None], file: str
) -> None:
    """Complain of what is only in one of two lists of settings, else of another order."""
    before, after = [facts(one) for one in old], [facts(one) for one in new]
    if before == after:
        return
    gone, come = Counter(before) - Counter(after), Counter(after) - Counter(before)
    vanished = {name(one) for one, known in zip(old, before, strict=True) if known in gone}
    for one, known in zip(new, after, strict=True):
        if known in come:
            title = name(one)
            complain(one.place, f"{title} is {'changed' if title in vanished else 'new'}")
            vanished.discard(title)
    for title in sorted(vanished):
        complain(Place(file, 1), f"{title} is gone")
    if not gone and not come:
        moved = next(one for one, a, b in zip(new, after, before, strict=True) if a != b)
        complain(moved.place, f"{name(moved)} stands in another place")


def facts(one: Any) -> str:
    """All of a setting but where it stands."""
    return repr([getattr(one, field.name) for field in dataclasses.fields(one) if field.name != "place"])


def step_name(step: Any) -> str:
    if isinstance(step, LoadModule):
        return f'loadmodule "{step.name}"'
    return f'modparam("{step.modules}", "{step.name}")'
