"""The list of differences from OpenSIPS in docs/differences.md: "- `group/name`: reason", one case a line."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
LINE = re.compile(r"^- `(?P<case>[a-z_]+/\w+)`: (?P<reason>\S.*)$", re.M)


def differences() -> dict[str, str]:
    """Case → why it does not pass; a case named twice is an error in the document."""
    found: dict[str, str] = {}
    for match in LINE.finditer(DOCUMENT.read_text("utf-8")):
        if match["case"] in found:
            raise ValueError(f"{DOCUMENT.name} names {match['case']} twice")
        found[match["case"]] = match["reason"]
    return found
