"""Parameters of OpenSIPS' modules that mean nothing in Python: accepted, and said once in the log.

One table, so that nothing is ever ignored in silence: (module, parameter) → why.
"""

from typing import Final

SHARED_MEMORY: Final = "shared tables need no size"
FOLDED: Final = "the table has no hash buckets"

IGNORED: Final[dict[tuple[str, str], str]] = {
    ("usrloc", "hash_size"): FOLDED,
    ("usrloc", "desc_time_out"): SHARED_MEMORY,
    ("usrloc", "preload"): "tables are made at their first use",
    ("tm", "own_timer_proc"): "each worker has its own timers",
    ("tm", "timer_partitions"): "each worker has its own timers",
    ("rr", "enable_full_lr"): "the parameter is always written as the peers understand it",
}
