"""Parameters of OpenSIPS' modules that mean nothing in Python: accepted, and said once in the log.

One table, so that nothing is ever ignored in silence: (module, parameter) → why.
"""

from typing import Final

SHARED_MEMORY: Final = "shared tables need no size"
NO_WAIT: Final = "no worker ever waits for a peer"
NO_TRACE: Final = "there is no tracing yet"
FOLDED: Final = "the table has no hash buckets"

NO_DATABASE: Final = "the functions that ask a database are not here yet"
AVP_COLUMNS: Final = (
    "db_url", "avp_table", "use_domain", "uuid_column", "attribute_column", "value_column", "type_column",
    "username_column", "domain_column", "db_scheme",
)  # fmt: skip
URI_COLUMNS: Final = (
    "db_url", "aaa_url", "db_table", "user_column", "domain_column", "uriuser_column", "use_uri_table", "use_domain",
    "service_type", "use_sip_uri_host",
)  # fmt: skip

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
    ("acc", "log_facility"): "all lines go to the one syslog_facility",
    ("xlog", "buf_size"): "the global xlog_buf_size says it",
    ("xlog", "force_color"): "the global xlog_force_color says it",
    ("avpops", "buf_size"): "texts have no buffer here",
    **{("avpops", name): NO_DATABASE for name in AVP_COLUMNS},
    **{("uri", name): NO_DATABASE for name in URI_COLUMNS},
}
