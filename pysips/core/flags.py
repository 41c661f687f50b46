"""Flag names to bits. OpenSIPS names flags in the script and keeps at most 32 of each kind."""

from typing import Final, final

from pysips.errors import BadName

MOST: Final = 32


@final
class FlagNames:
    """The names of one kind of flags (message or branch), in the order in which they were first named."""

    __slots__ = ("kind", "masks")

    def __init__(self, kind: str) -> None:
        self.kind: str = kind
        self.masks: dict[str, int] = {}

    def mask(self, name: str) -> int:
        """The bit of a name, made when it is new; raises BadName for the 33rd and for an empty name."""
        found = self.masks.get(name)
        if found is None:
            if not name:
                raise BadName("a flag needs a name")
            if len(self.masks) == MOST:
                raise BadName(f"more than {MOST} {self.kind} flags")
            found = self.masks[name] = 1 << len(self.masks)
        return found

    def names(self, bits: int) -> list[str]:
        """Names of the set bits, most recently defined first, as `$mf` and `$bf` print them."""
        return [name for name, mask in reversed(self.masks.items()) if bits & mask]
