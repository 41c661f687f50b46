"""cachedb_mongodb: what it makes of URLs, and says of those that make no sense."""

import sys

import pytest

from pysips.core.cachedb_url import read_url
from pysips.core.registry import Registry
from pysips.core.services import Services
from pysips.core.stats import Cells, Statistics
from pysips.errors import ModuleError
from pysips.modules.cachedb_mongodb import options_of, uri_of
from tests.servers.process import complaints

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_mongodb.so"
modparam("cachedb_mongodb", "cachedb_url", "{url}")
route {{ exit; }}
"""
HOST = "mongodb://op:s3cret@10.0.0.1"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{HOST}/opensipsDB", "a URL of mongodb ends with database.collection"),
        (f"{HOST}/.userlocation", "a URL of mongodb ends with database.collection"),
        ("mongodb:///a.b", "names no host"),
        (f"{HOST}/a.b?colour=red", "colour"),
        (f"{HOST}/a.b?connectTimeoutMS=soon", "connectTimeoutMS"),
        (f"{HOST}/a.b?socketTimeoutMS=soon", "socketTimeoutMS is a number of milliseconds"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_its_password(url: str, said: str) -> None:
    complaint = complaints(SCRIPT.format(url=url))
    assert said in complaint and "s3cret" not in complaint


def test_a_url_with_all_its_parts_is_taken() -> None:
    text = "mongodb:g://op:s3cret@10.0.0.1:27018,[fd00::1]/opensipsDB.user.location?replicaSet=rs0&connectTimeoutMS=500"
    assert complaints(SCRIPT.format(url=text)) == ""
    url = read_url(text)
    assert uri_of(url, "db") == "mongodb://10.0.0.1:27018,[fd00::1]/db?replicaSet=rs0&connectTimeoutMS=500"
    options = options_of(url, 0.25)
    assert (options["username"], options["password"]) == ("op", "s3cret")
    assert options["socketTimeoutMS"] == options["serverSelectionTimeoutMS"] == 250
    assert "connectTimeoutMS" not in options, "what the URL says stands"


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pysips.modules.cachedb_mongodb")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(ModuleError, match=r"needs the Python package pymongo: pip install pysips\[mongodb\]"):
        Registry(Services(), Statistics(Cells())).load("cachedb_mongodb")
