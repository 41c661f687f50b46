"""proto_udp: SIP over UDP. The sockets themselves are `net/udp.py`'s, opened by the supervisor."""

from pysips.core.exports import Module, param


class ProtoUdp(Module):
    udp_port: int = param(5060, low=1, high=65535, help="The port of sockets that name none.")
