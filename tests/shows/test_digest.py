"""Phones of other people's making prove their passwords."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import PASSWORD, Server, make_accounts, until

SCRIPT = """
socket=udp:127.0.0.1:5060
log_level=2
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "db_sqlite.so"
loadmodule "auth.so"
loadmodule "auth_db.so"
modparam("auth_db", "db_url", "URL")
route {
    if (!www_authorize("", "subscriber")) {
        xlog("code $rc\\n");
        www_challenge("", QOP, ALGORITHMS);
        exit;
    }
    xlog("let in: $au by $auth.alg, qop $auth.qop\\n");
    save("location");
    exit;
}
"""
LINPHONE = """
[sip]
sip_port=5095
sip_tcp_port=0
sip_tls_port=0
default_proxy=0
[auth_info_0]
username=alice
passwd=PASSWORD
domain=127.0.0.1
[proxy_0]
reg_proxy=<sip:127.0.0.1:5060>
reg_identity=<sip:alice@127.0.0.1:5060>
reg_expires=60
reg_sendregister=1
publish=0
"""

Registrar = Callable[[str, str], Server]


@pytest.fixture
def registrar(serve: Callable[..., Server], tmp_path: Path) -> Registrar:
    """`registrar(qop, algorithms)`: with alice's account."""
    url = f"sqlite://{make_accounts(tmp_path, domain='127.0.0.1')}"

    def start(qop: str, algorithms: str) -> Server:
        text = SCRIPT.replace("URL", url).replace("QOP", f'"{qop}"').replace("ALGORITHMS", f'"{algorithms}"')
        return serve(text, "-o", "pysips_workers=2")

    return start


def sipsak(password: str, contact: str) -> int:
    to = ["-s", "sip:alice@127.0.0.1:5060", "-C", contact, "-x", "60"]
    command = ["sipsak", "-U", "-i", *to, "-u", "alice", "-a", password]
    return subprocess.run(command, capture_output=True, timeout=20).returncode


@pytest.mark.scenario
@pytest.mark.needs("sipsak")
@pytest.mark.parametrize("qop", ["", "auth"])
def test_sipsak_registers(registrar: Registrar, qop: str) -> None:
    server = registrar(qop, "")
    assert sipsak(PASSWORD, "sip:alice@127.0.0.1:5091") == 0
    assert sipsak(PASSWORD, "sip:alice@127.0.0.1:5092") == 0
    assert len(server.mi("ul_show_contact", ["location", "alice@127.0.0.1"])["Contacts"]) == 2
    assert sipsak("guess", "sip:alice@127.0.0.1:5093") != 0
    assert "code -2" in server.log()
    assert f"qop {qop or '<null>'}" in server.log()


@pytest.mark.show
@pytest.mark.needs("linphonec")
@pytest.mark.parametrize("algorithms", ["", "SHA-256", "SHA-256,MD5"])
def test_linphone_registers_and_unregisters(registrar: Registrar, tmp_path: Path, algorithms: str) -> None:
    server = registrar("auth", algorithms)
    (tmp_path / ".local/share/linphone").mkdir(parents=True)
    (tmp_path / "linphonerc").write_text(LINPHONE.replace("PASSWORD", PASSWORD), "utf-8")
    phone = subprocess.Popen(
        ["linphonec", "-c", str(tmp_path / "linphonerc")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert phone.stdin is not None

    def contacts() -> int:
        return len(server.mi("ul_dump")["Domains"][0]["AORs"])

    try:
        until(lambda: contacts() == 1, 15, "linphone's registration")
        time.sleep(0.5)  # it takes no command while it is at work
        phone.stdin.write(b"unregister\n")
        phone.stdin.flush()
        until(lambda: contacts() == 0, 15, "its end")
    finally:
        phone.kill()
        phone.communicate()
    assert f"by {algorithms.split(',')[0] or '<null>'}, qop auth" in server.log()
