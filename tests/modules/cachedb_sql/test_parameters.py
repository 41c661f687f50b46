"""cachedb_sql: what it makes of URLs and names, and says of those that make no sense."""

import pytest

from pysips.modules.cachedb_sql import CachedbSql
from tests.servers.process import complaints

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "db_mysql.so"
loadmodule "cachedb_sql.so"
modparam("cachedb_sql", "cachedb_url", "{url}")
{more}
route {{ exit; }}
"""
URL = "sql:g-mysql://op:s3cret@10.0.0.1/opensips"


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("sql:1st-mysql://op:a-b@10.0.0.1/opensips", "sql:1st", "mysql://op:a-b@10.0.0.1/opensips"),
        ("sql:mysql://op:a-b@10.0.0.1/opensips", "sql", "mysql://op:a-b@10.0.0.1/opensips"),
        ("sql:-sqlite:///var/lib/x.db", "sql", "sqlite:///var/lib/x.db"),
    ],
)
def test_the_group_stands_before_the_first_dash(text: str, name: str, rest: str) -> None:
    url = CachedbSql().read_url(text)
    assert (url.name, url.text) == (name, rest)
    assert "a-b" not in url.shown and "a-b" not in repr(url).replace(rest, "")


@pytest.mark.parametrize(
    ("url", "more", "said"),
    [
        (URL, "", ""),
        ("sql:g:op:s3cret@10.0.0.1/opensips", "", "sql:group-mysql://user:password@host/database"),
        ("sql:g-oracle://op:s3cret@10.0.0.1/opensips", "", 'loadmodule "db_oracle.so"'),
        ("sql:g-mysql://op:s3cret@10.0.0.1:x/opensips", "", "mysql://"),
        (URL, 'modparam("cachedb_sql", "db_table", "a; drop")', '"a; drop" is no name of a table or column'),
        (URL, 'modparam("cachedb_sql", "rows_table", "")', '"" is no name of a table or column'),
    ],
)
def test_what_makes_no_sense_is_refused_without_its_password(url: str, more: str, said: str) -> None:
    complaint = complaints(SCRIPT.format(url=url, more=more))
    assert (said in complaint if said else complaint == "") and "s3cret" not in complaint
