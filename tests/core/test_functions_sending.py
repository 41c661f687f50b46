"""The core's functions on sending, in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import Story

TWO = 'socket=udp:10.0.0.9:5060\nsocket=udp:10.0.0.9:5080\nstrict_parsing=no\nloadmodule "proto_udp.so"\n'


def test_forward_adds_our_via_and_goes_where_it_is_told() -> None:
    done = once('forward("udp:10.0.0.3:5090");')
    assert done.story.net.sent[0][1].host == "10.0.0.3"
    assert done.out.split("\r\n")[1].startswith("Via: SIP/2.0/UDP 10.0.0.9")
    assert done.out.split("\r\n")[2].startswith("Via: SIP/2.0/UDP 10.0.0.1")


def test_send_sends_what_came_with_lines_of_the_scripts_own() -> None:
    done = once('send("10.0.0.3", "X-Seen: yes\r\n"); say("$rc");')
    assert done.lines == ["1"]
    assert done.out.split("\r\n")[1:3] == ["X-Seen: yes", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-1"]


def test_send_refuses_lines_that_would_end_the_head() -> None:
    done = once('send("10.0.0.3", "X: 1\r\n\r\nbody"); say("$rc");')
    assert (done.lines, done.sent) == (["-1"], [])


@pytest.mark.parametrize("call", ['forward("udp:bad host")', 'send("")', 'force_send_socket("udp:10.9.9.9:5060")'])
def test_a_literal_that_leads_nowhere_is_a_complaint_at_load(call: str) -> None:
    with pytest.raises(ConfigError):
        once(f"{call};")


def test_the_forced_socket_sends_bare_or_quoted() -> None:
    for spelling in ('"udp:10.0.0.9:5080"', "udp:10.0.0.9:5080"):
        done = once(f"force_send_socket({spelling}); forward();", head=TWO)
        assert done.story.net.sent[0][1].socket.port == 5080


def test_an_advertised_address_stands_in_via() -> None:
    done = once('set_advertised_address("198.51.100.9"); set_advertised_port(5077); forward();')
    assert done.out.split("\r\n")[1].startswith("Via: SIP/2.0/UDP 198.51.100.9:5077;")


def test_an_advertised_address_that_is_none_is_refused() -> None:
    assert once('set_advertised_address("a b"); say("$rc"); set_advertised_port("0"); say("$rc");').lines == [
        "-1",
        "-1",
    ]


def test_is_myself_knows_sockets_with_and_without_port() -> None:
    done = once(
        'if (is_myself("10.0.0.9")) say("yes"); if (is_myself("10.0.0.9", 5060)) say("port");'
        'if (is_myself("10.0.0.9", "5060")) say("port in quotes"); if (!is_myself("10.0.0.9", 99)) say("other port");'
        'if (!is_myself("10.0.0.8")) say("other host");'
    )
    assert done.lines == ["yes", "port", "port in quotes", "other port", "other host"]


def test_rport_is_asked_for_and_forced() -> None:
    asked = once("add_local_rport(); forward();").out.split("\r\n")[1]
    assert ";rport" in asked
    assert ";rport" in once('set_via_handling("add-local-rport"); forward();').out.split("\r\n")[1]
    forced = once('force_rport; sl_send_reply(200, "OK");', request("OPTIONS"), "sl", port=7777)
    assert "rport=7777" in forced.out
    assert forced.story.net.sent[0][1].port == 7777


def over_tcp(script: str) -> Story:
    """A story in which a request came over connection 77."""
    head = 'socket=udp:10.0.0.9:5060\nsocket=tcp:10.0.0.9:5060\nloadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\n'
    story = Story(f"route {{ {script} }}", head=head)
    story.net.connections["tcp", "10.0.0.1", 5060] = 77
    story.party("10.0.0.1", proto="tcp", connection=77).said(request("OPTIONS", via="10.0.0.1:5099", transport="TCP"))
    return story


def test_a_connection_gets_the_port_of_the_via_or_another() -> None:
    assert over_tcp("force_tcp_alias();").net.aliases == [(77, 5099)]
    assert over_tcp("add_tcp_alias(5070);").net.aliases == [(77, 5070)]
    assert over_tcp('set_via_handling("force-tcp-alias,force-rport");').net.aliases == [(77, 5099)]


def test_datagrams_need_no_alias() -> None:
    done = once('force_tcp_alias(); say("$rc");')
    assert (done.lines, done.story.net.aliases) == (["1"], [])


def test_an_unknown_via_handling_is_a_complaint_at_load() -> None:
    with pytest.raises(ConfigError):
        once('set_via_handling("force-everything");')


@pytest.mark.parametrize(
    ("name", "closed"),
    [("77", [77]), ("tcp:10.0.0.1:5060", [77]), ("10.0.0.1:5060", [77]), ("10.0.0.7:5060", []), ("x y", [])],
)
def test_a_connection_is_closed_by_number_or_address(name: str, closed: list[int]) -> None:
    assert over_tcp(f'tcp_close_conn("{name}");').net.closed == closed


BOND = (
    TWO + 'socket=udp:[2001:db8::9]:5060\nsocket=bond:inner { "udp:10.0.0.9:5080", "udp:[2001:db8::9]:5060" }\n'
    'socket=bond:six { "udp:[2001:db8::9]" }\n'
)


@pytest.mark.parametrize("force", ['force_send_socket("bond:inner");', '$socket_out = "bond:inner";'])
def test_of_a_bond_the_socket_that_reaches_the_target_sends(force: str) -> None:
    for target, port in (("10.0.0.3", 5080), ("[2001:db8::3]", 5060)):
        done = once(f'{force} forward("udp:{target}");', head=BOND)
        assert done.story.net.sent[0][1].socket.port == port
    assert once(f'{force} say("$socket_out(forced)");', head=BOND).lines == ["bond:inner"]


def test_a_bond_without_a_socket_of_the_targets_family_is_as_if_none_was_forced() -> None:
    done = once('force_send_socket("bond:six"); forward("udp:10.0.0.3");', head=BOND)
    assert done.story.net.sent[0][1].socket.port == 5060


def test_sockets_belong_to_a_bond_or_not() -> None:
    check = 'socket_belongs_to_bond("udp:10.0.0.9:{}", "{}"); say("$rc");'
    assert once(check.format(5080, "inner"), head=BOND).lines == ["1"]
    assert once(check.format(5060, "bond:inner"), head=BOND).lines == ["-1"]
    assert once(check.format(9, "inner"), head=BOND).lines == ["-1"]


@pytest.mark.parametrize(
    ("head", "call", "message"),
    [
        (TWO + 'socket=bond:x { "udp:10.0.0.8:5060" }\n', "", "none of the sockets that the script listens on"),
        (BOND + 'socket=bond:six { "udp:10.0.0.9:5060" }\n', "", "bond six is there twice"),
        (BOND, 'force_send_socket("bond:outer");', "there is no socket=bond:outer"),
    ],
)
def test_a_bond_that_makes_no_sense_is_a_complaint(head: str, call: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        once(call or "exit;", head=head)
    assert message in refused.value.complaints[0].message


HOMES = 'socket=udp:10.0.0.9:5060\nsocket=udp:10.1.0.9:5060\nsocket=udp:10.1.0.9:5080\nstrict_parsing=no\n' + (
    'mhomed = yes\nloadmodule "proto_udp.so"\n'
)  # fmt: skip


def routed(route: str = "forward();", **routes: str) -> tuple[str, int]:
    """Which socket sends, when these routes lead to 10.0.0.2."""
    story = Story(f"route {{ {route} }}", "sl tm", HOMES)
    story.net.routes = routes and {"10.0.0.2": routes["own"]}
    story.party("10.0.0.1").said(request("MESSAGE", "sip:b@10.0.0.2"))
    sent = [peer.socket for _, peer in story.net.sent if peer.host == "10.0.0.2"]
    return sent[0].host, sent[0].port


def test_with_mhomed_the_kernels_route_says_which_socket_sends() -> None:
    assert routed(own="10.1.0.9") == ("10.1.0.9", 5060)
    assert routed("t_relay();", own="10.1.0.9") == ("10.1.0.9", 5060)
    assert routed(own="10.0.0.9") == ("10.0.0.9", 5060)


def test_a_forced_socket_comes_before_the_route() -> None:
    assert routed('force_send_socket("udp:10.1.0.9:5080"); forward();', own="10.0.0.9") == ("10.1.0.9", 5080)


def test_a_route_from_an_address_without_a_socket_changes_nothing() -> None:
    assert routed(own="10.2.0.9") == ("10.0.0.9", 5060)
    assert routed() == ("10.0.0.9", 5060)


CLOSED = 'socket=udp:10.0.0.9:5060\nsocket=tcp:10.0.0.9:5060\nstrict_parsing=no\nloadmodule "proto_udp.so"\n' + (
    'loadmodule "proto_tcp.so"\ntcp_no_new_conn_bflag = CLOSED\ntcp_no_new_conn_rplflag = RCLOSED\n'
)  # fmt: skip
OVER_TCP = request("MESSAGE", "sip:b@10.0.0.2;transport=tcp")


@pytest.mark.parametrize("way", ["forward()", 't_relay("no-auto-477")'])
def test_with_its_flag_a_request_opens_no_connection(way: str) -> None:
    assert once(f'setbflag("CLOSED"); {way}; say("$rc");', OVER_TCP, "sl tm", head=CLOSED).lines in (["-1"], ["-6"])
    assert once(f'{way}; say("$rc");', OVER_TCP, "sl tm", head=CLOSED).lines == ["1"]


def test_with_its_flag_a_request_takes_a_connection_that_is_there() -> None:
    story = Story('route { setbflag("CLOSED"); t_relay(); }', "sl tm", CLOSED)
    story.net.connections["tcp", "10.0.0.2", 5060] = 4099
    bob = story.party("10.0.0.2", proto="tcp")
    story.party("10.0.0.1").said(OVER_TCP)
    bob.heard("MESSAGE")


@pytest.mark.parametrize(("flag", "connection"), [("", 4099), ('setflag("RCLOSED");', -4099)])
def test_with_its_flag_a_reply_opens_no_connection(flag: str, connection: int) -> None:
    story = Story(f"route {{ {flag} t_relay(); }}", "sl tm", CLOSED)
    alice, bob = story.party("10.0.0.1", proto="tcp", connection=4099), story.party("10.0.0.2")
    story.net.connections["tcp", "10.0.0.1", 5060] = 4099
    alice.said(request("MESSAGE", "sip:b@10.0.0.2", transport="TCP"))
    bob.answered(bob.heard("MESSAGE"), 200)
    alice.heard(200)
    assert story.net.sent[-1][1].connection == connection


@pytest.mark.parametrize(("flag", "connection"), [("", 4099), ('setflag("RCLOSED");', -4099)])
def test_nor_does_one_that_is_made_here(flag: str, connection: int) -> None:
    story = Story(f'route {{ {flag} t_newtran(); t_reply(404, "No"); }}', "sl tm", CLOSED)
    alice = story.party("10.0.0.1", proto="tcp", connection=4099)
    story.net.connections["tcp", "10.0.0.1", 5060] = 4099
    alice.said(request("MESSAGE", transport="TCP"))
    alice.heard(404)
    assert story.net.sent[-1][1].connection == connection


def test_nor_does_one_that_is_sent_on_without_state() -> None:
    for flag, sent in (("", 1), ('setflag("RCLOSED"); ', 0)):
        story = Story(f"route {{ forward(); }}\nonreply_route {{ {flag}exit; }}", "", CLOSED)
        reply = (
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK-2\r\n"
            "Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK-1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n"
            "Call-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        story.party("10.0.0.2").said(reply)
        assert len(story.net.sent) == sent
