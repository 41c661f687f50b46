"""The key-value store that every registered AoR has (OpenSIPS usrloc manual, ul_add_key and its kin)."""

from typing import Final

from .contacts import UPDATED, Domain, Location, Work
from .lines import STORE, log_change

MOST_KEYS: Final = 100
LONGEST: Final = 1024  # of a key or a value

FAILED: Final = -1
DONE: Final = 1


def get(location: Location, domain: Domain, aor: str, key: str) -> str | int | None:
    """The value under a key; None if there is none."""
    record = location.read(domain, aor)
    return None if record is None or record.more is None else record.more.get(key)


def put(location: Location, domain: Domain, aor: str, key: str, value: str) -> int:
    """Keep a value; FAILED for an AoR that is not there, and for too many or too long ones."""
    if not key or len(key) > LONGEST or len(value) > LONGEST:
        return FAILED
    work = location.open(domain, aor)
    try:
        kept = {} if work.record.more is None else work.record.more
        if not work.contacts or (key not in kept and len(kept) >= MOST_KEYS):
            work.abort()
            return FAILED
        kept[key] = value
        work.record.more = kept
        finish(work)
    except BaseException:
        work.abort()
        raise
    return DONE


def remove(location: Location, domain: Domain, aor: str, key: str) -> int:
    """Forget a key; FAILED if there is none."""
    work = location.open(domain, aor)
    try:
        kept = work.record.more
        if kept is None or key not in kept:
            work.abort()
            return FAILED
        del kept[key]
        finish(work)
    except BaseException:
        work.abort()
        raise
    return DONE


def finish(work: Work) -> None:
    """Make it true. The database has the store with the AoR's contacts, so their rows are to be written, too."""
    location = work.location
    if location.log is not None:
        changes = [(UPDATED, contact) for contact in work.contacts]
        location.written = log_change(location.log, work.transaction, work.key, True, changes, STORE)
    work.commit(rewrite=True)
