"""A contact as a row of OpenSIPS' table `location`, there and back."""

from datetime import datetime

import pytest

from pysips.modules.usrloc.records import Contact, Record
from pysips.modules.usrloc.rows import clean, moment, stores, whole

from .rig import COLUMNS, Rig

FULL = Contact(
    "sip:alice@10.1.1.1:5062;line=7", 213146926114146652, 1_700_000_600, 1_700_000_000, "call-1", 42, "Phone/1",
    "udp:10.0.0.1:5060", 700, 0, 143, 0, "sip:198.51.100.7:4711", "<sip:edge.home;lr>", "<urn:uuid:1>", "note",
)  # fmt: skip


def there_and_back(rig: Rig, contact: Contact, record: Record | None = None) -> tuple[Contact, object]:
    row = {"contact_id": contact.id, **rig.rows.values("alice@home", record or Record(0, 0, 0, [contact]), contact)}
    return rig.rows.contact(rig.rows.by_field(tuple(row[name] for name in rig.rows.names)))


def test_nothing_is_lost() -> None:
    rig = Rig()
    for name in ("NAT", "SIPP"):
        rig.flags.mask(name)
    FULL.cflags = 3
    FULL.more = {"a": "1", "b": 2}
    assert there_and_back(rig, FULL, Record(0, 0, 0, [FULL], {"of": "the AoR"})) == (FULL, {"of": "the AoR"})


def test_as_opensips_writes_it() -> None:
    rig = Rig()
    rig.flags.mask("NAT")
    FULL.cflags, FULL.more = 1, None
    row = rig.rows.values("alice@home", Record(0, 0, 0, [FULL]), FULL)
    assert (row["username"], row["domain"], row["q"], row["cflags"]) == ("alice", "home", 0.7, "NAT")
    assert row["last_modified"] == datetime.fromtimestamp(1_700_000_000)
    assert (row["methods"], row["kv_store"]) == (143, None)
    bare = Contact("sip:a@h", 1, 0, 0, "c", 1, "n/a")
    row = rig.rows.values("alice@home", Record(0, 0, 0, [bare]), bare)
    assert [row[name] for name in ("received", "path", "methods", "sip_instance", "attr", "socket", "cflags")] == [
        None
    ] * 7
    assert there_and_back(rig, bare)[0].q == -1


def test_sockets_are_written_as_the_world_sees_them() -> None:
    rig = Rig()
    assert rig.rows.socket_name("tcp:10.0.0.1:5070") == "tcp:sip.home:5071"
    assert rig.rows.our_socket("tcp:sip.home:5071") == "tcp:10.0.0.1:5070"
    assert rig.rows.our_socket("udp:10.0.0.1:5060") == "udp:10.0.0.1:5060"
    assert rig.rows.our_socket("udp:10.9.9.9:5060") == ""


def test_flags_are_names() -> None:
    rig = Rig()
    rig.flags.mask("FIRST")
    assert rig.rows.flags("NAT FIRST LATER") == 1, "others are dropped"


@pytest.mark.parametrize(
    ("aor", "use_domain", "owner"),
    [
        ("alice@home", True, {"username": "alice", "domain": "home"}),
        ("a@b@home", True, {"username": "a@b", "domain": "home"}),
        ("home", True, {"username": "home", "domain": ""}),
        ("alice", False, {"username": "alice"}),
        ("a@b", False, {"username": "a@b"}),
    ],
)
def test_whose_a_row_is(aor: str, use_domain: bool, owner: dict[str, str]) -> None:
    rows = Rig(use_domain=use_domain).rows
    assert rows.owner(aor) == owner
    assert rows.aor({"user": owner["username"], "domain": owner.get("domain")}) == aor


def test_columns_of_other_names() -> None:
    rows = Rig(columns=COLUMNS | {"user": "who", "contact_id": "nr"}).rows
    assert (rows.id, rows.names[0], rows.names[1]) == ("nr", "nr", "who")
    assert rows.owner("alice@home") == {"who": "alice", "domain": "home"}


def test_what_no_database_takes() -> None:
    assert clean(b"a\xff\0b".decode("utf-8", "surrogateescape")) == "a\ufffd\ufffdb"
    assert clean("größe") == "größe"


@pytest.mark.parametrize("value", ["", "x", -1, 1 << 64, "9" * 30, "1.5"])
def test_numbers_without_sense(value: int | str) -> None:
    with pytest.raises(ValueError):
        whole(value)


def test_moments() -> None:
    assert moment("2023-11-14 22:13:20") == moment(datetime(2023, 11, 14, 22, 13, 20))
    assert [moment(value) for value in ("soon", None, "1900-01-01 00:00:01")] == [0, 0, 0]


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '{"a": [1]}', "x" * 70_000])
def test_stores_without_sense(text: str) -> None:
    assert stores(text) == (None, None)
