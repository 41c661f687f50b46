"""proto_udp and proto_tcp: their parameters reach the sockets."""

from pathlib import Path

import pytest

from pysips.core.loading import load
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.errors import ConfigError
from pysips.modules.proto_tcp import ProtoTcp
from pysips.net.tcp_settings import TcpSettings


def loaded(folder: Path, text: str) -> Program:
    path = folder / "opensips.cfg"
    path.write_text(text + "\nroute { exit; }\n")
    return load(str(path), Options(str(path)))


BOTH = 'loadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\nsocket=udp:127.0.0.1\nsocket=tcp:127.0.0.1\n'


def settings(program: Program) -> TcpSettings:
    module = program.registry.loaded["proto_tcp"]
    assert isinstance(module, ProtoTcp)
    return module.settings()


def test_without_parameters_all_is_as_in_opensips(tmp_path: Path) -> None:
    program = loaded(tmp_path, BOTH)
    assert [one.name for one in program.sockets] == ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
    assert settings(program) == TcpSettings()


def test_a_socket_without_a_port_has_its_modules_port(tmp_path: Path) -> None:
    ports = 'modparam("proto_udp", "udp_port", 5070)\nmodparam("proto_tcp", "tcp_port", 5080)\n'
    assert [one.port for one in loaded(tmp_path, BOTH + ports).sockets] == [5070, 5080]


@pytest.mark.parametrize(
    "line, changed",
    [
        ("tcp_connect_timeout=2500", {"connect_seconds": 2.5}),
        ("tcp_connection_lifetime=60", {"idle_seconds": 60.0}),
        ("tcp_max_msg_time=9", {"message_seconds": 9.0}),
        ("tcp_max_connections=7", {"most": 7}),
        ("tcp_accept_aliases=2", {"aliases": 2}),
        ("tcp_keepidle=30", {"keepalive": (1, 0, 30, 0)}),
        ('modparam("proto_tcp", "tcp_async", 0)', {"write_seconds": 0.1}),
        ('modparam("proto_tcp", "tcp_async_max_postponed_chunks", 5)', {"chunks": 5}),
        ('modparam("proto_tcp", "tcp_max_msg_chunks", 9)', {"pieces": 9}),
        ('modparam("proto_tcp", "tcp_crlf_pingpong", 0)', {"answer_pings": False}),
        ('modparam("proto_tcp", "tcp_crlf_drop", 1)', {"answer_pings": False}),
        ('modparam("proto_tcp", "tcp_max_connections_per_source", 3)', {"each_source": 3}),
    ],
)
def test_parameters_and_globals_reach_the_connections(tmp_path: Path, line: str, changed: dict[str, object]) -> None:
    found, plain = settings(loaded(tmp_path, BOTH + line)), TcpSettings()
    for name in TcpSettings.__slots__:
        assert getattr(found, name) == changed.get(name, getattr(plain, name))


@pytest.mark.parametrize(
    "line",
    [
        'modparam("proto_tcp", "tcp_async_local_connect_timeout", 5)',
        'modparam("proto_tcp", "tcp_parallel_handling", 1)',
        'modparam("proto_tcp", "trace_on", 1)',
    ],
)
def test_parameters_without_meaning_here_are_accepted(tmp_path: Path, line: str) -> None:
    assert settings(loaded(tmp_path, BOTH + line)) == TcpSettings()


@pytest.mark.parametrize(
    "line, complaint",
    [
        ('modparam("proto_udp", "udp_port", 70000)', "must be from 1 to 65535"),
        ('modparam("proto_tcp", "tcp_max_msg_chunks", 0)', "must be from"),
        ('modparam("proto_tcp", "tcp_port", "x")', "wants an integer"),
        ('modparam("proto_tcp", "tcp_prt", 1)', "not found"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, BOTH + line)
    assert complaint in str([one.message for one in refused.value.complaints])
