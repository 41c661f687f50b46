"""samples.jsonl: packets that real nodes of OpenSIPS 2.4.11, 3.4.18, 3.6.8 and 4.0.1 sent, one a line.

`hex` is the packet, `decoded` what it says; `scenario` and `seq` order a session, `from_node` and `to_node` are who
sent it to whom, `release` is the sender's, `family` says which numbers the types have.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from pysips.core.bin_interface import Packet, packet_of
from pysips.modules.cachedb_local import packets as cache
from pysips.modules.clusterer import packets as cluster
from pysips.modules.usrloc import packets as usrloc

FILE: Final = Path(__file__).with_name("samples.jsonl")
NAMES: Final = {
    "source": "src_node", "destination": "dst_node", "wants_nodes": "req_node_list", "is_request": "req_like",
    "message": "msg", "command": "cmd", "parameters": "params", "wants_reply": "require_reply",
    "capabilities": "caps",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    id: str
    scenario: str
    seq: int
    t: float
    release: str
    peer_release: str | None
    from_node: int
    to_node: int
    family: str
    hex: str
    decoded: dict[str, Any]

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.hex)

    @property
    def packet(self) -> Packet:
        return packet_of(self.data)

    @property
    def dialect(self) -> cluster.Dialect:
        return cluster.V2_4 if self.family == "2.4" else cluster.V3_3


def samples() -> list[Sample]:
    return [Sample(**json.loads(line)) for line in FILE.read_text("utf-8").splitlines()]


def session(scenario: str) -> list[Sample]:
    """All packets of one recorded session, in their order."""
    return sorted((one for one in samples() if one.scenario == scenario), key=lambda one: one.seq)


def reencoded(packet: Packet, dialect: cluster.Dialect) -> Packet:
    """Decoded, and encoded anew."""
    if packet.capability == cluster.INTERNAL:
        return cluster.encode_internal(cluster.decode_internal(packet)[0], dialect)
    if packet.capability == cluster.EXTRA:
        message, trailer = cluster.decode_extra(packet, dialect)
        return cluster.encode_extra(message, trailer, dialect)
    body, trailer = packet.split()
    if packet.capability == usrloc.CAPABILITY:
        body = usrloc.encode(usrloc.decode(packet.type, packet.version, body), packet.version)
    else:
        body = cache.encode(cache.decode(packet.type, packet.version, body))
    return Packet(packet.version, packet.capability, packet.type, body + trailer.encode())


def described(packet: Packet, dialect: cluster.Dialect) -> dict[str, Any]:
    """What a packet says, in the words of `decoded`."""
    found: dict[str, Any] = {
        "len": len(packet.encode()), "version": packet.version, "capability": packet.capability, "type": packet.type,
    }  # fmt: skip
    if packet.capability == cluster.INTERNAL:
        message, spoken = cluster.decode_internal(packet)
        found["fields"] = internal_fields(message)
        if spoken is not None and not spoken.numbered:
            del found["fields"]["seq"], found["fields"]["timestamp"]
        return found
    body, trailer = packet.split()
    found["trailer"] = plain(trailer)
    if packet.capability == cluster.EXTRA:
        extra, _ = cluster.decode_extra(packet, dialect)
        found["fields"] = extra_fields(extra, dialect)
    elif packet.capability == usrloc.CAPABILITY:
        found["fields"] = location_fields(usrloc.decode(packet.type, packet.version, body), packet.version)
    else:
        found["fields"] = plain(cache.decode(packet.type, packet.version, body))
    return found


def plain(value: Any) -> Any:
    """A dataclass with the samples' names, flags as numbers, tuples as lists."""
    if is_dataclass(value):
        return {NAMES.get(one.name, one.name): plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, bool) else value


def internal_fields(message: cluster.Internal) -> dict[str, Any]:
    found: dict[str, Any] = plain(message)
    if isinstance(message, cluster.LinkState):
        found["link_state"] = 1 - found.pop("is_up")
    elif isinstance(message, cluster.NodeDescription):
        found |= found.pop("description")
    elif isinstance(message, cluster.FullTopology):
        for node in found["nodes"]:
            description = node.pop("description")
            node |= {"has_descr": int(description is not None), **(description or {})}
    return found


def extra_fields(message: cluster.Extra, dialect: cluster.Dialect) -> dict[str, Any]:
    found: dict[str, Any] = plain(message)
    if isinstance(message, cluster.RemoveNode):
        return {"node": message.node_id}
    if isinstance(message, cluster.SyncEnd) and dialect.sync < 3:
        del found["chunks"]
    elif isinstance(message, cluster.Sync):
        found["chunks"] = list(chunks(message))
    return found


def chunks(message: cluster.Sync) -> Iterator[dict[str, Any]]:
    for data in message.chunks:
        if message.capability == usrloc.CAPABILITY:
            record = usrloc.decode_chunk(message.data_version, data)
            assert usrloc.encode_chunk(record, message.data_version) == data
            found = location_fields(record, message.data_version)
            yield {"is_contact": int(isinstance(record, usrloc.ContactInsert)), "size": len(data), **found}
        else:
            entry = cache.decode(cache.Insert.TYPE, message.data_version, data)
            assert cache.encode(entry) == data
            yield {"size": len(data), **plain(entry)}


def location_fields(message: usrloc.Message, version: int) -> dict[str, Any]:
    found: dict[str, Any] = plain(message)
    found |= found.pop("registration", {})
    bits, names = found.pop("cflag_bits", None), found.pop("cflags", None)
    if bits is not None:
        found["cflags"] = names if version >= usrloc.WITH_FLAG_NAMES else bits
    matching = found.pop("matching", None)
    if matching is not None and version >= usrloc.WITH_MATCHING:
        found["match_mode"] = matching["mode"]
        if matching["mode"] == usrloc.BY_PARAMETERS:
            found["match_params"] = matching["params"]
    if isinstance(message, usrloc.AorInsert) and version < usrloc.WITH_RECORD_VALUES:
        del found["kv_store"]
    if isinstance(message, usrloc.ContactInsert) and version < usrloc.WITH_INSERTED_VALUES:
        del found["kv_store"]
    return found
