import pytest

from pysips.script.catalogue import Home
from pysips.script.known import home_of, homes_of, names_of

EVERY = ("2.4", "3.4", "3.6", "4.0")


@pytest.mark.parametrize(
    ("what", "name", "module", "versions"),
    [
        ("module", "tm", "tm", EVERY),
        ("module", "uri", "uri", ("2.4",)),
        ("function", "t_relay", "tm", EVERY),
        ("function", "xlog", "core", EVERY),
        ("function", "rewriteuri", "core", ("2.4",)),
        ("function", "is_audio_on_hold", "sipmsgops", EVERY),
        ("async", "sql_query", "sqlops", ("3.6", "4.0")),
        ("variable", "rU", "core", EVERY),
        ("variable", "T_branch_idx", "tm", EVERY),
        ("transformation", "s.len", "core", EVERY),
        ("global", "listen", "core", ("2.4", "3.4", "3.6")),
        ("global", "socket", "core", ("3.4", "3.6", "4.0")),
        ("mi", "ul_dump", "usrloc", EVERY),
        ("mi", "usrloc:dump", "usrloc", ("4.0",)),
        ("statistic", "registered_users", "usrloc", EVERY),
        ("event", "E_UL_AOR_INSERT", "usrloc", EVERY),
        ("statement", "while", "core", EVERY),
    ],
)
def test_a_name_has_its_module_and_versions(what: str, name: str, module: str, versions: tuple[str, ...]) -> None:
    assert home_of(what, name) == Home(module, False, versions)


def test_a_name_that_moved_has_several_homes_the_newest_first() -> None:
    homes = homes_of("function", "db_does_uri_exist")
    assert len(homes) > 1
    assert homes[0].versions[-1] == "4.0"
    assert home_of("function", "db_does_uri_exist", "uri") in homes


def test_the_same_parameter_is_told_apart_by_its_module() -> None:
    assert home_of("parameter", "fr_timeout", "tm") == Home("tm", False, EVERY)
    assert home_of("parameter", "fr_timeout", "maxfwd") is None
    assert "fr_timeout" in names_of("parameter", "tm")


def test_a_misspelling_is_not_known() -> None:
    assert home_of("function", "t_realy") is None
    assert homes_of("no such kind", "tm") == ()
