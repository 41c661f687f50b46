"""proto_tcp: SIP over TCP connections (OpenSIPS: proto_tcp)."""

from pysips.core.exports import Module, event, param
from pysips.net.tcp_settings import TRANSACTION_SECONDS, TcpSettings


class ProtoTcp(Module):
    disconnected = event("E_CORE_TCP_DISCONNECT", "src_ip", "src_port", "dst_ip", "dst_port", "proto")
    default_port: int = param(5060, low=1, high=65535, name="tcp_port", help="The port of a socket that names none.")
    send_timeout: int = param(
        100, low=1, name="tcp_send_timeout",
        help="Milliseconds after which a connection that takes nothing is closed; only with tcp_async=0.",
    )  # fmt: skip
    max_msg_chunks: int = param(
        4, low=1, name="tcp_max_msg_chunks", help="A message in more pieces than this ends its connection."
    )
    crlf_pingpong: bool = param(True, name="tcp_crlf_pingpong", help="Answer keep-alives (CRLF CRLF) with CRLF.")
    crlf_drop: bool = param(False, name="tcp_crlf_drop", help="Leave keep-alives without an answer.")
    asynchronous: bool = param(
        True, name="tcp_async", help="What a peer does not take at once may wait: 32 s without progress end it."
    )
    most_waiting: int = param(
        32, low=1, name="tcp_async_max_postponed_chunks",
        help="Messages that may wait for one connection; one more ends it.",
    )  # fmt: skip
    each_source: int = param(
        0, low=0, name="tcp_max_connections_per_source",
        help="Connections that one address may have; 0: half of tcp_max_connections.",
    )  # fmt: skip

    def settings(self) -> TcpSettings:
        """What these parameters and the core's globals say."""

        def known(name: str) -> int:
            return int(self.program.config.globals[name] or 0)

        return TcpSettings(
            connect_seconds=known("tcp_connect_timeout") / 1000,
            idle_seconds=float(known("tcp_connection_lifetime")),
            message_seconds=float(known("tcp_max_msg_time")),
            write_seconds=TRANSACTION_SECONDS if self.asynchronous else self.send_timeout / 1000,
            most=known("tcp_max_connections"),
            each_source=self.each_source,
            chunks=self.most_waiting,
            pieces=self.max_msg_chunks,
            aliases=known("tcp_accept_aliases"),
            answer_pings=bool(self.crlf_pingpong) and not self.crlf_drop,
            keepalive=(
                known("tcp_keepalive"), known("tcp_keepcount"), known("tcp_keepidle"), known("tcp_keepinterval")
            ),
            tos=known("tos"),
        )  # fmt: skip
