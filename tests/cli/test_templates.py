"""A residential template through `-p m4`: with whatever is switched on, only what is not here yet is complained of."""

import re
from pathlib import Path

import pytest

from pysips.cli import main

pytestmark = pytest.mark.needs("m4")

TEMPLATE = Path(__file__).parent / "residential.m4"
HERE = ("TCP", "PASSWORDS", "ACCOUNTING", "LOCATION", "MANAGEMENT", "NAT", "GATEWAY", "VOICEMAIL")
ABSENT = {
    "TLS": {"proto_tls", "tls_openssl", "tls_mgm"},
    "MEDIA": {"rtpproxy"},
    "DOMAINS": {"domain"},
    "ALIASES": {"alias_db"},
    "PRESENCE": {"xcap", "presence", "presence_xml"},
    "DIALOGS": {"dialog"},
    "DIALPLAN": {"dialplan"},
    "ROUTING": {"drouting"},
}


def check(folder: Path, *features: str) -> int:
    """The exit code for a template with some features switched on."""
    text = TEMPLATE.read_text("utf-8")
    for feature in features:
        switched = text.replace(f"define(`WITH_{feature}', `no')", f"define(`WITH_{feature}', `yes')")
        assert switched != text, f"there is no feature {feature}"
        text = switched
    path = folder / "residential.m4"
    path.write_text(text, "utf-8")
    return main(["-C", "-f", str(path), "-p", "m4"])


def complaints(said: str) -> list[str]:
    return re.findall(r"(?m)^\S*residential\.m4:\d+:\d+: (.*)$", said)


@pytest.mark.parametrize("features", [(), HERE, *((one,) for one in HERE)], ids="+".join)
def test_what_is_here_checks_as_ok(features: tuple[str, ...], tmp_path: Path) -> None:
    assert check(tmp_path, *features) == 0


def test_with_all_switched_on_only_absent_modules_and_what_is_theirs_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, *HERE, *ABSENT) == 255
    said = complaints(capsys.readouterr().err)
    absent = set().union(*ABSENT.values())
    named = {name for line in said for name in re.findall(r'^module "(\w+)" is known to OpenSIPS', line)}
    assert named == absent
    theirs = [line for line in said if not line.startswith("module ")]
    assert [line for line in theirs if not set(re.findall(r"\w+", line)) & absent] == []


@pytest.mark.parametrize("feature", ABSENT)
def test_one_absent_feature_is_named_alone(feature: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, feature) == 255
    said = complaints(capsys.readouterr().err)
    assert said and [line for line in said if not set(re.findall(r"\w+", line)) & ABSENT[feature]] == []
