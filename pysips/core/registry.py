"""The loaded modules: found by name, given their parameters, tied together, walked through life.

It is the script's `Catalogue`: every function, variable and transformation that a script may name is looked up here.
"""

import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pysips.errors import ModuleError
from pysips.script.catalogue import FunctionSpec, Home, TransformSpec, VariableSpec
from pysips.script.complaints import did_you_mean
from pysips.script.known import home_of
from pysips.script.regex import BadRegex, compile_ere

from . import exports
from .exports import Declarations, MiSpec, Module, Param, TimerSpec
from .ignored import IGNORED
from .stats import Statistics
from .transforms import find_transform

if TYPE_CHECKING:
    from .program import Program
    from .services import Services

MODULES = "pysips.modules"


class Registry:
    """Modules by name, in the order in which the script loads them; "core" is always the first."""

    def __init__(self, services: "Services", statistics: Statistics) -> None:
        self.services = services
        self.statistics = statistics
        self.loaded: dict[str, Module] = {}
        self.refused: set[str] = set()
        self.declared: dict[str, Declarations] = {}
        self.functions: dict[str, FunctionSpec] = {}
        self.variables: dict[str, VariableSpec] = {}
        self.transforms: dict[tuple[str, str], TransformSpec] = {}
        self.contexts: dict[str, Callable[[Any], Any]] = {}
        self.set_explicitly: set[tuple[str, str]] = set()
        self.started: list[Module] = []

    # -- loading

    def search(self, path: str) -> None:
        """`mpath`: look for modules in this folder, too. One with C modules of OpenSIPS does no harm."""
        folders = importlib.import_module(MODULES).__path__
        if os.path.isdir(path) and path not in folders:
            folders.append(path)

    def load(self, name: str) -> Module:
        """Load a module by its plain name ("tm"); raises ModuleError when it is not there or loaded already."""
        if name in self.loaded:
            raise ModuleError(f'module "{name}" is loaded twice')
        try:
            return self.add(name, find_class(name)())
        except ModuleError:
            self.refused.add(name)
            raise

    def add(self, name: str, module: Module) -> Module:
        """Take a module in: defaults on the instance, its names into the catalogue."""
        module.name, module.services, module.catalogue = name, self.services, self
        if module.status_group:
            module.status = self.services.status_reports.group(module.status_group)
        self.loaded[name] = module
        declared = self.declared[name] = exports.declarations(type(module))
        for one in declared.params.values():
            if not one.repeats:
                setattr(module, one.setter, one.default)
        for attribute, mark in declared.counters.items():
            setattr(module, attribute, self.statistics.counter(name, mark.name, mark.no_reset))
        for spec in exports.function_specs(module):
            self.functions[spec.name] = spec
        for variable in exports.variable_specs(module):
            self.variables[variable.name] = variable
        self.contexts.update(module.contexts())
        for transform in module.transforms():
            self.transforms[transform.group, transform.name] = transform
        return module

    # -- parameters

    def set_param(self, pattern: str, name: str, value: int | str) -> list[str]:
        """`modparam("a|b", "name", value)`: pattern is a POSIX ERE over the loaded modules' names.

        Answers what is to be said of parameters without meaning here, one sentence for each module.
        Raises ModuleError, with a cure in its text, for no match, an unknown parameter, a wrong type or range. For a
        module that was refused its loadmodule has said enough.
        """
        try:
            matcher = compile_ere(f"^({pattern})$")
        except BadRegex as problem:
            raise ModuleError(f'"{pattern}" names no modules: {problem}') from None
        matching = [module for module in self.loaded if module != "core" and matcher.matches(module)]
        if not matching and not any(matcher.matches(name) for name in self.refused):
            raise ModuleError(f'no loaded module matches "{pattern}": loadmodule must stand above modparam')
        return [remark for module in matching if (remark := self._set_one(module, name, value))]

    def _set_one(self, module: str, name: str, value: int | str) -> str:
        declared = self.declared[module].params.get(name)
        if declared is None:
            reason = IGNORED.get((module, name))
            if reason is None:
                raise ModuleError(unknown_parameter(module, name, self.declared[module].params))
            return f'parameter "{name}" of {module} has no meaning here: {reason}'
        instance = self.loaded[module]
        checked = checked_value(declared, module, value)
        self.set_explicitly.add((module, name))
        if declared.repeats:
            try:
                getattr(instance, declared.setter)(checked)
            except ValueError as problem:
                raise ModuleError(f'{module}: parameter "{name}": {problem}') from None
        else:
            setattr(instance, declared.setter, checked)
        return ""

    # -- life

    def tie(self) -> list[str]:
        """Give every module the apis that it needs; answers what is missing, one sentence each."""
        missing = []
        for name, declared in self.declared.items():
            for attribute, need in declared.needs.items():
                other = self.loaded.get(need.module)
                if other is not None:
                    setattr(self.loaded[name], attribute, other.api)
                elif need.optional:
                    setattr(self.loaded[name], attribute, None)
                else:
                    missing.append(f'module "{name}" needs module "{need.module}": loadmodule "{need.module}.so"')
        if not missing:
            for module in self.loaded.values():
                self.functions.update((spec.name, spec) for spec in exports.function_specs(module, waiting=True))
        return missing

    def load_implied(self, program: "Program") -> None:
        """The modules that loaded ones need by their parameters. Raises ModuleError."""
        for module in list(self.loaded.values()):
            module.program = program
            for name in module.implied():
                if name not in self.loaded:
                    self.load(name)

    def in_order(self) -> list[Module]:
        """Modules with those first that others need or want."""
        ordered: dict[str, Module] = {}
        path: set[str] = set()

        def visit(name: str) -> None:
            if name in ordered or name in path or name not in self.loaded:
                return
            path.add(name)
            for need in self.declared[name].needs.values():
                visit(need.module)
            path.discard(name)
            ordered[name] = self.loaded[name]

        for name in self.loaded:
            visit(name)
        return list(ordered.values())

    def configure(self, program: "Program") -> list[str]:
        """Before the fork; answers what modules complain of, one sentence each."""
        complaints = []
        ordered = self.in_order()
        for module in ordered:
            module.program = program
            for attribute, mark in self.declared[module.name].events.items():
                setattr(module, attribute, program.events.define(mark.name, mark.parameters))
        for module in ordered:
            try:
                module.configure()
            except ModuleError as problem:
                complaints.append(f"{module.name}: {problem}")
        return complaints

    def approve(self, edition: "Program") -> list[str]:
        """A reload: what modules have against these routes, one sentence each."""
        complaints = []
        for module in self.in_order():
            try:
                module.approve(edition)
            except ModuleError as problem:
                complaints.append(f"{module.name}: {problem}")
        return complaints

    async def start(self) -> None:
        """In each process, after the fork and with the services filled in; doors open last."""
        for module in sorted(self.in_order(), key=lambda one: one.is_door):
            self.started.append(module)
            await module.start()

    async def stop(self) -> None:
        """The other way round."""
        while self.started:
            await self.started.pop().stop()

    def mi_commands(self) -> list[MiSpec]:
        return [spec for module in self.loaded.values() for spec in exports.mi_specs(module)]

    def timers(self) -> list[TimerSpec]:
        return [spec for module in self.loaded.values() for spec in exports.timer_specs(module)]

    # -- the script's catalogue

    def function(self, name: str) -> FunctionSpec | None:
        return self.functions.get(name)

    def variable(self, name: str) -> VariableSpec | None:
        return self.variables.get(name)

    def transform(self, group: str, name: str) -> TransformSpec | None:
        return self.transforms.get((group.lower(), name.lower())) or find_transform(group, name)

    def message_context(self, name: str) -> Callable[[Any], Any] | None:
        return self.contexts.get(name)

    def function_names(self) -> Sequence[str]:
        return list(self.functions)

    def variable_names(self) -> Sequence[str]:
        return list(self.variables)

    def modules(self) -> Sequence[str]:
        return list(self.loaded)

    def home_of(self, what: str, name: str) -> Home | None:
        home = home_of(what, name)
        return None if home is None else replace(home, here=is_here(home.module))


