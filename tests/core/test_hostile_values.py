"""Transformations on long hostile values: the time is bounded by the length."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from pysips.core.log import log
from pysips.core.transforms import TRANSFORMS
from pysips.errors import BadName
from pysips.script.catalogue import Apply, TransformSpec

CTX: Any = SimpleNamespace(vars={}, message=SimpleNamespace(status=0), request_uri=lambda: "sip:me@here")
LENGTH = 60_000
UNITS = [
    "a", " ", '"', ",", ";", "; ", "=", "<", "<>", "(", "()", "\\", '\\"', "%", "@", "[", "\r\n", "\t", "é", "1,",
    "a=1;", '"a",', "<a>,", "$", "&a=", "a=fmtp:1 ", "m=a\r\n", "SIP/2.0/UDP a,",
]  # fmt: skip
BEGINNINGS = ["", "sip:a@", '"a" <sip:a@b>;', "SIP/2.0/UDP a;", "v=0\r\nm=audio 1 RTP/AVP 0\r\na=fmtp:1", "<sip:"]
ENDS = ["", "x", '"']
ARGUMENTS = [None, "a", "1", "0,1", "/ *a$/b/g", ",", "a,1", "username"]


def forms(spec: TransformSpec) -> list[Apply]:
    """A transformation with some arguments that it takes."""
    made = []
    for arguments in ARGUMENTS:
        try:
            made.append(spec.bind(arguments, lambda name: lambda ctx: "a"))
        except (BadName, ValueError):
            continue
    return made[:2]


@pytest.mark.parametrize("group", sorted({spec.group for spec in TRANSFORMS.values()}))
def test_no_value_makes_a_transformation_slow(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(log), "put", lambda *said: None)
    applies = [(spec.name, apply) for spec in TRANSFORMS.values() if spec.group == group for apply in forms(spec)]
    assert applies
    for beginning in BEGINNINGS:
        for unit in UNITS:
            for end in ENDS:
                value = beginning + (unit * LENGTH)[: LENGTH // 8] + end
                begun = time.process_time()
                for _, apply in applies:
                    apply(CTX, value)
                spent = time.process_time() - begun
                assert spent < 0.5, f"{group} on {beginning!r} and {unit!r}: {spent} s"
