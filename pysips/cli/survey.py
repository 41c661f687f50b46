"""Everything that the core and the modules of this installation declare, and where it stands in their files."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pysips
from pysips.core import exports, loading
from pysips.core.exports import Module
from pysips.core.functions import Core
from pysips.core.options import Options
from pysips.core.registry import MODULES, Registry, find_class
from pysips.core.services import Services
from pysips.core.stats import Cells, Statistics
from pysips.errors import ConfigError, ModuleError
from pysips.runtime.mi_core import CoreCommands
from pysips.script import source
from pysips.script.catalogue import FunctionSpec, Parameter, Route

PACKAGE = Path(pysips.__file__).resolve().parent


@dataclass(frozen=True)
class Item:
    """One declared name. what: "function", "variable", "transformation", "mi", "parameter", "statistic"."""

    what: str
    name: str
    module: Module
    signature: str = ""
    note: str = ""
    help: str = ""


def names() -> list[str]:
    """The modules of this installation."""
    return sorted(found.name for found in pkgutil.iter_modules(importlib.import_module(MODULES).__path__))


def module(name: str) -> Module:
    """An instance with nothing configured, to be looked at; raises ModuleError."""
    registry = Registry(Services(), Statistics(Cells()))
    return registry.add(name, Core() if name == "core" else find_class(name)())


def every_module() -> Iterator[Module]:
    """The core and all modules that can be imported here (one that lacks its library is left out)."""
    for name in ["core", *names()]:
        try:
            yield module(name)
        except ModuleError:
            continue


def items(of: Module) -> list[Item]:
    """All that a module declares, each kind sorted by name."""
    found = [
        Item("function", spec.name, of, signature(spec.name, spec.parameters), routes(spec), spec.help)
        for spec in exports.function_specs(of)
    ]
    for variable in exports.variable_specs(of):
        inner = {"no": "", "optional": "[(name)]", "required": "(name)"}[variable.inner]
        note = "" if variable.write is not None else "read-only"
        found.append(Item("variable", variable.name, of, f"${variable.name}{inner}", note, variable.help))
    for transform in of.transforms():
        name = f"{transform.group}.{transform.name}"
        found.append(Item("transformation", name, of, f"{{{name}}}", "", transform.help))
    found += commands(of)
    if of.name == "core":
        found += commands(object.__new__(CoreCommands))
    declared = exports.declarations(type(of))
    for one in declared.params.values():
        kind = "integer" if one.kind is int else "string"
        default = "may be given repeatedly" if one.repeats else f"default {one.default!r}"
        found.append(Item("parameter", one.name, of, f"{one.name} ({kind})", default, one.help))
    found += [Item("statistic", name, of, name) for name in statistics(of)]
    return sorted(found, key=lambda item: (item.what, item.name))


def statistics(of: Module) -> set[str]:
    """The statistics of a module: those that it declares, and those that it makes when it is configured."""
    found = {mark.name for mark in exports.declarations(type(of)).counters.values()}
    script = "socket=udp:127.0.0.1:5060\n" + "".join(f'loadmodule "{name}"\n' for name in needed(of))
    try:
        program = loading.load_source(source.of_text(script + "route { exit; }", "survey"), Options("survey"))
    except (ConfigError, ModuleError):
        return found  # it needs parameters
    groups = {group for group, _ in program.statistics.known}
    mine = groups - set(program.registry.loaded) | {"core"} if of.name == "core" else {of.name}
    return found | {name for group, name in program.statistics.known if group in mine}


def needed(of: Module) -> list[str]:
    """The modules to load so that this one can be configured, each once, those that others need first.

    `sl` is there for `signaling`, which needs it or `tm`.
    """
    names: dict[str, None] = {"proto_udp": None, "sl": None}

    def add(name: str) -> None:
        if name == "core" or name in names:
            return
        for need in exports.declarations(find_class(name)).needs.values():
            if not need.optional:
                add(need.module)
        names[name] = None

    add(of.name)
    return list(names)


def commands(of: Module) -> list[Item]:
    """The management commands of a module; those for the server's own use are left out."""
    found = []
    for command in exports.mi_specs(of):
        words = " | ".join(" ".join(recipe) or "-" for recipe in command.recipes)
        if not command.name.startswith("_"):
            found.append(Item("mi", command.name, of, f"{command.name} ({words})", command.full, command.help))
    return found


def signature(name: str, parameters: tuple[Parameter, ...]) -> str:
    """`t_relay([flags], [outbound_proxy])`."""
    return f"{name}({', '.join(f'[{one.name}]' if one.optional else one.name for one in parameters)})"


def routes(spec: FunctionSpec) -> str:
    """The routes in which it may stand, and whether it may wait."""
    kinds = "any" if spec.routes == Route.ANY else str(spec.routes.name).lower().replace("|", ", ")
    return kinds + (", may wait" if spec.waits else "")


def place(item: Item) -> str:
    """`modules/tm/__init__.py:88`, where the name stands as a literal; the module's file if it stands nowhere."""
    home = Path(inspect.getfile(type(item.module))).resolve()
    files = sorted(home.parent.glob("*.py")) if home.name == "__init__.py" or item.module.name == "core" else [home]
    literal = ", ".join(f'"{part}"' for part in item.name.split("."))
    marks = (rf"\s*@.*{re.escape(literal)}", rf"    {re.escape(item.name)}:", rf".*{re.escape(literal)}")
    for mark in marks:
        for path in files:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if re.match(mark, line):
                    return f"{shown(path)}:{number}"
    return f"{shown(home)}:1"


def shown(path: Path) -> str:
    """From the project's top where that is what it is, else the whole path."""
    for top in (PACKAGE.parent, PACKAGE):
        if path.is_relative_to(top) and (top / "modules").is_dir():
            return str(path.relative_to(top))
    return str(path)
