"""Parameters of OpenSIPS' modules that mean nothing in Python: accepted, and said once in the log.

One table, so that nothing is ever ignored in silence: (module, parameter) → why.
"""

from typing import Final

SHARED_MEMORY: Final = "shared tables need no size"
NO_WAIT: Final = "no worker ever waits for a peer"
NO_TRACE: Final = "there is no tracing yet"
FOLDED: Final = "the table has no hash buckets"

IGNORED: Final[dict[tuple[str, str], str]] = {
    ("usrloc", "hash_size"): FOLDED,
    ("usrloc", "desc_time_out"): SHARED_MEMORY,
    ("usrloc", "preload"): "tables are made at their first use",
    ("tm", "own_timer_proc"): "each worker has its own timers",
    ("tm", "timer_partitions"): "each worker has its own timers",
    ("rr", "enable_full_lr"): "the parameter is always written as the peers understand it",
    ("proto_tcp", "tcp_async_local_connect_timeout"): NO_WAIT,
    ("proto_tcp", "tcp_async_local_write_timeout"): NO_WAIT,
    ("proto_tcp", "tcp_parallel_handling"): "messages of one connection go to the workers that own their calls",
    ("proto_tcp", "trace_destination"): NO_TRACE,
    ("proto_tcp", "trace_on"): NO_TRACE,
    ("proto_tcp", "trace_filter_route"): NO_TRACE,
    ("mi_fifo", "trace_destination"): NO_TRACE,
    ("mi_fifo", "trace_bwlist"): NO_TRACE,
}
