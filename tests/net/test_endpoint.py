"""Sockets: one set for each slot, and clear words where an address cannot be had."""

import socket

import pytest

from pysips.core.services import Socket
from pysips.net.endpoint import CannotListen, address_of, is_here, open_slots


def free_port(kind: int = socket.SOCK_DGRAM, host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as trial:
        trial.bind((host, 0))
        return int(trial.getsockname()[1])


@pytest.mark.parametrize("proto", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_slot_has_its_own_socket_on_the_same_address(proto: str, host: str) -> None:
    where = Socket(0, proto, host, free_port(socket.SOCK_STREAM, host))
    made = open_slots(where, 3)
    assert [one.getsockname()[:2] for one in made] == [(host, where.port)] * 3
    for one in made:
        one.close()


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_an_address_that_somebody_has_is_refused_though_he_would_share(
    proto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pysips.net.endpoint.PROBES", 1)
    where = Socket(0, proto, "127.0.0.1", free_port(socket.SOCK_STREAM))
    made = open_slots(where, 1)
    with pytest.raises(CannotListen, match=rf"cannot listen on {proto}:127.0.0.1:{where.port}: .*another server"):
        open_slots(where, 1)
    made[0].close()


def test_an_address_of_another_node_binds() -> None:
    where = Socket(0, "udp", "192.0.2.77", free_port())
    assert not is_here(where.host)
    open_slots(where, 1)[0].close()


def test_an_address_of_this_machine_is_known() -> None:
    assert is_here("127.0.0.1")


def test_a_scope_becomes_its_number() -> None:
    assert address_of("fe80::1%lo", 5060) == ("fe80::1", 5060, 0, socket.if_nametoindex("lo"))
    assert address_of("fe80::1%7", 5060) == ("fe80::1", 5060, 0, 7)
    assert address_of("10.0.0.1", 5060) == ("10.0.0.1", 5060)
