"""Path: kept, given back, refused (RFC 3327)."""

from collections.abc import Callable

import pytest

from .conftest import Rig

Make = Callable[..., Rig]
PATH = "Path: <sip:192.0.2.1;lr>"


def path_line(rig: Rig) -> str:
    return next((line for line in rig.replies.sent[-1][2] if line.startswith("Path:")), "")


def test_without_a_flag_it_is_ignored(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>", PATH, "Supported: path")
    assert "Path" not in rig.shown()[0]
    assert path_line(rig) == ""


@pytest.mark.parametrize("flags", ["path-lazy", "p1"])
def test_lazy_keeps_it_and_tells_phones_that_understand(rig: Rig, flags: str) -> None:
    rig.save("Contact: <sip:a@h>", PATH, flags=flags)
    assert (rig.shown()[0]["Path"], path_line(rig)) == ("<sip:192.0.2.1;lr>", "")
    rig.save("Contact: <sip:a@h>", PATH, "Supported: gruu,\tPATH", flags=flags)
    assert (rig.shown()[0]["Path"], path_line(rig)) == ("<sip:192.0.2.1;lr>", PATH)


@pytest.mark.parametrize("flags", ["path-strict", "p2"])
def test_strict_refuses_phones_that_do_not(rig: Rig, flags: str) -> None:
    assert rig.save("Contact: <sip:a@h>", PATH, flags=flags) == -2
    assert rig.replies.sent[-1] == (
        420, "Bad Extension", ["Unsupported: path", "P-Registrar-Error: No support for found Path indicated"],
    )  # fmt: skip
    assert rig.tables.records == {}
    assert rig.save("Contact: <sip:a@h>", PATH, "Supported: path", flags=flags) == 1
    assert path_line(rig) == PATH
    assert rig.save("Contact: <sip:b@h>", flags=flags) == 1, "no Path, no matter"


@pytest.mark.parametrize("flags", ["path-off", "p0"])
def test_off_keeps_it_and_tells_nobody(rig: Rig, flags: str) -> None:
    rig.save("Contact: <sip:a@h>", "Path: <sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>", "Path: <sip:192.0.2.3>",
             "Supported: path", flags=flags)  # fmt: skip
    assert rig.shown()[0]["Path"] == "<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>,<sip:192.0.2.3>"
    assert path_line(rig) == ""


@pytest.mark.parametrize(
    "path", ["<sip:192.0.2.1>", "<nonsense;lr>", "<sip:192.0.2.1;lr", "", "<sip:h;lr;x=" + "y" * 1100 + ">"]
)
def test_a_path_that_cannot_be_used(rig: Rig, path: str) -> None:
    assert rig.save("Contact: <sip:a@h>", "Path: " + path, flags="path-off") == -2
    assert rig.error() == "400 Path parse error"


def test_the_nearest_proxy_says_where_the_phone_is(make: Make) -> None:
    rig = make(("usrloc", "nat_bflag", "NAT"))
    rig.save(
        "Contact: <sip:a@h>", "Path: <sip:192.0.2.1;lr;received=sip:198.51.100.7%3B:5>", flags="path-off,path-received"
    )
    assert rig.shown()[0]["Received"] == "sip:198.51.100.7;:5"
    assert rig.shown()[0]["Cflags"] == "NAT"
    double = "Path: <sip:192.0.2.1;lr;r2=on>, <sip:192.0.2.2;lr;received=sip:198.51.100.8>"
    rig.save("Contact: <sip:a@h>", double, flags="p0v")
    assert rig.shown()[0]["Received"] == "sip:198.51.100.8"
    rig.save("Contact: <sip:a@h>", PATH, flags="p0v")
    assert "Received" not in rig.shown()[0]
    assert rig.shown()[0]["Cflags"] == ""


def test_an_escaped_line_end_cannot_forge_a_header(rig: Rig) -> None:
    path = "Path: <sip:192.0.2.1;lr;received=sip:198.51.100.7%0D%0AX:y>"
    assert rig.save("Contact: <sip:a@h>", path, flags="path-off,path-received") == -2
    assert rig.error() == "400 Path parse error"
