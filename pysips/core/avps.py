"""AVPs as functions get them: by their name inside of `$avp(name)`, as a whole list (OpenSIPS: usr_avp).

`ctx.avps` maps a name to its values, the newest last. `=` pushes; functions that bring several values do the same.
"""

import re
from typing import Final

from pysips.script.values import Value

from .context import Context
from .exports import Var

SPELLED: Final = re.compile(r"\$(?:avp\((?P<plain>[^()]+)\)|\(avp\((?P<wrapped>[^()]+)\)(?:\[[^\]]*\])?\))")


def avp_name(text: str) -> str | None:
    """The name in `$avp(name)`, `$(avp(name))` or `$(avp(name)[i])`; None for anything else."""
    found = SPELLED.fullmatch(text.strip())
    return (found["plain"] or found["wrapped"]) if found else None


def newest_first(ctx: Context, name: str) -> list[Value]:
    """The values of an AVP as the script counts them: [0] is the newest."""
    return list(reversed(ctx.avps.get(name, ())))


def values_of(ctx: Context, variable: Var) -> list[Value]:
    """All values of a variable: the whole list of an AVP, newest first; one value of any other; none of a NULL."""
    name = avp_name(variable.name)
    if name is not None:
        return newest_first(ctx, name)
    value = variable.get(ctx)
    return [] if value is None else [value]


def push(ctx: Context, name: str, value: Value) -> None:
    """Add a value as the newest."""
    found = ctx.avps.get(name)
    if found is None:
        ctx.avps[name] = [value]
    else:
        found.append(value)
