"""scripts/federation as it stands: its scripts load in both spellings, and say what OpenSIPS' tutorial says."""

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from pysips.cli import db
from tests.live import ROOT
from tests.servers.process import complaints

pytestmark = pytest.mark.checkout

FOLDER = ROOT / "scripts" / "federation"
SPELLINGS = ("2.4", "3.x")
TUTORIAL = """
modparam("usrloc", "use_domain", 1)
modparam("usrloc", "working_mode_preset", "federation-cachedb-cluster")
modparam("usrloc", "location_cluster", 1)
loadmodule "cachedb_cassandra.so"
modparam("usrloc", "cachedb_url", "cassandra://10.0.0.5:9042/opensips.userlocation")
modparam("clusterer", "current_id", 3)
modparam("clusterer", "seed_fallback_interval", 5)
modparam("clusterer", "db_url", "mysql://opensips:opensipsrw@localhost/opensips")
modparam("nathelper", "natping_interval", 30)
modparam("nathelper", "sipping_from", "sip:pinger@localhost")
modparam("nathelper", "sipping_bflag", "SIPPING_ENABLE")
modparam("nathelper", "remove_on_timeout_bflag", "SIPPING_RTO")
modparam("nathelper", "max_pings_lost", 5)
setbflag(SIPPING_ENABLE);
setbflag(SIPPING_RTO);
if (!save("location"))
$var(lookup_flags) = "m";
if (cluster_check_addr("1", "$si")) {
$var(lookup_flags) = $var(lookup_flags) + "g";
if (!lookup("location", "$var(lookup_flags)")) {
t_reply("404", "Not Found");
"""
STORES = {
    "mongodb": ("cachedb_mongodb", "mongodb://10.0.0.5:27017/opensipsDB.userlocation"),
    "redis": ("cachedb_redis", "redis:fed://10.0.0.5:6379/"),
    "sql": ("cachedb_sql", "sql:fed-mysql://opensips:opensipsrw@10.0.0.5/platform"),
}


def printed(*words: str) -> str:
    """What scripts/federation/node prints."""
    return subprocess.run([str(FOLDER / "node"), *words], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("how", [("1",), ("2",), ("3",), ("4",), ("1", "alone"), ("3", "alone")], ids=" ".join)
def test_every_nodes_script_loads(spelling: str, how: tuple[str, ...]) -> None:
    number, *alone = how
    text = printed(number, f"opensips-{spelling}.cfg", *alone)
    assert complaints(text) == ""
    own = f"10.0.0.{176 + int(number)}"
    assert f"bin:{own}:5555" in text
    assert f"udp:{own if alone else '10.0.0.223' if number in '12' else '10.0.0.224'}:5060" in text
    assert re.search(rf'"(current_id|my_node_id)", {number}\)', text)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_node_3_is_the_file_itself_but_for_its_remark(spelling: str) -> None:
    file = f"opensips-{spelling}.cfg"
    for one, other in zip(printed("3", file).splitlines(), (FOLDER / file).read_text().splitlines(), strict=True):
        assert one == other or other.startswith("# As it stands")


def test_the_tutorials_lines_are_there_as_it_writes_them() -> None:
    lines = {line.strip() for line in (FOLDER / "opensips-2.4.cfg").read_text("utf-8").splitlines()}
    assert {line for line in TUTORIAL.splitlines() if line} <= lines


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("store", STORES)
def test_the_readmes_other_stores_load(spelling: str, store: str) -> None:
    module, url = STORES[store]
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert f'loadmodule "{module}.so"' in readme and url in readme
    text = (FOLDER / f"opensips-{spelling}.cfg").read_text("utf-8").replace("cachedb_cassandra", module)
    assert complaints(re.sub(r"cassandra://[^\"]*", url, text)) == ""


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_readmes_federation_without_a_store_loads(spelling: str) -> None:
    text = (
        (FOLDER / f"opensips-{spelling}.cfg")
        .read_text("utf-8")
        .replace("federation-cachedb-cluster", "federation-cluster")
    )
    assert complaints(re.sub(r".*(cachedb_cassandra|cassandra://).*\n", "", text)) == ""


@pytest.mark.parametrize("file", ["clusterer.sql", "clusterer-no-backups.sql"])
def test_its_tables_fit_the_layout(file: str, tmp_path: Path) -> None:
    path = tmp_path / "opensips.db"
    db.command.main(["create", "--url", f"sqlite://{path}", "clusterer"], standalone_mode=False)
    with closing(sqlite3.connect(path)) as base:
        for _ in range(2):  # once more changes nothing
            base.executescript((FOLDER / file).read_text("utf-8"))
        rows = base.execute("SELECT node_id, sip_addr, flags FROM clusterer ORDER BY node_id").fetchall()
    if file == "clusterer.sql":
        assert rows == [
            (1, "10.0.0.223", "seed"), (2, "10.0.0.223", "NULL"), (3, "10.0.0.224", "seed"), (4, "10.0.0.224", "NULL"),
        ]  # fmt: skip
    else:
        assert rows == [(1, "10.0.0.177", "seed"), (3, "10.0.0.179", "seed")]


def test_the_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for path in FOLDER.iterdir():
        assert f"`{path.name}`" in readme or path.name == "README.md", path.name


def test_a_pair_has_one_address_and_two_priorities() -> None:
    first, second = printed("1", "keepalived.conf"), printed("2", "keepalived.conf")
    for text, own, other, priority in ((first, "177", "178", "150"), (second, "178", "177", "100")):
        assert f"unicast_src_ip 10.0.0.{own}\n" in text and f"        10.0.0.{other}\n" in text
        assert "10.0.0.223/24" in text and f"priority {priority} " in text and "advert_int 0.5" in text
