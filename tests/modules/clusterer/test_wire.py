"""A real server of ours, and a foreign node on real connections that says what a recorded node of OpenSIPS said."""

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from pysips.core.bin_interface import Packet
from pysips.modules.clusterer.packets import (
    EXTRA,
    V3_3,
    Capabilities,
    FullTopology,
    GenericMessage,
    NodeDescription,
    Ping,
    Pong,
    Trailer,
    UnknownId,
    decode_extra,
    decode_internal,
    encode_extra,
)
from tests.live import Server, until

from .foreign import ForeignNode
from .samples import samples

pytestmark = pytest.mark.scenario
SCRIPT = """\
log_level=3
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
socket=udp:127.0.0.2:{sip}
socket=bin:127.0.0.2:{port}
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "clusterer.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", 2)
modparam("clusterer", "my_node_info", "cluster_id=1,url=bin:127.0.0.2:{port},sip_addr=127.0.0.2:{sip}")
{neighbours}
loadmodule "event_route.so"
event_route[E_CLUSTERER_REQ_RECEIVED] {{
	cluster_send_rpl($param(cluster_id), $param(src_id), "pong-reply", $param(tag));
}}
route {{ exit; }}
"""
NEIGHBOUR = 'modparam("clusterer", "neighbor_node_info", "cluster_id=1,node_id=1,url=bin:127.0.0.1:{port}")'


def free_port(host: str) -> int:
    with socket.socket() as trial:
        trial.bind((host, 0))
        port: int = trial.getsockname()[1]
        return port


class World:
    """Our server as node 2, and a foreign node 1 at 127.0.0.1."""

    def __init__(self, serve: Callable[..., Server], known: bool) -> None:
        ours = ("127.0.0.2", free_port("127.0.0.2"))
        self.node = ForeignNode(1, "127.0.0.1", ours)
        neighbours = NEIGHBOUR.format(port=self.node.port) if known else ""
        sip = free_port("127.0.0.2")
        self.server = serve(SCRIPT.format(sip=sip, port=ours[1], neighbours=neighbours), port=sip)

    def link_state(self) -> str:
        [cluster] = self.server.mi("clusterer_list")["Clusters"]
        return "".join(one["link_state"] for one in cluster["Nodes"] if one["node_id"] == 1)


def recorded(name: str, source: int = 1) -> Packet:
    return next(one for one in samples() if one.decoded["name"] == name and one.from_node == source).packet


def test_a_foreign_node_is_answered_on_the_connection_that_ours_opens(serve: Callable[..., Server]) -> None:
    world = World(serve, known=True)
    with world.node as node:
        node.send(recorded("PING"))
        assert node.next(Pong) == Pong(1, 2, ())
        topology = node.next(FullTopology)
        assert isinstance(topology, FullTopology)
        assert (topology.source, topology.nodes[0].node_id, topology.nodes[0].neighbours) == (2, 2, (1,))
        ability = node.next(Capabilities)
        assert isinstance(ability, Capabilities)
        assert (ability.source, ability.wants_reply, ability.nodes[0].node_id) == (2, True, 2)
        node.send(recorded("FULL_TOP_UPDATE"))
        node.send(recorded("CAP_UPDATE"))  # it wants a reply
        reply = node.next(Capabilities)
        assert isinstance(reply, Capabilities)
        assert not reply.wants_reply
        until(lambda: world.link_state() == "Up", 3, "the link")
        regular = node.next(Ping)
        assert regular == Ping(1, 2, False)
        assert world.link_state() == "Up"


def test_a_message_of_a_foreign_script_is_answered_by_ours(serve: Callable[..., Server]) -> None:
    world = World(serve, known=True)
    with world.node as node:
        node.send(recorded("PING"))
        node.next(Capabilities)
        ask = GenericMessage(True, "1-1-fOpHw1Iv5KeXHkCTtvDEYOfj", "ping")
        node.send(encode_extra(ask, Trailer(1, 1, 2), V3_3))
        message, trailer = decode_extra(node.next_packet(EXTRA, (7,)), V3_3)
        assert message == GenericMessage(False, ask.tag, "pong-reply")
        assert trailer == Trailer(1, 2, 1)


def test_a_stranger_is_told_so_on_his_own_connection_and_is_known_when_he_said_who_he_is(
    serve: Callable[..., Server],
) -> None:
    world = World(serve, known=False)
    with world.node as node:
        node.send(recorded("PING"))
        assert node.next(UnknownId, on_own_connection=True) == UnknownId(1, 2)
        said = recorded("NODE_DESCRIPTION", 3)
        node.send(described(node, said))
        node.next(FullTopology)
        until(lambda: world.link_state() == "Up", 5, "the link")


def described(node: ForeignNode, said: Packet) -> NodeDescription:
    message = decode_internal(said)[0]
    assert isinstance(message, NodeDescription)
    url = f"bin:{node.host}:{node.port}"
    return replace(message, source=1, path=(1,), description=replace(message.description, url=url))


def test_a_killed_node_is_down_and_comes_back(serve: Callable[..., Server]) -> None:
    world = World(serve, known=True)
    with world.node as node:
        node.send(recorded("PING"))
        node.next(Capabilities)
        until(lambda: world.link_state() == "Up", 3, "the link")
    until(lambda: world.link_state() == "Down", 12, "its end")
    with ForeignNode(1, "127.0.0.1", world.node.ours, world.node.port) as again:
        again.send(recorded("PING"))
        again.next(FullTopology)
        until(lambda: world.link_state() == "Up", 3, "its return")
