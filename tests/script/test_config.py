"""script/config.py, sockets.py, globals.py: settings out of the nodes."""

import pytest

from pysips.errors import Complaint, Place
from pysips.script import config, parse
from pysips.script.config import Blacklist, BlacklistRule, Config
from pysips.script.globals import GONE, KNOWN, OTHER_NAMES, names
from pysips.script.known import names_of
from pysips.script.sockets import BadValue, parse_listener, parse_ports

HERE = Place("x.cfg", 1)


def settings(text: str) -> Config:
    complaints: list[Complaint] = []
    found = config.read(parse.parse(text, "x.cfg"), complaints)
    assert complaints == []
    return found


def test_defaults_are_filled() -> None:
    known = settings("").globals
    assert known.keys() == KNOWN.keys()
    assert (known["udp_workers"], known["strict_parsing"], known["disable_stateless_fwd"]) == (8, 1, None)


def test_the_last_value_counts_and_its_place_is_kept() -> None:
    found = settings("log_level=1\nlog_level = -2\n")
    assert found.globals["log_level"] == -2
    assert found.given["log_level"].line == 2


@pytest.mark.parametrize("text", ["children=4", "udp_workers = 4", 'udp_workers="4"', "udp_workers=0x4"])
def test_spellings_of_a_number(text: str) -> None:
    assert settings(text).globals["udp_workers"] == 4


def test_boolean_words() -> None:
    assert settings("mhomed=yes dns=off").globals["mhomed"] == 1


def test_texts_and_hosts() -> None:
    found = settings('server_header="Server: x" advertised_address=1.2.3.4 advertised_port=5070 workdir="/tmp/x"')
    assert found.globals["server_header"] == "Server: x"
    assert found.globals["advertised_address"] == "1.2.3.4"
    assert found.globals["advertised_port"] == 5070
    assert found.globals["workdir"] == "/tmp/x"


def test_types_of_service_have_names() -> None:
    assert settings("tos=IPTOS_LOWDELAY").globals["tos"] == 16


def test_log_stderror_switches_both_outputs() -> None:
    known = settings("log_stderror=no").globals
    assert (known["stderror_enabled"], known["syslog_enabled"]) == (0, 1)


def test_debug_mode_raises_the_level() -> None:
    assert settings("log_level=1 debug_mode=yes").globals["log_level"] == 4


def test_what_has_no_meaning_or_a_newer_name_is_noted() -> None:
    messages = [note.message for note in settings("children=2 memlog=4 listen=udp:1.2.3.4:5").notes]
    assert messages == [
        "children is an old name",
        "memlog has no meaning here: Python manages its memory itself",
        "listen is an old name",
    ]


def test_modules_and_parameters_keep_their_order() -> None:
    steps = settings(
        'loadmodule "sl/sl.so" loadmodule "tm" modparam("tm|sl", "x", -5) loadmodule "/a/b.so"'
        ' modparam("b", "y", "a" "b")'
    ).steps
    assert [(step.name, getattr(step, "value", None)) for step in steps] == [
        ("sl", None), ("tm", None), ("x", -5), ("b", None), ("y", "ab"),
    ]  # fmt: skip


def test_paths_of_modules() -> None:
    assert settings('mpath="/a/":"/b/" mpath="/c/:/d/"').module_paths == ["/a/", "/b/", "/c/", "/d/"]


