"""proto_bin: its sockets are no SIP sockets, and its parameters reach the connections."""

from pathlib import Path

import pytest

from pysips.core.loading import load
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.errors import ConfigError
from pysips.modules.proto_bin import ProtoBin
from pysips.net.bin import BinSettings

BOTH = 'loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nsocket=udp:127.0.0.1:5060\nsocket=bin:127.0.0.1\n'


def loaded(folder: Path, text: str) -> Program:
    path = folder / "opensips.cfg"
    path.write_text(text + "\nroute { exit; }\n")
    return load(str(path), Options(str(path)))


def module(program: Program) -> ProtoBin:
    found = program.registry.loaded["proto_bin"]
    assert isinstance(found, ProtoBin)
    return found


def test_its_sockets_are_not_for_sip_and_have_port_5555(tmp_path: Path) -> None:
    program = loaded(tmp_path, BOTH)
    assert [one.name for one in program.sockets] == ["udp:127.0.0.1:5060"]
    assert [one.name for one in program.node_sockets] == ["bin:127.0.0.1:5555"]
    assert module(program).api.sockets == program.node_sockets
    assert module(program).settings() == BinSettings()


def test_listen_and_several_sockets_and_another_port(tmp_path: Path) -> None:
    more = 'listen=bin:127.0.0.2:6000\nsocket=bin:[::1]\nmodparam("proto_bin", "bin_port", 5556)\n'
    program = loaded(tmp_path, BOTH + more)
    assert [one.name for one in program.node_sockets] == ["bin:127.0.0.1:5556", "bin:127.0.0.2:6000", "bin:[::1]:5556"]


@pytest.mark.parametrize(
    "line, changed",
    [
        ("tcp_connection_lifetime=60", {"idle_seconds": 60.0}),
        ("tcp_max_msg_time=9", {"packet_seconds": 9.0}),
        ('modparam("proto_bin", "bin_max_msg_chunks", 4)', {"pieces": 4}),
        ('modparam("proto_bin", "bin_async_max_postponed_chunks", 5)', {"packets": 5}),
        ('modparam("proto_bin", "bin_async", 0)', {"write_seconds": 0.1, "connect_seconds": 0.1}),
        (
            'modparam("proto_bin", "bin_async", 0)\nmodparam("proto_bin", "bin_send_timeout", 500)\n'
            "tcp_connect_timeout=900",
            {"write_seconds": 0.5, "connect_seconds": 0.9},
        ),
        ('modparam("proto_bin", "bin_async_local_connect_timeout", 5)', {}),
        ('modparam("proto_bin", "bin_async_local_write_timeout", 5)', {}),
    ],
)
def test_parameters_and_globals_reach_the_connections(tmp_path: Path, line: str, changed: dict[str, object]) -> None:
    found, plain = module(loaded(tmp_path, BOTH + line)).settings(), BinSettings()
    for name in BinSettings.__slots__:
        assert getattr(found, name) == changed.get(name, getattr(plain, name))


@pytest.mark.parametrize(
    "line, complaint",
    [
        ('modparam("proto_bin", "bin_port", 70000)', "must be from 1 to 65535"),
        ('modparam("proto_bin", "bin_prt", 1)', "not found"),
        ("socket=bins:127.0.0.1:5557", "no module handles protocol bins"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, BOTH + line)
    assert complaint in str([one.message for one in refused.value.complaints])


def test_a_bin_socket_without_its_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, BOTH.replace('loadmodule "proto_bin.so"\n', ""))
    assert "no module handles protocol bin" in str([one.message for one in refused.value.complaints])
