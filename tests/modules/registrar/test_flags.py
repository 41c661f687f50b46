"""The flags of save() and lookup(), in both spellings."""

import pytest

from pysips.modules.registrar import rules
from pysips.modules.registrar.flags import parse_lookup, parse_save
from pysips.modules.usrloc.api import BY_CONTACT_AND_CALLID, BY_PARAM


def test_names_and_letters_of_save_mean_the_same() -> None:
    names = parse_save(
        "memory-only, no-reply,socket-header,path-lazy,path-received,force-registration,"
        "max-contacts=5,min-expires=60,max-expires=7200"
    )
    letters = parse_save("mrsp1vfc5e60E7200")
    for flags in (names, letters):
        assert flags.bits == (
            rules.MEMORY_ONLY
            | rules.NO_REPLY
            | rules.SOCKET_HEADER
            | rules.PATH_LAZY
            | rules.PATH_RECEIVED
            | rules.FORCE
        )
        assert (flags.max_contacts, flags.min_expires, flags.max_expires) == (5, 60, 7200)
        assert flags.matching_mode == rules.UNSET


def test_names_without_a_letter() -> None:
    flags = parse_save("only-request-contacts,path-off,matching-mode=1")
    assert flags.bits == rules.ONLY_REQUEST | rules.PATH_OFF
    assert flags.matching_mode == BY_CONTACT_AND_CALLID
    flags = parse_save("matching-mode=<RInstance>")
    assert (flags.matching_mode, flags.matching_param) == (BY_PARAM, "rinstance")


def test_no_flags_at_all() -> None:
    assert parse_save("").bits == parse_lookup("  ").bits == 0


@pytest.mark.parametrize(
    "text",
    ["x", "p", "p3", "m5", "c", "e-1", "no-reply,nonsense", "no-reply=1", "max-contacts", "max-contacts=many",
     "max-contacts=99999999999", "matching-mode=2", "matching-mode=<>", "matching-mode=<a;b>", "nonsense"],
)  # fmt: skip
def test_what_save_does_not_take(text: str) -> None:
    with pytest.raises(ValueError, match=r"flag|number|matching-mode"):
        parse_save(text)


def test_names_and_letters_of_lookup_mean_the_same() -> None:
    names = parse_lookup("method-filtering,no-branches,global,branch,sort-by-latency,max-ping-latency=5000")
    letters = parse_lookup("mbgry5000Y")
    for flags in (names, letters):
        assert flags.bits == (
            rules.METHOD_FILTER | rules.NO_BRANCHES | rules.GLOBAL | rules.BRANCH | rules.SORT_BY_LATENCY
        )
        assert flags.max_latency == 5000
    assert parse_lookup("to-branches-only").bits == rules.TO_BRANCHES_ONLY
    assert parse_lookup("global").bits == rules.GLOBAL, "no letter g, l, o …"


def test_a_regular_expression_may_hold_commas_and_slashes() -> None:
    flags = parse_lookup(r"no-branches,ua-filtering=/a,b\/c/,method-filtering")
    assert flags.bits == rules.NO_BRANCHES | rules.METHOD_FILTER
    assert flags.user_agent.search("xa,b/cx")


@pytest.mark.parametrize(
    "text",
    ["x", "u", "u//", "u/(/e", "ua-filtering=yea", "ua-filtering=//", "ua-filtering=/(/,extended-regexp",
     "ua-filtering", "method-filtering=1", "y", "max-ping-latency=fast", "method-filtering,m"],
)  # fmt: skip
def test_what_lookup_does_not_take(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_lookup(text)
