"""avpops: work on AVPs and other variables (OpenSIPS manual: avpops; gone from 3.6, whose scripts assign instead).

The functions that ask a database come with the databases.
"""

import random
from typing import Annotated, Final

from pysips.core.avps import newest_first
from pysips.core.context import Context
from pysips.core.exports import By, Module, NoExpand, Route, function, number_of, text_of
from pysips.core.transform_formats import Substitution

from . import pushing, spelling, values
from .pushing import Destination
from .spelling import CHECKS, SUMS, Deed, Named, Two

ROUTES: Final = Route.ANY & ~Route.ERROR


class AvpOps(Module):
    # -- arguments

    def one(self, text: str) -> Named:
        """`$avp(a)`, with the flag g."""
        return spelling.named(text, "g")

    def tested(self, text: str) -> Named:
        """`$avp(a)`, with one of the flags e, s, n."""
        return spelling.named(text, "esni")

    def copied(self, text: str) -> Named:
        """`$avp(a)`, with flags g, d, n, s."""
        return spelling.named(text, "gdns")

    def source(self, text: str) -> values.Source:
        """An AVP or another variable, with the flag g; raises BadName and ValueError."""
        return values.source(text, self.bound)

    def pair(self, text: str) -> Two:
        """`$avp(a)/$avp(b)/gd`."""
        return spelling.two(text, "gd")

    def check(self, text: str) -> Deed:
        """`gt/$avp(b)/g`."""
        return spelling.deed(text, self.bound, CHECKS, "gi")

    def sum(self, text: str) -> Deed:
        """`add/i:5/g`."""
        return spelling.deed(text, self.bound, SUMS, "gd")

    def substitution(self, text: str) -> Substitution:
        """`/expression/replacement/flags`; raises ValueError."""
        return Substitution(text, lambda variable: self.bound(variable).get)

    def a_name(self, text: str) -> str:
        """The name in `$avp(a)`; raises ValueError."""
        return spelling.named(text, "").name

    # -- functions

    @function("avp_delete", routes=ROUTES)
    def delete(self, ctx: Context, avp: Annotated[values.Doomed, NoExpand, values.doomed]) -> int:
        """Forget the newest value of an AVP, with `/g` all; "a", "s", "i": of all AVPs, those with texts or numbers."""
        return values.delete(ctx, avp)

    @function("avp_copy", routes=ROUTES)
    def copy(
        self, ctx: Context, old: Annotated[Named, NoExpand, By("one")], new: Annotated[Named, NoExpand, By("copied")]
    ) -> int:
        """Push the newest value of an AVP to another; flags: g all, d forget the old ones, n as number, s as text."""
        return values.copy(ctx, old.name, new.name, new.flags)

    @function("avp_shuffle", routes=ROUTES)
    def shuffle(self, ctx: Context, avp: Annotated[str, NoExpand, By("a_name")]) -> int:
        """Put the values of an AVP in a random order."""
        found = ctx.avps.get(avp)
        if not found:
            return -1
        random.shuffle(found)
        return 1

    @function("avp_insert", routes=ROUTES)
    def insert(self, ctx: Context, avp: Annotated[str, NoExpand, By("a_name")], value: str, index: int) -> int:
        """Put a value at a position, counted from the newest; beyond the end it becomes the oldest."""
        found = ctx.avps.setdefault(avp, [])
        found.insert(max(len(found) - max(index, 0), 0), value)
        return 1

    @function("avp_pushto", routes=ROUTES)
    def push_to(
        self, ctx: Context, destination: Annotated[Destination, NoExpand, pushing.destination],
        source: Annotated[values.Source, NoExpand, By("source")],
    ) -> int:  # fmt: skip
        """Put a value into the Request-URI or a part of it, the next hop, or a branch; g: further ones as branches."""
        return pushing.push(ctx, destination, source)

    @function("avp_check", routes=ROUTES)
    def check_value(
        self, ctx: Context, source: Annotated[values.Source, NoExpand, By("source")],
        wanted: Annotated[Deed, NoExpand, By("check")],
    ) -> int:  # fmt: skip
        """Whether a value, with g any value, fits: eq, ne, lt, le, gt, ge, re, fm, and, or, xor; i ignores case."""
        found = source.values(ctx, "g" in wanted.flags)
        return 1 if any(values.fits(ctx, value, wanted) for value in found) else -1

    @function("avp_op", routes=ROUTES)
    def calculate(
        self, ctx: Context, avps: Annotated[Two, NoExpand, By("pair")], work: Annotated[Deed, NoExpand, By("sum")]
    ) -> int:
        """Reckon with the newest number of an AVP, with g all: add, sub, mul, div, mod, and, or, xor, not."""
        return values.calculate(ctx, avps, work)

    @function("avp_subst", routes=ROUTES)
    def substitute(
        self, ctx: Context, avps: Annotated[Two, NoExpand, By("pair")],
        expression: Annotated[Substitution, NoExpand, By("substitution")],
    ) -> int:  # fmt: skip
        """Replace in the newest text of an AVP, with g all: 1, or -1 if none matches."""
        return values.substitute(ctx, avps, expression)

    @function("is_avp_set", routes=ROUTES)
    def is_set(self, ctx: Context, avp: Annotated[Named, NoExpand, By("tested")]) -> int:
        """Whether an AVP has a value; flags: e an empty one, s a text, n a number."""
        found = newest_first(ctx, avp.name)
        if not found:
            return -1
        newest = found[0]
        if "e" in avp.flags and text_of(newest) != "":
            return -1
        is_number = number_of(newest) is not None
        if ("s" in avp.flags and is_number) or (("n" in avp.flags or "i" in avp.flags) and not is_number):
            return -1
        return 1
