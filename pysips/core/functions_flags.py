"""Core functions on message flags and branch flags (OpenSIPS manual: core functions, flags).

Names become bits when the script is compiled, so a 33rd name is a complaint at load. Branch 0 is the message's own.
"""

from typing import Annotated, NewType

from .branches import Branch
from .context import Context
from .exports import By, Module, Static, function

Mask = NewType("Mask", int)
MessageFlag = Annotated[Mask, Static, By("message_mask")]
BranchFlag = Annotated[Mask, Static, By("branch_mask")]


class FlagFunctions(Module):
    """Part of the core module; see functions.py."""

    def message_mask(self, name: str) -> Mask:
        """The bit of a message flag; raises BadName."""
        return Mask(self.services.message_flags.mask(name))

    def branch_mask(self, name: str) -> Mask:
        """The bit of a branch flag; raises BadName."""
        return Mask(self.services.branch_flags.mask(name))

    @function("setflag")
    def set_flag(self, ctx: Context, flag: MessageFlag) -> int:
        """Set a message flag."""
        ctx.flags |= flag
        return 1

    @function("resetflag")
    def reset_flag(self, ctx: Context, flag: MessageFlag) -> int:
        """Clear a message flag."""
        ctx.flags &= ~flag
        return 1

    @function("isflagset")
    def is_flag_set(self, ctx: Context, flag: MessageFlag) -> int:
        """True if the message flag is set."""
        return 1 if ctx.flags & flag else -1

    @function("setbflag")
    @function("setbranchflag")
    def set_branch_flag(self, ctx: Context, flag: BranchFlag, branch: int = 0) -> int:
        """Set a flag of a branch; -1 for a branch that is not there."""
        if branch == 0:
            ctx.bflags |= flag
            return 1
        found = branch_at(ctx, branch)
        if found is None:
            return -1
        found.flags |= flag
        return 1

    @function("resetbflag")
    @function("resetbranchflag")
    def reset_branch_flag(self, ctx: Context, flag: BranchFlag, branch: int = 0) -> int:
        """Clear a flag of a branch; -1 for a branch that is not there."""
        if branch == 0:
            ctx.bflags &= ~flag
            return 1
        found = branch_at(ctx, branch)
        if found is None:
            return -1
        found.flags &= ~flag
        return 1

    @function("isbflagset")
    @function("isbranchflagset")
    def is_branch_flag_set(self, ctx: Context, flag: BranchFlag, branch: int = 0) -> int:
        """True if the flag of a branch is set."""
        if branch == 0:
            return 1 if ctx.bflags & flag else -1
        found = branch_at(ctx, branch)
        return 1 if found is not None and found.flags & flag else -1


def branch_at(ctx: Context, number: int) -> Branch | None:
    """The added branch of a number from 1 on; None if there is none."""
    return ctx.branches[number - 1] if 0 < number <= len(ctx.branches) else None
