"""proto_bin: connections between nodes (OpenSIPS: proto_bin). They are the attendant's."""

from pysips.core.bin_transport import BinTransport
from pysips.core.exports import Module, counter, param
from pysips.net.bin import BinCounters, BinSettings


class ProtoBin(Module):
    default_port: int = param(5555, low=1, high=65535, name="bin_port", help="The port of a socket that names none.")
    send_timeout: int = param(
        100, low=1, name="bin_send_timeout",
        help="Milliseconds after which a connection that takes nothing is closed; only with bin_async=0.",
    )  # fmt: skip
    max_msg_chunks: int = param(
        32, low=1, name="bin_max_msg_chunks", help="A packet in more pieces than this ends its connection."
    )
    asynchronous: bool = param(
        True, name="bin_async", help="What a node does not take at once may wait for some seconds."
    )
    most_waiting: int = param(
        1024, low=1, name="bin_async_max_postponed_chunks",
        help="Packets that may wait for one connection; one more ends it.",
    )  # fmt: skip
    open = counter("connections", no_reset=True)
    refused = counter("refused_connections")
    failed = counter("failed_connections")

    def __init__(self) -> None:
        self.transport = BinTransport()

    @property
    def api(self) -> BinTransport:
        return self.transport

    def configure(self) -> None:
        self.transport.sockets = self.program.node_sockets

    def settings(self) -> BinSettings:
        """What these parameters and the core's globals say."""
        known = self.program.config.globals
        settings = BinSettings(
            idle_seconds=float(int(known["tcp_connection_lifetime"] or 0)),
            packet_seconds=float(int(known["tcp_max_msg_time"] or 0)),
            packets=self.most_waiting,
            pieces=self.max_msg_chunks,
        )
        if not self.asynchronous:
            settings.connect_seconds = int(known["tcp_connect_timeout"] or 0) / 1000
            settings.write_seconds = self.send_timeout / 1000
        return settings

    def counters(self) -> BinCounters:
        return BinCounters(self.open, self.refused, self.failed)
