"""proto_udp: SIP over UDP sockets (OpenSIPS: proto_udp)."""

from pysips.core.exports import Module, param


class ProtoUdp(Module):
    default_port: int = param(5060, low=1, high=65535, name="udp_port", help="The port of a socket that names none.")
