"""URLs of key/value stores."""

import pytest

from pysips.core.cachedb_url import read_url
from pysips.errors import ModuleError


def test_a_whole_url() -> None:
    url = read_url(
        "mongodb:g1://user:p%40ss@10.0.0.1:27017,[2001:db8::1],db.example/opensipsDB.userlocation?w=1&x=a%20b"
    )
    assert (url.engine, url.group, url.name) == ("mongodb", "g1", "mongodb:g1")
    assert (url.user, url.password) == ("user", "p@ss")
    assert url.hosts == (("10.0.0.1", 27017), ("2001:db8::1", 0), ("db.example", 0))
    assert url.database == "opensipsDB.userlocation"
    assert dict(url.options) == {"w": "1", "x": "a b"}


def test_the_password_is_shown_nowhere() -> None:
    url = read_url("redis:g://:s3cret@host:6379/0?password=s3cret")
    assert url.shown == "redis:g://host:6379/0"
    assert "s3cret" not in repr(read_url("redis://u:pa:ss@h/")).replace(url.text, "").partition("text=")[0]
    assert read_url("redis://u:pa:ss@h/").password == "pa:ss"


@pytest.mark.parametrize(
    ("text", "name", "database"),
    [
        ("local://", "local", ""),
        ("local:g://", "local:g", ""),
        ("local:g:///collection", "local:g", "collection"),
        ("redis://host", "redis", ""),
        ("redis://host/", "redis", ""),
        ("redis://a@b:c@host/5", "redis", "5"),
    ],
)
def test_short_forms(text: str, name: str, database: str) -> None:
    url = read_url(text)
    assert (url.name, url.database) == (name, database)
    assert [host for host, _ in url.hosts] == ([] if name.startswith("local") else ["host"])


@pytest.mark.parametrize(
    "text", ["", "redis", "redis:host", "//host/", "redis://host:99999/", "redis://ho[st/", "redis://h:x/", "r" * 3000]
)
def test_what_is_no_url_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ModuleError):
        read_url(text)


def test_time_limits_are_options_in_milliseconds() -> None:
    url = read_url("redis://h/?connect_timeout=250&timeout=x")
    assert url.seconds(1.0, "connect_timeout", "timeout") == 0.25
    assert url.seconds(1.0, "query_timeout") == 1.0
    for wrong in ("0", "-1", "x", "600001", "1e3", "٣"):
        with pytest.raises(ModuleError, match="from 1 to 600000"):
            read_url(f"redis://h/?t={wrong}").seconds(1.0, "t")
