"""Under 200 calls a second the routes are loaded anew 100 times: no call fails, and none meets two scripts."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli.mi import MiFailed, ask
from tests.live import Phone, Server

from .sipp import Sipp

pytestmark = [pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.timeout(300)]
TEXT = (Path(__file__).parent / "reload.cfg").read_text("utf-8")
RATE = 200
RELOADS = 100
BROKEN = ("t_check_trans();\n\trecord_route", "t_chek_trans();\n\trecord_route")
SETTLED = ('"fr_timeout", 5', '"fr_timeout", 6')


def edition(number: int) -> str:
    return TEXT.replace("EDITION", str(number))


def reload(server: Server, text: str) -> str:
    """What comes of it: "" or why not."""
    server.script.write_text(text.replace("{folder}", str(server.folder)), "utf-8")
    try:
        assert ask(server.fifo, server.reply_folder, "reload_routes", None, 30.0) == "OK"
    except MiFailed as problem:
        return str(problem)
    return ""


def answered(phone: Phone, number: int) -> set[str]:
    """The reasons that several workers give."""
    reasons = set()
    for again in range(6):
        phone.request("OPTIONS", "sip:127.0.0.1", call=f"options-{number}-{again}")
        reasons.add(phone.hear("SIP/2.0").split("\r\n")[0])
    return reasons


def test_routes_are_loaded_anew_under_load(serve: Callable[..., Server], sipp: Callable[..., Sipp]) -> None:
    server = serve(edition(0))
    sipp("busy", 5074)
    sipp("patient_uas", 5071)
    calls = RATE * 60
    load = sipp(
        "uac_call", 5080, rate=RATE, calls=calls, users=("any;",), extra=("-d", "100", "-recv_timeout", "20000")
    )
    phone = Phone("asker", 5099)
    current, took = 0, []
    for number in range(1, RELOADS + 1):
        began = time.monotonic()
        if number % 5 == 3:
            assert "unknown command <t_chek_trans>" in reload(server, edition(number).replace(*BROKEN))
        elif number % 5 == 4:
            said = 'modparam("tm", "fr_timeout") is changed; it needs a restart'
            assert said in reload(server, edition(number).replace(*SETTLED))
        else:
            assert reload(server, edition(number)) == ""
            current = number
            took.append(time.monotonic() - began)
        assert answered(phone, number) == {f"SIP/2.0 200 edition {current}"}
    phone.close()
    assert load.process.poll() is None, "all reloads happened under load"
    done = load.wait(120)
    print(f"{RELOADS} reloads, those taken in {max(took):.2f} s at most; {done.ok} calls, {done.failed} failed")
    assert (done.ok, done.failed) == (calls, 0), done.errors
    assert "MIXTURE" not in server.log()
