"""A contact as a row of OpenSIPS' table `location`, and back (version 1013 of the table).

Facts:
- a text that is absent is NULL; `methods` is NULL for all methods; q is a fraction, below 0 if unset;
- branch flags are written by their names, so that they are right again under another script; names that the script
  does not know are dropped when a row is read;
- `socket` is written as the world sees it (the advertised address), and read back if it is one of ours in either form;
- what no database takes (bytes that are no UTF-8, NULs) is written as U+FFFD, so a row is never refused for it;
- the key-value store of the AoR travels with each contact, under `_urec_kvs`, as OpenSIPS' nodes send it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pysips.core.flags import FlagNames
from pysips.core.sqldb import Value

from .contacts import Location
from .records import ALL_METHODS, Contact, Record

TABLE_VERSION: Final = 1013
FIELDS: Final = (
    "contact_id", "user", "domain", "contact", "received", "path", "expires", "q", "callid", "cseq", "last_modified",
    "flags", "cflags", "user_agent", "socket", "methods", "sip_instance", "kv_store", "attr",
)  # fmt: skip
FIXED: Final = ("last_modified",)  # its column has no parameter
AGENT: Final = 255  # longer ones are cut
SIGNED: Final = 0x7FFF_FFFF
AOR_STORE: Final = "_urec_kvs"
LONGEST_JSON: Final = 1 << 16

Store = dict[str, str | int]


class Rows:
    """columns: the name of each field's column; use_domain: whether the domain has a column of its own."""

    def __init__(self, location: Location, branch_flags: FlagNames, columns: Mapping[str, str], use_domain: bool):
        self.location = location
        self.branch_flags = branch_flags
        self.columns = columns
        self.use_domain = use_domain
        self.fields = [field for field in FIELDS if use_domain or field != "domain"]
        self.names = [columns[field] for field in self.fields]
        self.id = columns["contact_id"]

    def owner(self, aor: str) -> dict[str, Value]:
        """The columns that say whose a row is."""
        user, at, domain = aor.rpartition("@")
        if not self.use_domain:
            return {self.columns["user"]: clean(aor)}
        return {
            self.columns["user"]: clean(user if at else domain),
            self.columns["domain"]: clean(domain if at else ""),
        }

    def values(self, aor: str, record: Record, contact: Contact) -> dict[str, Value]:
        """All columns but the id's."""
        named = self.columns
        row = self.owner(aor)
        row[named["contact"]] = clean(contact.uri)
        for field, text in (
            ("received", contact.received), ("path", contact.path), ("attr", contact.attr),
            ("sip_instance", contact.instance), ("socket", self.socket_name(contact.socket)),
            ("cflags", " ".join(self.branch_flags.names(contact.cflags))),
        ):  # fmt: skip
            row[named[field]] = clean(text) or None
        row[named["expires"]] = contact.expires
        row[named["q"]] = contact.q / 1000 if contact.q >= 0 else -1.0
        row[named["callid"]] = clean(contact.callid)
        row[named["cseq"]] = contact.cseq & SIGNED
        row[named["last_modified"]] = datetime.fromtimestamp(contact.modified)
        row[named["flags"]] = contact.flags & SIGNED
        row[named["user_agent"]] = clean(contact.user_agent)[:AGENT]
        row[named["methods"]] = None if contact.methods == ALL_METHODS else contact.methods & SIGNED
        row[named["kv_store"]] = store_text(contact.more, record.more)
        return row

    def socket_name(self, name: str) -> str:
        """A socket by its advertised address, if it has one."""
        socket = self.location.socket(name) if name else None
        if socket is None or not (socket.advertised_host or socket.advertised_port):
            return name
        return socket.proto + ":" + socket.sent_by

    # -- back

    def aor(self, row: Mapping[str, Value]) -> str:
        """Whose a row is."""
        user, domain = text(row["user"]), text(row["domain"]) if self.use_domain else ""
        return user + "@" + domain if domain else user

    def by_field(self, row: tuple[Value, ...]) -> dict[str, Value]:
        """A row of `names` by fields."""
        return dict(zip(self.fields, row, strict=True))

    def contact(self, row: Mapping[str, Value]) -> tuple[Contact, Store | None]:
        """The contact of a row, and its AoR's key-value store. Raises ValueError for a row without sense."""
        uri = text(row["contact"])
        if not uri:
            raise ValueError("no contact")
        q = row["q"]
        mine, aors = stores(text(row["kv_store"]))
        methods = row["methods"]
        made = Contact(
            uri, whole(row["contact_id"]), whole(row["expires"]), moment(row["last_modified"]), text(row["callid"]),
            whole(row["cseq"]), text(row["user_agent"]), self.our_socket(text(row["socket"])),
            min(round(float(q) * 1000), 1000) if isinstance(q, (int, float)) and q >= 0 else -1,
            self.flags(text(row["cflags"])), ALL_METHODS if methods is None else whole(methods),
            whole(row["flags"]), text(row["received"]), text(row["path"]), text(row["sip_instance"]), text(row["attr"]),
        )  # fmt: skip
        made.more = mine
        return made, aors

    def our_socket(self, name: str) -> str:
        """The name of the socket that a row means; "" if it is none of ours."""
        if self.location.socket(name) is not None:
            return name
        for socket in self.location.services.sockets:
            if name == socket.proto + ":" + socket.sent_by:
                return socket.name
        return ""

    def flags(self, names: str) -> int:
        """The bits of those names that the script knows."""
        masks = self.branch_flags.masks
        bits = 0
        for name in names.split():
            bits |= masks.get(name, 0)
        return bits


def clean(value: str) -> str:
    """A text that every database takes."""
    if "\0" in value or not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")
    return value


def text(value: Value) -> str:
    """A column as text; NULL is ""."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def whole(value: Value) -> int:
    """A column as a number from 0; NULL is 0. Raises ValueError."""
    if value is None:
        return 0
    if isinstance(value, (str, bytes)) and len(value) > 20:
        raise ValueError("a number is too long")
    number = int(value) if isinstance(value, (int, float, str, bytes)) else -1
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{value!r} is no number")
    return number


def moment(value: Value) -> int:
    """A DATETIME as Unix seconds; SQLite has it as text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return 0
    if not isinstance(value, datetime) or value.year < 1971:
        return 0
    return int(value.timestamp())


def store_text(mine: Store | None, aors: Store | None) -> str | None:
    """Two key-value stores as one JSON text; None if there is nothing in them."""
    kept: dict[str, object] = dict(mine or {})
    if aors:
        kept[AOR_STORE] = aors
    return clean(json.dumps(kept, separators=(",", ":"))) if kept else None


def stores(kept: str) -> tuple[Store | None, Store | None]:
    """The contact's and the AoR's, out of such a text."""
    if not kept or len(kept) > LONGEST_JSON:
        return None, None
    try:
        found = json.loads(kept)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    inner = found.pop(AOR_STORE, None)
    return plain_store(found), plain_store(inner) if isinstance(inner, dict) else None


def plain_store(found: dict[str, object]) -> Store | None:
    made: Store = {key: value for key, value in found.items() if isinstance(value, (str, int))}
    return made or None
