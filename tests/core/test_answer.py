"""core/answer.py: where replies go."""

import pytest

from pysips.testing.messages import request
from pysips.testing.story import Story

HEAD = 'socket=tcp:10.0.0.9:5060\nstrict_parsing=no\nloadmodule "proto_tcp.so"\n'
OK = 'route { sl_send_reply(200, "OK"); }'
CONNECTION = 5 << 10


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("10.0.0.1:5062", 5062),
        ("10.0.0.1", 5060),
        ("192.168.1.1:5062", 5062),  # it is told `received`, and that is where the reply goes
        ("10.0.0.1:5062;rport", 5062),  # RFC 3581 is for datagrams
        ("phone.example.com:5062;alias", 5062),
        ("10.0.0.1:40001", 40001),
    ],
)
@pytest.mark.parametrize("script", [OK, 'route { t_newtran(); t_reply(200, "OK"); }'], ids=["stateless", "stateful"])
def test_a_reply_goes_over_its_requests_connection_or_else_to_the_port_of_the_via(
    script: str, via: str, port: int
) -> None:
    story = Story(script, modules="sl tm", head=HEAD)
    alice = story.party("10.0.0.1", 40001, "tcp", CONNECTION)
    alice.said(request("OPTIONS", via=via, transport="TCP"))
    data, peer = story.net.sent[-1]
    assert data.startswith(b"SIP/2.0 200 ")
    assert (peer.proto, peer.host, peer.port, peer.connection) == ("tcp", "10.0.0.1", port, CONNECTION)


@pytest.mark.parametrize(
    ("via", "connections", "port"),
    [
        ("192.168.1.1:5062;received=10.0.0.1;rport=40001", {40001}, 40001),
        ("192.168.1.1:5062;received=10.0.0.1;rport=40001", set(), 5062),
        ("192.168.1.1;received=10.0.0.1;rport=40001", set(), 5060),
        ("10.0.0.1:5062", set(), 5062),
    ],
)
def test_a_reply_without_a_transaction_finds_the_connection_that_is_left_or_else_the_port_of_the_via(
    via: str, connections: set[int], port: int
) -> None:
    story = Story('onreply_route { forward(); } route { forward("tcp:10.0.0.2"); }', modules="sl", head=HEAD)
    alice, bob = story.party("10.0.0.1", 40001, "tcp"), story.party("10.0.0.2", 5060, "tcp")
    alice.said(request("OPTIONS", via=via, transport="TCP"))
    story.net.connections |= {("tcp", "10.0.0.1", one): CONNECTION for one in connections}
    bob.answered(bob.heard("OPTIONS"), 200)
    data, peer = story.net.sent[-1]
    assert data.startswith(b"SIP/2.0 200 ")
    assert (peer.proto, peer.host, peer.port) == ("tcp", "10.0.0.1", port)