def find_class(name: str) -> type[Module]:
    """The Module subclass that a module's file defines; raises ModuleError with what OpenSIPS knows of the name."""
    full = f"{MODULES}.{name}"
    if not is_here(name):
        raise ModuleError(unknown_module(name))
    try:
        found = importlib.import_module(full)
    except ModuleNotFoundError as problem:
        cure = f"pip install pysips[{name.removeprefix('cachedb_').removeprefix('db_')}]"
        raise ModuleError(f'module "{name}" needs the Python package {problem.name}: {cure}') from None
    for value in vars(found).values():
        if isinstance(value, type) and issubclass(value, Module) and value.__module__ == full:
            return value
    raise ModuleError(f'module "{name}" defines no Module class')


def is_here(name: str) -> bool:
    """Whether PySIPS has a module of that name."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]*", name)) and importlib.util.find_spec(f"{MODULES}.{name}") is not None


def unknown_module(name: str) -> str:
    """What to say of a module that is not there."""
    home = home_of("module", name)
    if home is not None and home.versions:
        return f'module "{name}" is known to OpenSIPS {", ".join(home.versions)}, not in PySIPS yet'
    return f'failed to load module "{name}": no such module'


def unknown_parameter(module: str, name: str, ours: Iterable[str]) -> str:
    """What to say of a parameter that a module of ours does not have."""
    said = f'Parameter "{name}" not found in module "{module}"'
    home = home_of("parameter", name, module)
    if home is not None:
        return f"{said}: known to OpenSIPS {', '.join(home.versions)}, not in PySIPS yet"
    cure = did_you_mean(name, [*ours, *(known for owner, known in IGNORED if owner == module)])
    return f"{said}; {cure}" if cure else said


def checked_value(declared: Param, module: str, value: int | str) -> int | str:
    """A modparam's value, of the right type and in range; raises ModuleError."""
    wanted = "an integer" if declared.kind is int else "a string"
    if not isinstance(value, declared.kind):
        raise ModuleError(f'{module}: parameter "{declared.name}" wants {wanted}')
    if isinstance(value, int):
        low, high = declared.low, declared.high
        if (low is not None and value < low) or (high is not None and value > high):
            raise ModuleError(f'{module}: parameter "{declared.name}" must be from {low} to {high}, not {value}')
    return value
