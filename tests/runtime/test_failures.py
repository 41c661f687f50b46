"""A module's function breaks in a real server: the log names the script's file, line and route, and service goes on."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.live import Phone, Server, until

pytestmark = pytest.mark.scenario
MODULE = '''\
"""fragile: breaks where it is asked to."""

from pysips.core.context import Context
from pysips.core.exports import Module, function


class Fragile(Module):
    @function("snap")
    def snap(self, ctx: Context, what: str) -> int:
        """Break."""
        raise LookupError("snapped: " + what)
'''
SCRIPT = """\
log_level=2
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
socket=udp:127.0.0.1:5060
mpath="{folder}"
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "sipmsgops.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
loadmodule "fragile.so"

route {
	if ($rU == "here")
		route(deep);
	if ($rU == "there") {
		$du = "sip:127.0.0.1:25062";
		t_on_failure("later");
		t_on_reply("meanwhile");
		t_relay();
		exit;
	}
	sl_send_reply(200, "Well");
}

route[deep] {
	xlog("L_DBG", "about to break\\n");
	snap("a request's route");
}

failure_route[later] {
	snap("a failure route");
}

onreply_route[meanwhile] {
	if ($rs == 180)
		snap("a reply's route");
}
"""


def line_of(text: str) -> int:
    return SCRIPT[: SCRIPT.index(text)].count("\n") + 1


def named(server: Server, what: str, *places: tuple[str, str]) -> bool:
    """Whether a traceback leads through these (text of the line, route) to its failure."""
    lines = server.log().splitlines()
    ends = [number for number, line in enumerate(lines) if f"LookupError: snapped: {what}" in line]
    if not ends:
        return False
    before = "\n".join(lines[: ends[0]])
    for text, route in places:
        assert f'File "{server.script}", line {line_of(text)}, in {route}' in before, before
    return True


def test_the_log_names_file_line_and_route(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(MODULE, "utf-8")
    server = Server(SCRIPT, tmp_path)
    try:
        with closing(Phone("alice", 25061)) as alice, closing(Phone("bob", 25062)) as bob:
            break_everywhere(server, alice, bob)
    finally:
        server.stop()
    assert len(re.findall("LookupError: snapped", server.log())) == 3


def break_everywhere(server: Server, alice: Phone, bob: Phone) -> None:
    alice.request("OPTIONS", f"sip:here@{alice.server}", call="here")
    until(
        lambda: named(server, "a request's route", ("route(deep);", "route"), ('snap("a request', "route[deep]")), 3,
        "the first traceback",
    )  # fmt: skip
    alice.hear("500")
    alice.request("INVITE", f"sip:there@{alice.server}", call="there")
    invite = bob.hear("INVITE")
    bob.answer(invite, "180 Ringing")
    alice.hear("180")
    until(lambda: named(server, "a reply's route", ('snap("a reply', "onreply_route[meanwhile]")), 3, "the second")
    bob.answer(invite, "486 Busy Here")
    alice.hear("486")
    until(lambda: named(server, "a failure route", ('snap("a failure', "failure_route[later]")), 3, "the third")
    alice.request("OPTIONS", f"sip:well@{alice.server}", call="well")
    alice.hear("200")
