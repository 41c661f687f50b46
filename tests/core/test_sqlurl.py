import pytest

from pysips.core.sqlurl import BadUrl, SqlUrl, parse_url


def test_the_tutorials_url() -> None:
    url = parse_url("mysql://opensips:opensipsrw@localhost/opensips")
    assert url == SqlUrl("mysql", "opensips", "opensipsrw", "localhost", 0, "opensips")
    assert url.shown == "mysql://opensips@localhost/opensips"
    assert "opensipsrw" not in repr(url)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://a:b@h:5433/d", SqlUrl("postgres", "a", "b", "h", 5433, "d")),
        ("postgresql://a@h/d", SqlUrl("postgres", "a", "", "h", 0, "d")),
        ("mariadb://h/d", SqlUrl("mysql", "", "", "h", 0, "d")),
        ("mysql://a:p@ss:w/o?rd%40@h/d", SqlUrl("mysql", "a", "p@ss:w/o?rd%40", "h", 0, "d")),
        ("mysql://a:b@[2001:db8::1]:3307/d", SqlUrl("mysql", "a", "b", "2001:db8::1", 3307, "d")),
        ("mysql://a:b@/d?socket=/run/x.sock", SqlUrl("mysql", "a", "b", "", 0, "d", socket="/run/x.sock")),
        ("mysql://a:b@h/d?timeout=0.25&pool=3", SqlUrl("mysql", "a", "b", "h", 0, "d", 0.25, 3)),
        ("sqlite:///var/lib/a.db", SqlUrl("sqlite", database="/var/lib/a.db")),
        ("sqlite:////var/lib/a.db", SqlUrl("sqlite", database="/var/lib/a.db")),
        ("sqlite://a.db?timeout=2", SqlUrl("sqlite", database="a.db", timeout=2.0)),
        ("sqlite:///home/a@b/a.db", SqlUrl("sqlite", database="/home/a@b/a.db")),
    ],
)  # fmt: skip
def test_urls(text: str, url: SqlUrl) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "", "mysql", "mysql:/a", "://a/b", "my sql://a/b", "mysql://hidden@h", "mysql://a:hidden@h:x/d",
        "mysql://a:hidden@h:65536/d", "mysql://a:hidden@h/", "mysql://a:hidden@::1/d", "mysql://a:hidden@h/d?colour=1",
        "mysql://a:hidden@h/d?timeout=0", "mysql://a:hidden@h/d?timeout=1e9", "mysql://a:hidden@h/d?timeout=nan",
        "mysql://a:hidden@h/d?pool=0", "mysql://a:hidden@h/d?pool=101", "sqlite://", "sqlite:///", "sqlite:///a\0b",
        "mysql://a:hidden@h/" + "d" * 1024,
    ],
)  # fmt: skip
def test_bad_urls_are_told_without_their_password(text: str) -> None:
    with pytest.raises(BadUrl) as problem:
        parse_url(text)
    assert "hidden" not in str(problem.value)


def test_the_address_is_shown_with_its_port() -> None:
    assert parse_url("mysql://a:b@[::1]:3307/d").shown == "mysql://a@[::1]:3307/d"
    assert parse_url("sqlite:///var/a.db").shown == "sqlite:///var/a.db"
