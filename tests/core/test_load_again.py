"""Another edition of a program that runs: what may change, and what is refused by name."""

import pytest

from pysips.core import loading
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.errors import ConfigError
from pysips.script import source

HEAD = """socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "tm.so"
modparam("tm", "fr_timeout", 5)
"""
ROUTES = "route { setflag(a); exit; }"
USRLOC = 'loadmodule "signaling.so"\nloadmodule "usrloc.so"\nloadmodule "registrar.so"\n'


def load(text: str) -> Program:
    return loading.load_source(source.of_text(text, "x.cfg"), Options("x.cfg"))


def again(program: Program, text: str) -> Program:
    return loading.load_again(source.of_text(text, "x.cfg"), program)


def refused(program: Program, text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        again(program, text)
    return [f"{one.message}; {one.cure}" if one.cure else one.message for one in told.value.complaints]


def test_an_edition_has_its_own_routes_and_all_else_in_common() -> None:
    program = load(HEAD + ROUTES)
    edition = again(program, HEAD + "# a comment moves all lines\n" + ROUTES + "\nerror_route { exit; }")
    assert ("error_route", "") in edition.routes and edition.has_error_route
    assert ("error_route", "") not in program.routes and not program.has_error_route
    assert edition.services is program.services and edition.vars is program.vars
    assert program.latest.program is program, "who takes it says so"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"fr_timeout", 5', '"fr_timeout", 6', ['modparam("tm", "fr_timeout") is changed']),
        ('modparam("tm", "fr_timeout", 5)\n', "", ['modparam("tm", "fr_timeout") is gone']),
        ('loadmodule "sl.so"', 'loadmodule "sl.so"\nloadmodule "rr.so"', ['loadmodule "rr" is new']),
        ('"sl.so"\nloadmodule "tm.so"', '"tm.so"\nloadmodule "sl.so"', ['loadmodule "tm" stands in another place']),
        ("socket=", "alias=example.com\nsocket=", ["alias=example.com is new"]),
        (":5060", ":5062", ["socket=udp:127.0.0.1 is changed"]),
        ("socket=", "log_level=4\nsocket=", ["log_level is changed"]),
        ("socket=", 'mpath="/tmp/"\nsocket=', ["mpath is changed"]),
    ],
)
def test_what_needs_a_restart_is_said(old: str, new: str, said: list[str]) -> None:
    assert refused(load(HEAD + ROUTES), (HEAD + ROUTES).replace(old, new)) == [
        f"{one}; it needs a restart" for one in said
    ]


def test_values_of_parameters_are_not_repeated() -> None:
    program = load(HEAD + 'modparam("tm", "local_request_route", "x")\nroute[x] { exit; }\n' + ROUTES)
    [said] = refused(program, HEAD + 'modparam("tm", "local_request_route", "y")\nroute[y] { exit; }\n' + ROUTES)
    assert said == 'modparam("tm", "local_request_route") is changed; it needs a restart'


def test_a_module_may_forbid_it() -> None:
    text = HEAD + 'modparam("tm", "local_request_route", "x")\n' + ROUTES
    program = load(text + "\nroute[x] { exit; }")
    assert refused(program, text) == ["tm: there is no route[x] to look at local messages"]


def test_a_table_of_contacts_that_is_new_needs_a_restart() -> None:
    text = HEAD + USRLOC + 'route { save("location"); }'
    [said] = refused(load(text), text.replace('"location"', '"others"'))
    assert "the table others is new: it needs a restart" in said


def test_flags_of_a_script_that_is_not_taken_are_forgotten() -> None:
    program = load(HEAD + ROUTES)
    kept = loading.FlagsKept(program.services)
    again(program, HEAD + "route { setflag(b); setbflag(c); exit; }")
    assert list(program.services.message_flags.masks) == ["a", "b"]
    kept.restore()
    assert list(program.services.message_flags.masks) == ["a"]
    assert list(program.services.branch_flags.masks) == []
