"""Every transformation that needs no module: {s.len}, {uri.user}, {param.value,x} … (OpenSIPS: transformations.c).

Their names are compared without regard to case; the records here carry them in small letters.
"""

from typing import Final

from pysips.script.catalogue import TransformSpec

from .transform_codings import CODINGS
from .transform_formats import FORMATS
from .transform_ip import ADDRESSES
from .transform_lists import LISTS
from .transform_sdp import DESCRIPTIONS
from .transform_sip import SIP_PARTS, indexed_nameaddr
from .transform_strings import STRINGS

TRANSFORMS: Final[dict[tuple[str, str], TransformSpec]] = {
    (spec.group, spec.name): spec
    for spec in (*STRINGS, *CODINGS, *FORMATS, *SIP_PARTS, *LISTS, *ADDRESSES, *DESCRIPTIONS)
}


def transforms() -> list[TransformSpec]:
    """All of them, for the core's declarations."""
    return list(TRANSFORMS.values())


def find_transform(group: str, name: str) -> TransformSpec | None:
    """The transformation {group.name}, also {nameaddr.INDEX.name}; None if there is none."""
    group = group.strip().lower()
    found = TRANSFORMS.get((group, name.strip().lower()))
    return indexed_nameaddr(name) if found is None and group == "nameaddr" else found
