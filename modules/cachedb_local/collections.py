"""`cache_collections`: names of collections, with OpenSIPS' table sizes (without meaning here) and `/r`."""

import re
from typing import Final

from pysips.errors import ModuleError

DEFAULT: Final = "default"
MOST: Final = 256
SPELLED: Final = re.compile(r"\s*([^\s/=;\0]{1,64})\s*(/r)?\s*(?:=\s*([0-9]{1,3}))?\s*")


def read_collections(text: str) -> dict[str, bool]:
    """`name[/r][=log2_size];…`: whether each is to be replicated. Raises ModuleError."""
    found: dict[str, bool] = {}
    for one in text.split(";"):
        if not one.strip():
            continue
        spelled = SPELLED.fullmatch(one)
        if spelled is None or len(found) == MOST:
            raise ModuleError(f'cache_collections: "{one.strip()}" is no name[/r][=size]')
        found[spelled[1]] = spelled[2] is not None
    return found
