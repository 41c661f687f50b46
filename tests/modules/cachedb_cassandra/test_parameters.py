"""cachedb_cassandra: what it says of URLs and parameters that make no sense."""

import sys

import pytest

from pysips.core.registry import Registry
from pysips.core.services import Services
from pysips.core.stats import Cells, Statistics
from pysips.errors import ModuleError
from tests.servers.process import complaints

HOST = "cassandra://op:s3cret@10.0.0.1"


SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_cassandra.so"
{parameters}
route {{ exit; }}
"""


def refused(url: str, parameter: str = "") -> str:
    """The complaints about a script with this URL."""
    lines = [f'modparam("cachedb_cassandra", {one})' for one in (f'"cachedb_url", "{url}"', parameter) if one]
    return complaints(SCRIPT.format(parameters="\n".join(lines)))


def test_a_url_with_all_its_parts_is_taken() -> None:
    url = "cassandra:group1://op:s3cret@10.0.0.1:9042,10.0.0.2,[fd00::1]:9043/opensips.userlocation.counters"
    assert refused(f"{url}?connect_timeout=500&query_timeout=800", '"wr_consistency_level", "LOCAL_QUORUM"') == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{HOST}/keyspace", '"keyspace" is no Keyspace.Table[.CountersTable]'),
        (f"{HOST}/a.b.c.d", "is no Keyspace.Table"),
        (f"{HOST}/a.b;drop", "is no Keyspace.Table"),
        ("cassandra:///a.b", "names no host"),
        (
            f"{HOST}/a.b?consistency=one",
            "unknown option consistency; known are connect_timeout, query_timeout, timeout",
        ),
        (f"{HOST}/a.b?timeout=soon", "timeout is a number of milliseconds"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_its_password(url: str, said: str) -> None:
    complaint = refused(url)
    assert said in complaint and "s3cret" not in complaint


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ('"rd_consistency_level", "any"', 'rd_consistency_level "any" is none of one, two,'),
        ('"wr_consistency_level", "serial"', 'wr_consistency_level "serial" is none of any, one,'),
        ('"wr_consistency_level", "most"', "is none of"),
        ('"query_timeout", 0', "query_timeout"),
    ],
)
def test_a_parameter_out_of_its_words_or_numbers_is_refused(parameter: str, said: str) -> None:
    assert said in refused(f"{HOST}/a.b", parameter)


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pysips.modules.cachedb_cassandra")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cassandra", None)
    with pytest.raises(ModuleError, match=r"needs the Python package cassandra: pip install pysips\[cassandra\]"):
        Registry(Services(), Statistics(Cells())).load("cachedb_cassandra")