@pytest.mark.parametrize(
    ("text", "proto", "host", "ports"),
    [
        ("socket=udp:127.0.0.1:5060", "udp", "127.0.0.1", ((5060, 0),)),
        ("socket = TCP : 127.0.0.1 : 5060", "tcp", "127.0.0.1", ((5060, 0),)),
        ("socket=udp:[::1]:5060", "udp", "::1", ((5060, 0),)),
        ("socket=udp:[2001:db8::1]", "udp", "2001:db8::1", ()),
        ("socket=udp:*", "udp", "*", ()),
        ("socket=tcp:eth0:5060", "tcp", "eth0", ((5060, 0),)),
        ('socket=udp:"host.example":5060', "udp", "host.example", ((5060, 0),)),
        ("listen=127.0.0.1:5070", "udp", "127.0.0.1", ((5070, 0),)),
        ("listen=127.0.0.1", "udp", "127.0.0.1", ()),
        ("socket=udp:a-b.example.com:any", "udp", "a-b.example.com", ()),
        ("socket=udp:1.2.3.4:5060-5062,5070", "udp", "1.2.3.4", ((5060, 0), (5061, 0), (5062, 0), (5070, 0))),
        ("socket=udp:1.2.3.4:5060-5061, 5070", "udp", "1.2.3.4", ((5060, 0), (5061, 0), (5070, 0))),
        ("socket=udp:1.2.3.4:5060 as 5.6.7.8:70", "udp", "1.2.3.4", ((5060, 70),)),
        ("socket=udp:1.2.3.4:5060-5061 AS 5.6.7.8:70-71", "udp", "1.2.3.4", ((5060, 70), (5061, 71))),
    ],
)
def test_socket(text: str, proto: str, host: str, ports: tuple[tuple[int, int], ...]) -> None:
    (found,) = settings(text).sockets
    assert (found.proto, found.host, found.ports) == (proto, host, ports)


def test_words_after_a_socket() -> None:
    (found,) = settings(
        "socket=udp:1.2.3.4:5 as a.example use_workers 3 use_auto_scaling_profile P tag T anycast frag reuse_port"
        " tos 16 accept_subdomain proxy-protocol"
    ).sockets
    assert (found.advertised_host, found.workers, found.profile, found.tag) == ("a.example", 3, "P", "T")
    assert found.anycast and found.frag and found.reuse_port and found.subdomains and found.proxy_in and found.proxy_out
    assert found.tos == 16


def test_bond() -> None:
    (found,) = settings('socket = bond:pair { "udp:1.2.3.4:5060", "tcp:1.2.3.4:5060" }').bonds
    assert (found.name, found.members) == ("pair", ("udp:1.2.3.4:5060", "tcp:1.2.3.4:5060"))


def test_aliases() -> None:
    found = settings('alias = "a.example" any:b.example:5060 udp:c.example d.example:5070 accept_subdomain log_level=3')
    assert [(one.proto, one.host, one.port, one.subdomains) for one in found.aliases] == [
        ("", "a.example", 0, False),
        ("", "b.example", 5060, False),
        ("udp", "c.example", 0, False),
        ("", "d.example", 5070, True),
    ]
    assert found.globals["log_level"] == 3


def test_blacklist() -> None:
    (found,) = settings(
        'dst_blacklist = gw/expire,read-only: { ( tcp , 10.0.0.0/8, 5060 , "x.*" ), !( any, 1.2.3.4, any, "" ),'
        " 1.2.3.5, ( 10.1.0.0/255.255.0.0, 7 ) }"
    ).blacklists
    assert found == Blacklist(
        found.place,
        "gw",
        ("expire", "read-only"),
        (
            BlacklistRule("10.0.0.0/8", False, "tcp", 5060, "x.*"),
            BlacklistRule("1.2.3.4", True),
            BlacklistRule("1.2.3.5"),
            BlacklistRule("10.1.0.0/255.255.0.0", port=7),
        ),
    )


def test_listener_of_the_command_line() -> None:
    assert parse_listener("tcp:[::1]:5061", HERE).ports == ((5061, 0),)
    with pytest.raises(BadValue):
        parse_listener("tcp:", HERE)


@pytest.mark.parametrize("text", ["0", "65536", "5-4", "x", "1-65535", "", "1,"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(BadValue):
        parse_ports(text)


def test_old_names_lead_to_known_ones() -> None:
    assert set(OTHER_NAMES.values()) <= KNOWN.keys()
    assert not set(OTHER_NAMES) & KNOWN.keys()
    assert len(set(names())) == len(names())


def test_every_global_of_opensips_has_an_answer() -> None:
    assert not set(names_of("global")) - set(names()) - GONE.keys()
