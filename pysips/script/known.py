"""Every name that OpenSIPS 2.4, 3.4, 3.6 and 4.0 know, so that "not in PySIPS yet" is told apart from a misspelling.

`known.json` (made by scripts/catalogue) holds `{"versions": [...], "names": {what: {module: {mask: "name name"}}}}`;
bit n of a mask stands for the n-th version. It is read when the first name is looked up, which a script without
mistakes never does.

what is one of "module", "function", "async", "parameter", "variable" (without `$`), "transformation" ("s.len"),
"global", "statement", "mi" (2.4's and 3.x's names and 4.0's `module:command`), "statistic", "event". The module of
what needs none is "core".
"""

import json
from functools import cache
from importlib.resources import files

from .catalogue import Home

Names = dict[str, list[Home]]


@cache
def tables() -> dict[str, Names]:
    """What → name → its homes, the one in the newest version first."""
    data = json.loads(files(__package__).joinpath("known.json").read_text("utf-8"))
    versions: list[str] = data["versions"]
    found: dict[str, Names] = {}
    for what, modules in data["names"].items():
        names = found[what] = {}
        for module, masks in modules.items():
            for mask, text in masks.items():
                home = Home(module, False, tuple(v for bit, v in enumerate(versions) if int(mask) >> bit & 1))
                for name in text.split(" "):
                    names.setdefault(name, []).append(home)

    def newest(home: Home) -> tuple[int, int, str]:
        return (-versions.index(home.versions[-1]), -len(home.versions), home.module)

    for names in found.values():
        for homes in names.values():
            homes.sort(key=newest)
    return found


def homes_of(what: str, name: str) -> tuple[Home, ...]:
    """All homes of a name, the one in the newest version first; empty if no OpenSIPS knows it."""
    return tuple(tables().get(what, {}).get(name, ()))


def home_of(what: str, name: str, module: str = "") -> Home | None:
    """Where a name lives in OpenSIPS (in `module`, if given), or None. `Home.here` is for the caller to find out."""
    return next((home for home in homes_of(what, name) if not module or home.module == module), None)


def names_of(what: str, module: str = "") -> list[str]:
    """Every name of that kind (of one module, if given), sorted: what a misspelt one may have meant."""
    names = tables().get(what, {})
    return sorted(name for name in names if not module or home_of(what, name, module) is not None)
