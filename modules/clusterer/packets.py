"""The packets of the cluster itself, and what they are made of: what the rest of the cluster imports.

Fields and framing are the core's (bin_interface.py); dialects.py has how releases differ, internal.py and extra.py
have the packets.
"""

from pysips.core.bin_interface import BadPacket, BadStream, Framer, Packet, Reader, Trailer, Writer

from .dialects import DIALECTS, V2_4, V3_1, V3_2, V3_3, Dialect
from .extra import (
    EXTRA,
    Extra,
    GenericMessage,
    MiCommand,
    RemoveNode,
    Sync,
    SyncEnd,
    SyncRequest,
    TagActive,
    decode_extra,
    encode_extra,
    packed_chunks,
)
from .internal import (
    INTERNAL,
    Capabilities,
    Description,
    FullTopology,
    Internal,
    LinkState,
    NodeCapabilities,
    NodeDescription,
    Ping,
    Pong,
    TopologyNode,
    UnknownId,
    decode_internal,
    encode_internal,
)

__all__ = [
    "DIALECTS", "EXTRA", "INTERNAL", "V2_4", "V3_1", "V3_2", "V3_3", "BadPacket", "BadStream", "Capabilities",
    "Description", "Dialect", "Extra", "Framer", "FullTopology", "GenericMessage", "Internal", "LinkState",
    "MiCommand", "NodeCapabilities", "NodeDescription", "Packet", "Ping", "Pong", "Reader", "RemoveNode",
    "Sync", "SyncEnd", "SyncRequest", "TagActive", "TopologyNode", "Trailer", "UnknownId", "Writer",
    "decode_extra", "decode_internal", "encode_extra", "encode_internal", "packed_chunks", "spoken",
]  # fmt: skip


def spoken(packet: Packet) -> Dialect | None:
    """The dialect that a packet betrays, None if all speak so.

    Lists of capabilities do, and synchronisation of version 3; the other types mean one thing or another.
    """
    if packet.capability == INTERNAL and packet.type in (Capabilities.TYPE, Capabilities.TYPE + 1):
        try:
            return decode_internal(packet)[1]
        except BadPacket:
            return None
    return V3_3 if packet.capability == EXTRA and packet.version == V3_3.sync else None
