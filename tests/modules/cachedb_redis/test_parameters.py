"""cachedb_redis' parameters and URLs, raw queries' words and replies, rows' letters: no server."""

from typing import Any

import pytest

from pysips.core.cachedb import CacheError
from pysips.core.loading import load_source
from pysips.core.options import Options
from pysips.modules.cachedb_redis import CachedbRedis, rows
from pysips.modules.cachedb_redis.client import Settings, keepalive, packed
from pysips.modules.cachedb_redis.raw import key_of, rows_of, words_of
from pysips.script import source
from tests.servers.process import complaints

HEAD = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_redis.so"
"""


def settings(url: str, more: str = "") -> Settings:
    script = f'{HEAD}{more}\nmodparam("cachedb_redis", "cachedb_url", "{url}")\nroute {{ exit; }}'
    module = load_source(source.of_text(script, "redis.cfg"), Options("redis.cfg")).registry.loaded["cachedb_redis"]
    assert isinstance(module, CachedbRedis)
    return module.stores()[0].link.settings


def test_everything_ends_after_a_second_unless_somebody_says_otherwise() -> None:
    plain = settings("redis://h")
    assert (plain.connect_timeout, plain.timeout, plain.hosts) == (1.0, 1.0, (("h", 6379),))
    by_parameter = settings("redis://h", 'modparam("cachedb_redis", "query_timeout", 250)')
    assert (by_parameter.connect_timeout, by_parameter.timeout) == (1.0, 0.25)
    by_url = settings(
        "redis://h/?query_timeout=300&connect_timeout=50", 'modparam("cachedb_redis", "query_timeout", 9)'
    )
    assert (by_url.connect_timeout, by_url.timeout) == (0.05, 0.3)


def test_what_a_url_says() -> None:
    one = settings("redis:g://user:pa%3Ass@10.0.0.1:7000,[2001:db8::1]/3")
    assert one.hosts == (("10.0.0.1", 7000), ("2001:db8::1", 6379))
    assert (one.user, one.password, one.database) == ("user", "pa:ss", 3)
    assert settings("redis://h/?socket=/run/redis.sock").socket == "/run/redis.sock"
    assert settings("redis://:pw@h").user is None
    assert keepalive(one)["socket_keepalive"]
    assert not keepalive(settings("redis://h", 'modparam("cachedb_redis", "redis_keepalive", 0)'))["socket_keepalive"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"cachedb_url", "redis:g://"', "names its server"),
        ('"cachedb_url", "redis://h/x"', "a database of Redis is a number"),
        ('"cachedb_url", "redis://h/9999999"', "a database of Redis is a number"),
        ('"cachedb_url", "redis://h/?query_timeout=0"', "from 1 to 600000"),
        ('"cachedb_url", "redis://a,b/?socket=/s"', "exclude each other"),
        ('"cachedb_url", "redis://h/?tls_domain=dom"', "tls_mgm"),
        ('"cachedb_url", "http://h/"', 'loadmodule "cachedb_http.so"'),
        ('"use_tls", 1', "tls_mgm"),
        ('"query_timeout", 0', "from 1 to 600000"),
        ('"ftsearch_max_results", 10001', "from 1 to 10000"),
    ],
)
def test_bad_parameters_are_complaints(line: str, said: str) -> None:
    assert said in complaints(f'{HEAD}modparam("cachedb_redis", {line})\nroute {{ exit; }}')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GET key", ["GET", "key"]),
        ("  HSET  h f  'two words' ", ["HSET", "h", "f", "two words"]),
        ('SET k "it\'s"', ["SET", "k", "it's"]),
        ('SET k ""', ["SET", "k", ""]),
        ('SET k a"b', ["SET", "k", 'a"b']),
    ],
)
def test_words_of_a_raw_query(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("text", ["", "GET", "GET 'a", 'SET k "a"b', "select 1", "Subscribe x", "GET " + "k" * 70_000])
def test_no_raw_queries(text: str) -> None:
    with pytest.raises(CacheError):
        words_of(text)


def test_the_key_of_a_script_is_its_first() -> None:
    assert key_of(["EVAL", "return 1", "1", "k"]) == "k"
    assert key_of(["EVAL", "return 1", "0"]) == "return 1"
    assert key_of(["get", "k"]) == "k"


@pytest.mark.parametrize(
    ("command", "reply", "columns", "rows"),
    [
        ("GET", b"OK", 1, [["OK"]]),
        ("set", b"OK", 1, []),
        ("GET", None, 1, None),
        ("GET", None, 0, None),
        ("INCR", 7, 1, [[7]]),
        ("HGETALL", [b"a", b"1", b"b", None, b"c"], 2, [["a", "1"], ["b", None], ["c"]]),
        ("X", [b"a", [b"nested"], 5], 1, [["a"], [5]]),
        ("X", [], 3, []),
        ("GET", b"\xff", 1, [["\udcff"]]),
    ],
)
def test_replies_in_rows(command: str, reply: Any, columns: int, rows: Any) -> None:
    assert rows_of(command, reply, columns) == rows


def test_punctuation_is_escaped_and_nothing_else() -> None:
    value = "alice+b_c@example.com:5060 ä\\"
    assert rows.escaped("10.0.0.1:5062") == r"10\.0\.0\.1\:5062"
    assert rows.unescaped(rows.escaped(value)) == value
    assert rows.escaped("abc 1ä") == "abc 1ä"


def test_texts_go_out_with_the_bytes_that_came() -> None:
    assert packed(("SET", "ä\udcff", b"\0", 7)) == [b"SET", b"\xc3\xa4\xff", b"\0", b"7"]
