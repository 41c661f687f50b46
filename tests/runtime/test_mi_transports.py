"""Management of a real server: by lines and JSON in the pipe, by datagrams, by HTTP, all of them at once."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Running

pytestmark = pytest.mark.scenario

MODULES = """
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "mi_fifo.so"
loadmodule "mi_datagram.so"
loadmodule "httpd.so"
loadmodule "mi_http.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
modparam("mi_datagram", "socket_name", "{datagram}")
modparam("httpd", "port", {http})
modparam("nathelper", "natping_interval", 30)
"""
# As 2.4's opensipsctl asks: a pipe for the answer, the command's lines, the answer's lines without the first.
SHELL = """
name=osips_rply_$$
mkfifo -m a+w "$FOLDER/$name"
CMD=":$1:$name\\n"; shift
while [ -n "$1" ]; do CMD="${CMD}${1}\\n"; shift; done
CMD="${CMD}\\n"
cat < "$FOLDER/$name" &
printf "$CMD" > "$FOLDER/fifo"
wait $!
rm -f "$FOLDER/$name"
"""


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Managed:
    """A server, and its four doors."""

    def __init__(self, server: Callable[..., Running], folder: Path, unix: bool = False) -> None:
        self.folder = folder
        self.http_port = free_port(socket.SOCK_STREAM)
        self.udp_port = free_port(socket.SOCK_DGRAM)
        place = f"{folder}/mi" if unix else f"udp:127.0.0.1:{self.udp_port}"
        more = MODULES.format(folder=folder, datagram=place, http=self.http_port)
        self.running = server(more, main='if ($rm == "REGISTER") { save("location"); exit; }')
        self.datagram: Any = str(folder / "mi") if unix else ("127.0.0.1", self.udp_port)
        self.family = socket.AF_UNIX if unix else socket.AF_INET

    def shell(self, *words: str) -> str:
        environment = {**os.environ, "FOLDER": str(self.folder)}
        asked = ["sh", "-c", SHELL, "opensipsctl", *words]
        return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=15, check=True).stdout

    def ctl(self, *words: str, name: str = "pysipsctl", **environment: str) -> tuple[int, str, str]:
        """Exit code, output and complaints of pysipsctl, called by some name."""
        program = f"import sys; sys.argv[0] = {name!r}; from pysips.cli.ctl import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=30, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def post(self, body: object) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        connection.request("POST", "/mi", json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def send(self, text: str) -> str:
        with socket.socket(self.family, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            if self.family == socket.AF_UNIX:
                client.bind(str(self.folder / f"client{os.urandom(4).hex()}"))
            client.sendto(text.encode(), self.datagram)
            return client.recv(65_536).decode()


def asked(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def test_the_hooks_of_2_4_switch_the_pinging(server: Callable[..., Running], tmp_path: Path) -> None:
    managed = Managed(server, tmp_path)
    place = ["-f", str(tmp_path / "fifo"), "--reply-dir", str(tmp_path)]
    assert managed.shell("nh_enable_ping") == "200 OK\nStatus:: 1\n\n"
    assert managed.shell("nh_enable_ping", "0") == "200 OK\n\n"
    assert managed.post(asked("nathelper:enable_ping"))[1]["result"] == {"Status": 0}
    assert managed.ctl(*place, "fifo", "nh_enable_ping", "1") == (0, "", "")
    rc = tmp_path / "rc"
    rc.write_text(f'OSIPS_FIFO="{tmp_path}/fifo"\n')
    words = ("--reply-dir", str(tmp_path), "fifo", "nh_enable_ping")
    assert managed.ctl(*words, name="/usr/sbin/opensipsctl", osipsctlrc=str(rc)) == (0, "Status:: 1\n", "")
    code, out, complaint = managed.ctl(*place, "fifo", "no_such_command", name="opensipsctl")
    assert (code, out) == (1, "") and complaint == "opensipsctl fifo: 404 Method not found\n"
    assert managed.ctl(*place, "nh_enable_ping")[1] == '{\n    "Status": 1\n}\n'
    assert managed.shell("ul_show_contact", "location", "nobody@example.com") == "404 AOR not found\n\n"


def test_each_door_leads_to_the_same_commands(server: Callable[..., Running], tmp_path: Path) -> None:
    managed = Managed(server, tmp_path)
    status, answer = managed.post(asked("which"))
    assert status == 200
    by_datagram = json.loads(managed.send(json.dumps(asked("which"))))
    assert by_datagram == answer
    assert {"nh_enable_ping", "nathelper:enable_ping", "httpd:list_root_path"} <= set(answer["result"])
    assert managed.post(asked("httpd_list_root_path"))[1]["result"] == [{"http_root": "mi", "module": "mi_http"}]
    assert managed.send("{") == "400 Parse_error"
    status, answers = managed.post([asked("ps"), asked("uptime")])
    assert status == 200 and [list(one) for one in answers] == [["jsonrpc", "result", "id"]] * 2
    assert managed.post({"jsonrpc": "2.0", "method": "uptime"}) == (202, None)


def test_the_attendants_successor_opens_the_doors_again(server: Callable[..., Running], tmp_path: Path) -> None:
    managed = Managed(server, tmp_path, unix=True)
    assert managed.post(asked("nh_enable_ping", status=0))[1]["result"] == "OK"
    os.kill(managed.running.children()[2], 9)

    def answers() -> bool:
        try:
            return "result" in managed.post(asked("version"))[1] and "result" in managed.send(json.dumps(asked("ps")))
        except OSError:
            return False

    managed.running.until(answers)
    assert managed.post(asked("nh_enable_ping"))[1]["result"] == {"Status": 0}
    assert re.search(r"attendant", managed.running.said())
    managed.running.stop()
    assert not (tmp_path / "mi").exists() and not (tmp_path / "fifo").exists()


def test_a_port_that_is_taken_is_said_and_nothing_starts(server: Callable[..., Running], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        more = f'loadmodule "httpd.so"\nmodparam("httpd", "port", {port})\n'
        running = server(more, wait=False)
        assert running.process.wait(15) != 0
    assert f"cannot listen on 127.0.0.1:{port}" in running.said()
