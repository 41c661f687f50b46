"""What a module class declares is what a script may use, with names, types and limits."""

import re
from typing import Annotated

import pytest

from pysips.core import exports
from pysips.core.context import Context
from pysips.core.exports import (
    Module,
    NoExpand,
    Regex,
    Route,
    Static,
    Var,
    Where,
    function,
    mi,
    modparam,
    param,
    timer,
    variable,
)
from pysips.core.registry import Registry
from pysips.core.services import Services
from pysips.core.stats import Statistics
from pysips.errors import ModuleError


def upper(text: str) -> str:
    return text.upper()


class Sample(Module):
    """A module with one of each."""

    most: int = param(10, low=1, high=20, help="How many.")
    title: str | None = param(None)
    period: int = param(5)
    taken = exports.counter("taken")

    def __init__(self) -> None:
        self.sockets: list[str] = []

    @modparam("socket")
    def add_socket(self, value: str) -> None:
        self.sockets.append(value)

    @function("take", routes=Route.REQUEST)
    @function("take_old")
    def take(
        self, ctx: Context, count: int, name: str, where: Var, how: Annotated[str, Static, upper] = "x",
        raw: Annotated[str, NoExpand] = "", code: int | str = 0, pattern: Regex | None = None,
    ) -> int:  # fmt: skip
        """Take something."""
        return 1

    @function("rest")
    async def rest(self, ctx: Context) -> int:
        return 1

    @variable("sample_size")
    def size(self, ctx: Context) -> int:
        return 7

    @mi("sample_list", full="sample:list", where=Where.EACH)
    def listing(self, domain: str, brief: bool = False) -> exports.Json:
        return [domain, brief]

    @timer("period")
    def tick(self) -> None:
        self.title = "ticked"


def loaded() -> tuple[Registry, Sample]:
    registry = Registry(Services(), Statistics())
    module = Sample()
    registry.add("sample", module)
    return registry, module


def test_a_function_s_annotations_become_its_parameters() -> None:
    registry, _ = loaded()
    spec = registry.function("take")
    assert spec is not None
    assert (spec.module, spec.minimum, spec.routes, spec.waits) == ("sample", 3, Route.REQUEST, False)
    assert [(p.name, p.kind, p.optional) for p in spec.parameters] == [
        ("count", "int", False), ("name", "str", False), ("where", "var", False), ("how", "str", True),
        ("raw", "str", True), ("code", "value", True), ("pattern", "regex", True),
    ]  # fmt: skip
    how, raw = spec.parameters[3:5]
    assert (how.static, how.convert, raw.expand) == (True, upper, False)
    assert registry.function("take_old") is not None
    rest = registry.function("rest")
    assert rest is not None and rest.waits


def test_a_parameter_is_a_plain_attribute_with_its_default_until_it_is_set() -> None:
    registry, module = loaded()
    assert (module.most, module.title) == (10, None)
    registry.set_param("sam.*", "most", 20)
    registry.set_param("SAMPLE", "title", "x")
    registry.set_param("sample", "socket", "a")
    registry.set_param("sample", "socket", "b")
    assert (module.most, module.title, module.sockets) == (20, "x", ["a", "b"])


@pytest.mark.parametrize(
    ("pattern", "name", "value", "message"),
    [
        ("sample", "most", 21, "must be from 1 to 20, not 21"),
        ("sample", "most", "2", "wants an integer"),
        ("sample", "title", 2, "wants a string"),
        ("sample", "nothing", 2, 'Parameter "nothing" not found in module "sample"'),
        ("other", "most", 2, 'no loaded module matches "other"'),
        ("a(", "most", 2, '"a(" names no modules'),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_name(pattern: str, name: str, value: int | str, message: str) -> None:
    registry, _ = loaded()
    with pytest.raises(ModuleError, match=re.escape(message)):
        registry.set_param(pattern, name, value)


def test_a_command_has_a_recipe_for_each_way_to_call_it() -> None:
    registry, _ = loaded()
    (command,) = registry.mi_commands()
    assert (command.name, command.full, command.where) == ("sample_list", "sample:list", Where.EACH)
    assert command.recipes == (("domain",), ("domain", "brief"))
    assert command.kinds == {"domain": str, "brief": bool}


def test_a_timer_of_no_seconds_never_runs() -> None:
    registry, module = loaded()
    assert [one.every for one in registry.timers()] == [5.0]
    module.period = 0
    assert registry.timers() == []


def test_a_parameter_without_a_type_is_refused_when_the_module_loads() -> None:
    class Careless(Module):
        @function("careless")
        def careless(self, ctx: Context, what) -> int:  # type: ignore[no-untyped-def]
            return 1

    with pytest.raises(ModuleError, match="parameter what has no annotation"):
        Registry(Services(), Statistics()).add("careless", Careless())
