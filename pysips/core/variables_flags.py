"""$mf $bf $msg.flag(…) $branch.flag(…): flags by their names. Names become bits when the script is compiled."""

from pysips.script.catalogue import Ctx, Getter, Index, Inner, Setter, VariableSpec
from pysips.script.values import Value, number_of

from .branches import Branch
from .flags import FlagNames
from .variable_binding import FALSE, MODULE, TRUE, number_at, refused, simple, text_name


def flag_names(names: FlagNames, bits: int) -> str:
    """The names of the set bits, the latest defined one first."""
    return " ".join(names.names(bits))


def bits_of(names: FlagNames, text: str) -> int:
    """The bits of names with blanks between them; names that are not known are left out."""
    bits = 0
    for name in text.split():
        bits |= names.masks.get(name, 0)
    return bits


def message_flag(names: FlagNames) -> VariableSpec:
    """$msg.flag(name)"""

    def read(inner: Inner, index: Index) -> Getter:
        mask = names.mask(text_name("msg.flag", inner))
        return lambda ctx: TRUE if ctx.flags & mask else FALSE

    def write(inner: Inner, index: Index) -> Setter:
        name = text_name("msg.flag", inner)
        mask = names.mask(name)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            number = None if isinstance(value, str) else number_of(value)
            if number is None:
                return refused(f"msg.flag({name})", value, "a number is needed")
            ctx.flags = ctx.flags | mask if number else ctx.flags & ~mask
            return 1

        return put

    return VariableSpec("msg.flag", MODULE, read, write, "required", help="A message flag: true or false.")


def branch_flag(full: str, names: FlagNames) -> VariableSpec:
    """$(branch.flag(name)[i]): branch 0 is the message's own; without an index a write takes the last one."""

    def read(inner: Inner, index: Index) -> Getter:
        mask = names.mask(text_name(full, inner))
        place = number_at(0 if index is None else index)

        def get(ctx: Ctx) -> Value:
            found = flags_at(ctx, place(ctx))
            return None if found is None else (TRUE if found & mask else FALSE)

        return get

    def write(inner: Inner, index: Index) -> Setter:
        name = text_name(full, inner)
        mask = names.mask(name)
        place = number_at(-1 if index is None else index)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            number = None if isinstance(value, str) else number_of(value)
            at = place(ctx)
            if number is None or flags_at(ctx, at) is None:
                return refused(f"{full}({name})", value, "a number, and a branch that is there, are needed")
            change(ctx, at, mask, bool(number))
            return 1

        return put

    return VariableSpec(full, MODULE, read, write, "required", index=True, help="A branch flag: true or false.")


def branch_at(ctx: Ctx, at: int | None) -> Branch | None:
    """An added branch, counted from 1, or from the end; None for the message's own and for none."""
    if at is None:
        return None
    place = at - 1 if at > 0 else at + len(ctx.branches)
    return ctx.branches[place] if at != 0 and 0 <= place < len(ctx.branches) else None


def is_own(ctx: Ctx, at: int | None) -> bool:
    """Whether an index means the message's own branch."""
    return at == 0 or at == -1 - len(ctx.branches)


def flags_at(ctx: Ctx, at: int | None) -> int | None:
    """The flags of a branch; None if it is not there."""
    if is_own(ctx, at):
        return int(ctx.bflags)
    branch = branch_at(ctx, at)
    return None if branch is None else branch.flags


def change(ctx: Ctx, at: int | None, mask: int, on: bool) -> None:
    """Set or clear a flag of a branch that is there."""
    branch = None if is_own(ctx, at) else branch_at(ctx, at)
    if branch is None:
        ctx.bflags = ctx.bflags | mask if on else ctx.bflags & ~mask
    else:
        branch.flags = branch.flags | mask if on else branch.flags & ~mask


def flag_variables(message: FlagNames, branch: FlagNames) -> list[VariableSpec]:
    return [
        simple("mf", lambda ctx: flag_names(message, ctx.flags), None, "Names of the message flags that are set."),
        simple("bf", lambda ctx: flag_names(branch, ctx.bflags), None, "Names of the branch flags that are set."),
        message_flag(message),
        branch_flag("branch.flag", branch),
        branch_flag("msg.branch.flag", branch),
    ]
