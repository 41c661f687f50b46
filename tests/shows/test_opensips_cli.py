"""The real opensips-cli against our FIFO."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live import Phone, Server

from .conftest import CALLS

pytestmark = pytest.mark.scenario
CLI = Path(sys.executable).with_name("opensips-cli")
COMMANDS = [
    ("which",), ("version",), ("uptime",), ("ps",), ("get_statistics", "core:"), ("get_statistics", "rcv_requests"),
    ("reset_statistics", "rcv_requests"), ("log_level",), ("log_level", "2"), ("ul_dump",), ("ul_dump", "1"),
    ("ul_show_contact", "location", "alice@127.0.0.1"), ("ul_flush",),
]  # fmt: skip


def cli(server: Server, *words: str) -> Any:
    """What it prints, as JSON where it is."""
    options = {"communication_type": "fifo", "fifo_file": str(server.fifo), "fifo_reply_dir": str(server.reply_folder)}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        [CLI, *given, "-x", "mi", *words], capture_output=True, text=True, timeout=30, check=False, cwd=server.folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout.strip()


def timeless(dump: dict[str, Any]) -> dict[str, Any]:
    """A dump without the seconds that are left of its contacts' lives."""
    for domain in dump["Domains"]:
        for contact in (contact for aor in domain["AORs"] for contact in aor["Contacts"]):
            del contact["Expires"]
    return dump


def test_every_command_answers(serve: Callable[..., Server]) -> None:
    server = serve(CALLS)
    alice = Phone("alice", 25061)
    alice.request("REGISTER", f"sip:{alice.server}", to=f"<sip:alice@{alice.server}>")
    alice.hear("200")
    for words in COMMANDS:
        cli(server, *words)
    assert "ul_dump" in cli(server, "which")
    assert timeless(cli(server, "usrloc:dump")) == timeless(cli(server, "ul_dump"))
    alice.close()


def test_contacts_are_added_and_removed(serve: Callable[..., Server]) -> None:
    server = serve(CALLS)
    cli(server, "ul_add", "location", "bob@127.0.0.1", "sip:bob@127.0.0.1:25062", "3600", "1.0", "0", "0", "0")
    assert "sip:bob@127.0.0.1:25062" in json.dumps(cli(server, "ul_show_contact", "location", "bob@127.0.0.1"))
    cli(server, "ul_add", "location", "bob@127.0.0.1", "sip:bob@127.0.0.1:25063", "3600", "1.0", "0", "0", "0")
    cli(server, "ul_rm_contact", "location", "bob@127.0.0.1", "sip:bob@127.0.0.1:25062")
    assert "25062" not in json.dumps(cli(server, "ul_show_contact", "location", "bob@127.0.0.1"))
    cli(server, "ul_rm", "location", "bob@127.0.0.1")
    assert "bob" not in json.dumps(cli(server, "ul_dump"))
