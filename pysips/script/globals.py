"""The global settings that a script may have: their types, defaults and ranges, old names, and what became of others.

Source: the manual page "Core parameters", OpenSIPS 2.4 to 4.0.
"""

from dataclasses import dataclass
from typing import Final

LEVELS: Final = (-(2**31), 2**31 - 1)  # whatever is beyond -3 and 4 counts as these
ANY: Final = (-(2**31), 2**31 - 1)
COUNT: Final = (0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Known:
    """kind: "number", "text" (quoted or a bare word), "host", "choice".

    ignored: why it has no meaning here.
    """

    kind: str
    default: int | str | None = None
    low: int = 0
    high: int = COUNT[1]
    choices: tuple[str, ...] = ()
    ignored: str = ""


def number(default: int | None = 0, limits: tuple[int, int] = COUNT, ignored: str = "") -> Known:
    return Known("number", default, *limits, ignored=ignored)


def text(default: str | None = None, ignored: str = "") -> Known:
    return Known("text", default, ignored=ignored)


def choice(default: str | None, *choices: str, ignored: str = "") -> Known:
    return Known("choice", default, choices=choices, ignored=ignored)


FLAG: Final = (0, 2**31 - 1)  # any number but 0 is yes
PORT: Final = (0, 65535)
PERCENT: Final = (0, 100)
MEMORY: Final = "Python manages its memory itself"
BUFFER: Final = "texts have no buffer of a fixed size"
RECEIVED: Final = "whether Via gets a received parameter is for RFC 3261 section 18.2.1 to say"
NO_BATCH: Final = "rows are gathered by the modules that write many"
FORMATS: Final = ("plain_text", "json", "json_cee")
FACILITIES: Final = (
    "LOG_AUTH", "LOG_AUTHPRIV", "LOG_CRON", "LOG_DAEMON", "LOG_FTP", "LOG_KERN", "LOG_LPR", "LOG_MAIL", "LOG_NEWS",
    "LOG_USER", "LOG_UUCP", *(f"LOG_LOCAL{number}" for number in range(8)),
)  # fmt: skip

KNOWN: Final[dict[str, Known]] = {
    # logging
    "log_level": number(2, LEVELS),
    "xlog_level": number(2, LEVELS),
    "xlog_print_level": number(2, LEVELS),
    "log_prefix": text(""),
    "log_stdout": number(0, FLAG, ignored="nothing is written to standard output"),
    "stderror_enabled": number(1, FLAG),
    "syslog_enabled": number(0, FLAG),
    "syslog_facility": choice("LOG_DAEMON", *FACILITIES),
    "syslog_name": text("pysips"),
    "stderror_level_filter": number(0, LEVELS),
    "syslog_level_filter": number(0, LEVELS),
    "log_event_level_filter": number(0, LEVELS),
    "stderror_log_format": choice("plain_text", *FORMATS),
    "syslog_log_format": choice("plain_text", *FORMATS),
    "log_event_enabled": number(0, FLAG),
    "log_json_buf_size": number(6144, ignored=BUFFER),
    "log_msg_buf_size": number(4096, ignored=BUFFER),
    "debug_mode": number(0, FLAG),
    # the script
    "enable_asserts": number(0, FLAG),
    "abort_on_assert": number(0, FLAG),
    "max_while_loops": number(10_000, (1, COUNT[1])),
    "xlog_buf_size": number(4096),
    "xlog_force_color": number(0, FLAG),
    "pv_print_buf_size": number(20_000, ignored=BUFFER),
    # names and headers
    "auto_aliases": number(0, FLAG),
    "advertised_address": Known("host"),
    "advertised_port": number(None, PORT),
    "mhomed": number(0, FLAG),
    "check_via": number(0, FLAG),
    "server_signature": number(1, FLAG),
    "server_header": text(),
    "user_agent_header": text(),
    "sip_warning": number(0, FLAG),
    "disable_503_translation": number(0, FLAG),
    "disable_stateless_fwd": number(None, FLAG),
    # DNS
    "disable_dns_blacklist": number(1, FLAG),
    "disable_dns_failover": number(0, FLAG),
    "dns": number(0, FLAG, ignored=RECEIVED),
    "rev_dns": number(0, FLAG, ignored=RECEIVED),
    "dns_try_ipv6": number(None, FLAG),  # unset: IPv6 addresses where there is an IPv6 socket, after the others
    "dns_try_naptr": number(1, FLAG),
    "dns_retr_time": number(None),
    "dns_retr_no": number(None),
    "dns_servers_no": number(None),
    "dns_use_search_list": number(None, FLAG),
    # databases
    "db_default_url": text(),
    "db_version_table": text("version"),
    "db_max_async_connections": number(10, (1, 1000)),
    "query_buffer_size": number(0, ignored=NO_BATCH),
    "query_flush_time": number(0, ignored=NO_BATCH),
    # TCP
    "tcp_connect_timeout": number(100),
    "tcp_connection_lifetime": number(120),
    "tcp_max_connections": number(2048),
    "tcp_max_msg_time": number(4),
    "tcp_socket_backlog": number(10),
    "tcp_accept_aliases": number(0, (0, 2)),
    "tcp_keepalive": number(1, FLAG),
    "tcp_keepcount": number(0),
    "tcp_keepidle": number(0),
    "tcp_keepinterval": number(0),
    "tcp_no_new_conn_bflag": text(),
    "tcp_no_new_conn_rplflag": text(),
    # processes
    "udp_workers": number(8, (1, 1000)),
    "tcp_workers": number(8, (0, 1000)),
    "timer_workers": number(1, ignored="timers run where their work is"),
    "workdir": text("/"),
    "chroot": text(),
    "exec_msg_threshold": number(0),
    "exec_dns_threshold": number(0),
    "tcp_threshold": number(0, ignored="no worker ever waits for a connection"),
    "open_files_limit": number(0),
    "disable_core_dump": number(0, FLAG, ignored="Python leaves a traceback, not a core file"),
    # PySIPS' own
    "strict_parsing": number(1, FLAG),
    "shutdown_time": number(2, (0, 3600)),
    "max_waiting": number(10_000, (1, 10_000_000)),
    # without meaning here
    "shm_hash_split_percentage": number(0, PERCENT, ignored=MEMORY),
    "shm_secondary_hash_size": number(0, ignored=MEMORY),
    "mem_warming": number(0, ignored=MEMORY),
    "mem_warming_enabled": number(0, ignored=MEMORY),
    "mem_warming_pattern_file": text(ignored=MEMORY),
    "mem_warming_percentage": number(0, PERCENT, ignored=MEMORY),
    "restart_persistency_cache_file": text(".restart_persistency.cache"),
    "restart_persistency_size": number(0, ignored=MEMORY),
    "memlog": number(0, ANY, ignored=MEMORY),
    "memdump": number(0, ANY, ignored=MEMORY),
    "shm_memlog_size": number(0, ignored=MEMORY),
    "event_shm_threshold": number(0, PERCENT, ignored=MEMORY),
    "event_pkg_threshold": number(0, PERCENT, ignored=MEMORY),
    "poll_method": choice(
        None, "poll", "epoll", "epoll_lt", "epoll_et", "select", "sigio_rt", "kqueue", "devpoll", "/dev/poll",
        ignored="the event loop chooses the best one",
    ),
    "maxbuffer": number(262_144, ignored="the kernel's limits count"),
    "mcast_loopback": number(0, FLAG, ignored="there are no multicast sockets yet"),
    "mcast_ttl": number(None, ANY, ignored="there are no multicast sockets yet"),
    "tos": Known("tos", None, 0, 255),
    "tcp_threads": number(1, (1, COUNT[1]), ignored="workers serve TCP themselves"),
    "tcp_parallel_read_on_workers": number(0, ignored="a connection belongs to one worker"),
    "auto_scaling_cycle": number(1, ignored="the number of workers is fixed"),
}  # fmt: skip

# Old names, or second ones, of what is known above.
OTHER_NAMES: Final = {
    "children": "udp_workers", "tcp_children": "tcp_workers", "xlog_default_level": "xlog_print_level",
    "log_facility": "syslog_facility", "log_name": "syslog_name", "tcp_listen_backlog": "tcp_socket_backlog",
    "execmsgthreshold": "exec_msg_threshold", "execdnsthreshold": "exec_dns_threshold", "tcpthreshold": "tcp_threshold",
    "wdir": "workdir", "mem_log": "memlog", "mem_dump": "memdump",
}  # fmt: skip

# Names that no OpenSIPS takes any more, and what to write instead.
GONE: Final = {
    "debug": "it is log_level now, from -3 to 4: log_level=3",
    "fork": "it is debug_mode now: debug_mode=yes stays in the foreground",
    "disable_tcp": "TCP is used if proto_tcp is loaded and has a socket: leave it out",
    "disable_tls": "TLS is used if proto_tls is loaded and has a socket: leave it out",
    "avp_aliases": "AVPs have names of their own: leave it out",
    "port": "the port stands in the socket: socket=udp:127.0.0.1:5060",
    "tcp_send_timeout": "it is a parameter of proto_tcp",
    "tcp_poll_method": "leave it out",
    "tls_ca_list": "TLS is set up by the parameters of tls_mgm",
    "tls_certificate": "TLS is set up by the parameters of tls_mgm",
    "tls_private_key": "TLS is set up by the parameters of tls_mgm",
    "tls_method": "TLS is set up by the parameters of tls_mgm",
    "tls_verify_client": "TLS is set up by the parameters of tls_mgm",
    "tls_verify_server": "TLS is set up by the parameters of tls_mgm",
    "tls_require_client_certificate": "TLS is set up by the parameters of tls_mgm",
    "mem-group": "it needs a build with memory statistics; leave it out",
}

TYPES_OF_SERVICE: Final = {
    "IPTOS_LOWDELAY": 0x10, "IPTOS_THROUGHPUT": 0x08, "IPTOS_RELIABILITY": 0x04, "IPTOS_LOWCOST": 0x02,
    "IPTOS_MINCOST": 0x02,
}  # fmt: skip
SPECIAL: Final = (
    "socket", "listen", "alias", "mpath", "dst_blacklist", "auto_scaling_profile", "log_stderror",
)  # fmt: skip


def names() -> list[str]:
    """Every name that may stand left of a `=`."""
    return [*KNOWN, *OTHER_NAMES, *SPECIAL]
