"""A management command's parameters: which recipe they fit, and of which type they are (OpenSIPS: mi/item.c).

Facts:
- a command has one or several recipes, each a list of names; parameters come by position or by name;
- an integer may come as text ("level": "3"); a list takes texts;
- 2.4's clients send words: they go by position, and a list takes all that are left.
"""

import re
from typing import Any, Final

from pysips.core.exports import MiError, MiSpec
from pysips.errors import PysipsError

INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
INVALID_PARAMS: Final = -32602
COUNT: Final = "Too few or too many parameters"
NAMES: Final = "Named parameters do not match"


class InvalidParams(MiError):
    """The parameters do not fit; JSON-RPC's own error."""

    def __init__(self, data: str) -> None:
        super().__init__(INVALID_PARAMS, "Invalid params", data)


def bound(spec: MiSpec, params: Any) -> dict[str, Any]:
    """The parameters by name, of the right types. Raises InvalidParams."""
    if params is None:
        params = []
    if isinstance(params, dict):
        named = by_name(spec, params)
    elif isinstance(params, list):
        named = by_position(spec, params)
    else:
        raise InvalidParams("params must be a list or an object")
    return {name: typed(name, value, spec.kinds.get(name, str)) for name, value in named.items()}


def by_position(spec: MiSpec, values: list[Any]) -> dict[str, Any]:
    fitting = [recipe for recipe in spec.recipes if len(recipe) == len(values)]
    for recipe in fitting:
        if all(fits(value, spec.kinds.get(name, str)) for name, value in zip(recipe, values, strict=True)):
            return dict(zip(recipe, values, strict=True))
    if not fitting:
        raise InvalidParams(COUNT)
    return dict(zip(fitting[0], values, strict=True))


def by_name(spec: MiSpec, values: dict[str, Any]) -> dict[str, Any]:
    fitting = [recipe for recipe in spec.recipes if len(recipe) == len(values)]
    if not fitting:
        raise InvalidParams(COUNT)
    if not any(set(recipe) == set(values) for recipe in fitting):
        raise InvalidParams(NAMES)
    return values


def by_words(spec: MiSpec, words: list[str]) -> list[Any]:
    """Words of 2.4's line form as positional parameters."""
    for recipe in sorted(spec.recipes, key=len):
        if recipe and spec.kinds.get(recipe[-1]) is list and len(words) >= len(recipe):
            return [*words[: len(recipe) - 1], words[len(recipe) - 1 :]]
    return list(words)


def fits(value: Any, kind: type) -> bool:
    try:
        typed("", value, kind)
    except PysipsError:
        return False
    return True


def typed(name: str, value: Any, kind: type) -> Any:
    """A value as its parameter wants it. Raises InvalidParams."""
    if kind is list and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, bool):
        if isinstance(value, (bool, int)):
            return kind(value)
        if isinstance(value, str) and INTEGER.fullmatch(value):
            return kind(int(value))
    raise InvalidParams(f"Bad type for parameter '{name}'")
