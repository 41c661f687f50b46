"""rr in a script: Record-Route out, Route in."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import HEAD

SOCKETS = (
    "socket=udp:10.0.0.9:5060\nsocket=tcp:10.0.0.9:5060\nsocket=udp:[2001:db8::9]:5080 as sip.example.org:5090\n"
    'strict_parsing=no\nloadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\n'
)
FOLLOW = 'if (loose_route()) say("yes $ru $du"); else say("no $ru $du");'


def record_routes(route: str, asked: str = "", head: str = "", top: str = "") -> list[str]:
    message = asked or request("MESSAGE", "sip:b@10.0.0.2")
    done = once(route, message, "rr", top, head or HEAD)
    return [line[14:] for line in done.heads() if line.startswith("Record-Route: ")]


def test_our_place_is_named_with_lr_and_the_from_tag() -> None:
    assert record_routes("record_route(); forward();") == ["<sip:10.0.0.9;lr;ftag=a>"]


def test_it_stands_above_our_via() -> None:
    done = once("record_route(); forward();", modules="rr")
    lines = done.out.split("\r\n")
    assert lines[1].startswith("Record-Route") and lines[2].startswith("Via: SIP/2.0/UDP 10.0.0.9")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("tcp:10.0.0.3", ["<sip:10.0.0.9;transport=tcp;r2=on;lr;ftag=a>", "<sip:10.0.0.9;r2=on;lr;ftag=a>"]),
        ("udp:[2001:db8::3]", ["<sip:sip.example.org:5090;r2=on;lr;ftag=a>", "<sip:10.0.0.9;r2=on;lr;ftag=a>"]),
        ("udp:10.0.0.3", ["<sip:10.0.0.9;lr;ftag=a>"]),
    ],
)
def test_leaving_by_another_socket_takes_two_the_way_out_on_top(target: str, expected: list[str]) -> None:
    assert record_routes(f'record_route(); forward("{target}");', head=SOCKETS) == expected


def test_double_record_routing_can_be_switched_off() -> None:
    top = 'modparam("rr", "enable_double_rr", 0)'
    found = record_routes('record_route(); forward("tcp:10.0.0.3");', head=SOCKETS, top=top)
    assert found == ["<sip:10.0.0.9;transport=tcp;lr;ftag=a>"]


def test_parameters_come_before_after_and_with_it() -> None:
    found = record_routes('add_rr_param(";a=1"); record_route(";b=2"); add_rr_param(";c=3"); forward();')
    assert found == ["<sip:10.0.0.9;lr;ftag=a;b=2;a=1;c=3>"]


def test_parameters_alone_make_no_header() -> None:
    assert record_routes('add_rr_param(";a=1"); forward();') == []


@pytest.mark.parametrize("param", ["a=1", ";a>b", ";a=1\r\nX: y", ";a b", ";a?b"])
def test_what_is_no_parameter_is_refused(param: str) -> None:
    assert once(f'add_rr_param("{param}"); say("$rc"); record_route("{param}"); say("$rc");', modules="rr").lines == [
        "-1", "-1",
    ]  # fmt: skip


def test_a_second_record_route_is_refused() -> None:
    done = once(
        'record_route(); record_route(); say("$rc"); record_route_preset("x"); say("$rc"); forward();', modules="rr"
    )
    assert done.lines == ["-1", "-1"]
    assert done.out.count("Record-Route") == 1


def test_presets_are_written_as_they_are_given() -> None:
    found = record_routes('record_route_preset("192.0.2.1:5070", "192.0.2.2;transport=tcp"); forward();')
    assert found == ["<sip:192.0.2.1:5070;ftag=a;lr>", "<sip:192.0.2.2;transport=tcp;ftag=a;lr>"]


def test_a_user_and_no_tag_where_the_parameters_say_so() -> None:
    top = 'modparam("rr", "add_username", 1)\nmodparam("rr", "append_fromtag", 0)'
    assert record_routes("record_route(); forward();", top=top) == ["<sip:b@10.0.0.9;lr>"]


def test_a_branch_has_parameters_of_its_own() -> None:
    done = once(
        't_on_branch("b"); record_route(); append_msg_branch("sip:c@10.0.0.3"); t_relay();',
        modules="sl tm rr", top='branch_route[b] { if ($T_branch_idx == 1) add_rr_param(";second=1"); }',
    )  # fmt: skip
    requests = [text for text in done.sent if text.startswith("MESSAGE")]
    assert ["second=1" in text for text in requests] == [False, True]


def routed(*routes: str, uri: str = "sip:c@192.0.2.9", to: str = "<sip:b@x>;tag=1", tag: str = "a") -> str:
    lines = "".join(f"Route: {route}\r\n" for route in routes)
    return request("BYE", uri, to=to, from_=f"<sip:alice@x>;tag={tag}", headers=lines)


@pytest.mark.parametrize(
    ("routes", "said", "left"),
    [
        (["<sip:10.0.0.9;lr>"], "yes sip:c@192.0.2.9 <null>", []),
        (["<sip:10.0.0.9;lr>", "<sip:10.0.0.7;lr>"], "yes sip:c@192.0.2.9 sip:10.0.0.7;lr", ["<sip:10.0.0.7;lr>"]),
        (["<sip:10.0.0.9;lr>,<sip:10.0.0.7;lr>"], "yes sip:c@192.0.2.9 sip:10.0.0.7;lr", ["<sip:10.0.0.7;lr>"]),
        (['"A, B" <sip:10.0.0.9;lr>;x="<,>" , <sip:10.0.0.7;lr>'], "yes sip:c@192.0.2.9 sip:10.0.0.7;lr",
         ["<sip:10.0.0.7;lr>"]),
        (["<sip:10.0.0.9;LR=on>;hp=1"], "yes sip:c@192.0.2.9 <null>", []),
        (["<sip:10.0.0.9;transport=tcp;r2=on;lr>", "<sip:10.0.0.9;r2=on;lr>"], "yes sip:c@192.0.2.9 <null>", []),
        (["<sip:10.0.0.9;transport=tcp;r2=on;lr>,\r\n <sip:10.0.0.9;r2=on;lr>", "<sip:10.0.0.7;lr>"],
         "yes sip:c@192.0.2.9 sip:10.0.0.7;lr", ["<sip:10.0.0.7;lr>"]),
        (["<sip:10.0.0.7;lr>"], "yes sip:c@192.0.2.9 sip:10.0.0.7;lr", ["<sip:10.0.0.7;lr>"]),
        (["<sip:10.0.0.9:99;lr>"], "yes sip:c@192.0.2.9 sip:10.0.0.9:99;lr", ["<sip:10.0.0.9:99;lr>"]),
        (["<sip:10.0.0.7;maddr=10.0.0.9;lr>"], "yes sip:c@192.0.2.9 <null>", []),
        (["<sip:10.0.0.9;lr>", "<sip:10.0.0.7;maddr=10.0.0.6;lr>"], "yes sip:c@192.0.2.9 sip:10.0.0.6",
         ["<sip:10.0.0.7;maddr=10.0.0.6;lr>"]),
        ([], "no sip:c@192.0.2.9 <null>", []),
        (["<sip:unclosed"], "no sip:c@192.0.2.9 <null>", ["<sip:unclosed"]),
    ],
)  # fmt: skip
def test_a_loose_route_set_is_followed(routes: list[str], said: str, left: list[str]) -> None:
    done = once(FOLLOW + ' forward("udp:10.0.0.2");', routed(*routes), "rr", head=SOCKETS)
    assert done.lines == [said]
    assert [line[7:] for line in done.heads() if line.startswith("Route: ")] == left


def test_a_strict_router_gets_the_request_uri_and_ours_goes_last() -> None:
    done = once(FOLLOW + " forward();", routed("<sip:10.0.0.9;lr>", "<sip:10.0.0.7>", "<sip:10.0.0.6;lr>"), "rr")
    assert done.lines == ["yes sip:10.0.0.7 <null>"]
    assert done.heads()[0] == "BYE sip:10.0.0.7 SIP/2.0"
    assert [line[7:] for line in done.heads() if line.startswith("Route: ")] == [
        "<sip:10.0.0.6;lr>",
        "<sip:c@192.0.2.9>",
    ]


def test_behind_a_strict_router_the_last_route_is_the_target() -> None:
    asked = routed("<sip:10.0.0.7;lr>, <sip:c@192.0.2.9>", uri="sip:10.0.0.9;lr;ftag=a")
    done = once(FOLLOW + ' say("$rr_params"); forward();', asked, "rr")
    assert done.lines == ["yes sip:c@192.0.2.9 sip:10.0.0.7;lr", "lr;ftag=a"]
    assert [line[7:] for line in done.heads() if line.startswith("Route: ")] == ["<sip:10.0.0.7;lr>"]


def test_between_two_strict_routers_the_first_route_is_next() -> None:
    done = once(FOLLOW + " forward();", routed("<sip:10.0.0.7>", "<sip:c@192.0.2.9>", uri="sip:10.0.0.9"), "rr")
    assert done.lines == ["yes sip:10.0.0.7 <null>"]
    assert [line[7:] for line in done.heads() if line.startswith("Route: ")] == ["<sip:c@192.0.2.9>"]


def test_a_request_of_no_dialog_with_only_our_route_finds_its_own_way() -> None:
    done = once(FOLLOW + " forward();", routed("<sip:10.0.0.9;lr>", uri="sip:c@10.0.0.2", to="<sip:b@x>"), "rr")
    assert done.lines == ["no sip:c@10.0.0.2 <null>"]
    assert "\r\nRoute:" not in done.out


def test_the_second_of_two_routes_names_the_way_out() -> None:
    asked = routed(
        "<sip:10.0.0.9;r2=on;lr>", "<sip:10.0.0.9;transport=tcp;r2=on;lr>", uri="sip:c@10.0.0.3;transport=tcp"
    )
    done = once(FOLLOW + ' say("$socket_out"); forward();', asked, "rr", head=SOCKETS)
    assert done.lines == ["yes sip:c@10.0.0.3;transport=tcp <null>", "tcp:10.0.0.9:5060"]


def test_the_parameters_of_our_own_route_are_asked_for() -> None:
    done = once(
        'say("$rr_params"); loose_route(); say("$rr_params"); if (check_route_param("NAT=yes")) say("nat");'
        'if (!check_route_param("nothere")) say("not there");',
        routed("<sip:10.0.0.9;lr;ftag=a;nat=yes>"), "rr",
    )  # fmt: skip
    assert done.lines == ["<null>", "lr;ftag=a;nat=yes", "nat", "not there"]


@pytest.mark.parametrize(("tag", "way"), [("a", "downstream"), ("b", "upstream")])
def test_the_from_tag_tells_the_direction(tag: str, way: str) -> None:
    other = {"upstream": "downstream", "downstream": "upstream"}[way]
    done = once(
        f'loose_route(); if (is_direction("{way}")) say("{way}"); if (is_direction("{other}")) say("{other}");',
        routed("<sip:10.0.0.9;lr;ftag=a>", tag=tag), "rr",
    )  # fmt: skip
    assert done.lines == [way]


def test_an_unknown_direction_is_a_complaint_at_load() -> None:
    with pytest.raises(ConfigError):
        once('is_direction("sideways");', modules="rr")
