"""Parameters of OpenSIPS' modules that mean nothing in Python: accepted, and said once in the log.

One table, so that nothing is ever ignored in silence: (module, parameter) → why.
"""

from typing import Final

SHARED_MEMORY: Final = "shared tables need no size"
NO_WAIT: Final = "no worker ever waits for a peer"
NO_TRACE: Final = "there is no tracing yet"

NO_DATABASE: Final = "the functions that ask a database are not here yet"
AVP_COLUMNS: Final = (
    "db_url", "avp_table", "use_domain", "uuid_column", "attribute_column", "value_column", "type_column",
    "username_column", "domain_column", "db_scheme",
)  # fmt: skip
URI_AAA: Final = ("aaa_url", "service_type", "use_sip_uri_host")

NO_PUSH: Final = "push notifications are off"
PUSH: Final = (
    "pn_providers", "pn_ct_match_params", "pn_pnsreg_interval", "pn_trigger_interval", "pn_skip_pn_interval",
    "pn_refresh_timeout", "pn_enable_purr",
)  # fmt: skip
CIRCUIT: Final = "a server that fails is asked again every second, and told as down until it answers"

OLD_MONGODB: Final = "servers older than MongoDB 4.2 are not served, and newer ones know the queries as they are"

IGNORED: Final[dict[tuple[str, str], str]] = {
    ("cachedb_mongodb", "compat_mode_2.4"): OLD_MONGODB,
    ("cachedb_mongodb", "compat_mode_3.0"): OLD_MONGODB,
    ("usrloc", "desc_time_out"): SHARED_MEMORY,
    ("usrloc", "preload"): "tables are made at their first use",
    ("usrloc", "contact_refresh_timer"): NO_PUSH,
    **{("registrar", name): NO_PUSH for name in PUSH},
    ("db_mysql", "max_db_retries"): CIRCUIT,
    ("db_mysql", "max_db_queries"): CIRCUIT,
    ("db_mysql", "ps_max_col_size"): "columns may be of any size",
    ("db_postgres", "max_db_queries"): CIRCUIT,
    ("db_sqlite", "alloc_limit"): "rows have no buffers of a fixed size",
    ("tm", "own_timer_proc"): "each worker has its own timers",
    ("tm", "delete_timer"): "what is over is forgotten at once",
    ("tm", "syn_branch"): "branches come from a seed and a counter, new with each start",
    ("tm", "timer_partitions"): "each worker has its own timers",
    ("rr", "enable_full_lr"): "the parameter is always written as the peers understand it",
    ("proto_tcp", "tcp_async_local_connect_timeout"): NO_WAIT,
    ("proto_tcp", "tcp_async_local_write_timeout"): NO_WAIT,
    ("proto_tcp", "tcp_parallel_handling"): "messages of one connection go to the workers that own their calls",
    ("proto_bin", "bin_async_local_connect_timeout"): NO_WAIT,
    ("proto_bin", "bin_async_local_write_timeout"): NO_WAIT,
    ("clusterer", "dispatch_jobs"): "packets are dealt with in their order, by the attendant",
    ("clusterer", "db_bridges_table"): "there are no bridges between clusters yet",
    ("proto_tcp", "trace_destination"): NO_TRACE,
    ("proto_tcp", "trace_on"): NO_TRACE,
    ("proto_tcp", "trace_filter_route"): NO_TRACE,
    **{(name, "trace_destination"): NO_TRACE for name in ("mi_fifo", "mi_datagram", "mi_http")},
    **{(name, "trace_bwlist"): NO_TRACE for name in ("mi_fifo", "mi_datagram", "mi_http")},
    ("mi_datagram", "children_count"): "the attendant answers",
    ("mi_datagram", "reply_indent"): "answers are JSON",
    ("mi_http", "mi_http_method"): "there are no pages for people, whose forms it was for",
    ("httpd", "post_buf_size"): "bodies are read whole, up to receive_buf_size",
    ("acc", "db_table_avp"): "do_accounting() names the table",
    ("acc", "acc_created_avp_name"): "the time of a call's beginning is kept with the call",
    ("acc", "service_type"): "it is for AAA servers, to which nothing is accounted yet",
    ("acc", "log_facility"): "all lines go to the one syslog_facility",
    ("xlog", "buf_size"): "the global xlog_buf_size says it",
    ("xlog", "force_color"): "the global xlog_force_color says it",
    ("avpops", "buf_size"): "texts have no buffer here",
    ("cachedb_redis", "ftsearch_json_mset_expire"): "contacts themselves are not kept in a store",
    **{("avpops", name): NO_DATABASE for name in AVP_COLUMNS},
    **{("uri", name): "the functions that ask an AAA server are not here yet" for name in URI_AAA},
}
