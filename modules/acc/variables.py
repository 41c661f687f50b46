"""The script's own values of a call and of its legs: `$acc_extra(name)`, `$acc_leg(name)`, `$acc_current_leg`."""

from typing import TYPE_CHECKING, Final, final

from pysips.core.context import Context
from pysips.core.exports import Getter, Index, Inner, Setter, Value, VariableSpec
from pysips.errors import BadName

from .account import Leg

if TYPE_CHECKING:
    from . import Acc

EXTRA: Final = "extra_fields"
LEG: Final = "leg_fields"


def specs(module: "Acc") -> list[VariableSpec]:
    """What a script may name."""
    made = Variables(module)
    return [
        VariableSpec("acc_extra", "acc", made.read_extra, made.write_extra, "required", help="Of the call."),
        VariableSpec("acc_leg", "acc", made.read_leg, made.write_leg, "required", index=True, help="Of a leg."),
        VariableSpec("acc_current_leg", "acc", lambda inner, index: made.current_leg, help="Number of the leg."),
    ]


@final
class Variables:
    """Reads and writes them in the account of a request."""

    def __init__(self, module: "Acc") -> None:
        self.module = module

    def current_leg(self, ctx: Context) -> Value:
        return max(len(self.module.account(ctx).legs) - 1, 0)

    def name_in(self, inner: Inner, declared: dict[str, dict[str, str]], parameter: str) -> str:
        """The name of a value that the parameter declares; raises BadName."""
        name = str(inner)
        if not any(name in fields for fields in declared.values()):
            raise BadName(f'"{name}" is not declared: modparam("acc", "{parameter}", "log: {name}")')
        return name

    def read_extra(self, inner: Inner, index: Index) -> Getter:
        name = self.name_in(inner, self.module.fields, EXTRA)
        return lambda ctx: self.module.account(ctx).extras.get(name)

    def write_extra(self, inner: Inner, index: Index) -> Setter:
        name = self.name_in(inner, self.module.fields, EXTRA)
        return lambda ctx, value, op: put(self.module.account(ctx).extras, name, value)

    def read_leg(self, inner: Inner, index: Index) -> Getter:
        name = self.name_in(inner, self.module.leg_fields, LEG)
        number = number_in(index)

        def read(ctx: Context) -> Value:
            legs = self.module.account(ctx).legs
            return legs[number].get(name) if -len(legs) <= number < len(legs) else None

        return read

    def write_leg(self, inner: Inner, index: Index) -> Setter:
        name = self.name_in(inner, self.module.leg_fields, LEG)
        number = number_in(index)

        def write(ctx: Context, value: Value, op: str) -> int:
            legs = self.module.account(ctx).legs
            return put(legs[number], name, value) if -len(legs) <= number < len(legs) else -1

        return write


def number_in(index: Index) -> int:
    """The number of a leg, -1 for the newest; raises BadName for anything but a number."""
    if index is None:
        return -1
    if not isinstance(index, int):
        raise BadName("a leg's index is a number")
    return index


def put(values: Leg, name: str, value: Value) -> int:
    """Set a value of the script's own."""
    values[name] = value
    return 1
