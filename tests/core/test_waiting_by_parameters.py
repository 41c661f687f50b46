"""Functions that wait or not by their module's parameters, and modules that bring others along."""

from typing import cast

from pysips.core.context import Context
from pysips.core.exports import Module, function, param
from pysips.core.program import Program
from pysips.core.registry import Registry
from pysips.core.services import Services
from pysips.core.stats import Statistics


class Storing(Module):
    slow: int = param(0)

    def waits(self, function: str) -> bool:
        return self.slow == 1 and function == "put"

    def implied(self) -> list[str]:
        return ["maxfwd"] if self.slow else []

    @function("put", waiting="put_slowly")
    def put(self, ctx: Context, key: str) -> int:
        """Put it."""
        return 1

    @function("get", waiting="put_slowly")
    def get(self, ctx: Context, key: str) -> int:
        """Get it."""
        return 1

    async def put_slowly(self, ctx: Context, key: str) -> int:
        """Put it, and wait."""
        return 2


def loaded(slow: int) -> Registry:
    registry = Registry(Services(), Statistics())
    registry.add("storing", Storing())
    registry.set_param("storing", "slow", slow)
    registry.load_implied(cast(Program, None))
    assert registry.tie() == []
    return registry


def test_a_function_waits_only_where_the_parameters_want_it() -> None:
    assert [loaded(0).functions[name].waits for name in ("put", "get")] == [False, False]
    registry = loaded(1)
    assert [registry.functions[name].waits for name in ("put", "get")] == [True, False]
    assert registry.functions["put"].call.__name__ == "put_slowly"
    assert registry.functions["put"].parameters == loaded(0).functions["put"].parameters


def test_a_module_brings_others_along() -> None:
    assert "maxfwd" not in loaded(0).loaded
    assert "maxfwd" in loaded(1).loaded
