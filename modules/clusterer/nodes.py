"""The nodes of a cluster as they are written down: rows of the `clusterer` table, or texts in the script.

Facts (OpenSIPS clusterer manual):
- a row is the same in 2.4, 3.x and 4.0: id, cluster_id, node_id, url, state, no_ping_retries, priority, sip_addr,
  flags, description; columns may be named otherwise in the script;
- `flags` is "seed" or it is nothing: NULL, "", and the text "NULL" that the tutorial's INSERT writes are no seed;
- a text is `cluster_id=1,node_id=2,url=bin:10.0.0.2:5555,sip_addr=…`; what it leaves out is 3 retries, priority 3.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, TypeAlias

from pysips.errors import PysipsError
from pysips.sip.via import bracketed

COLUMNS: Final = (
    "id", "cluster_id", "node_id", "url", "state", "no_ping_retries", "priority", "sip_addr", "flags", "description",
)  # fmt: skip
DEFAULT_PORT: Final = 5555
MOST_NODES: Final = 128  # in a cluster
MOST_CLUSTERS: Final = 64
LONGEST: Final = 255  # of a text
SEED: Final = "seed"
URL: Final = re.compile(r"(?P<proto>bins?):(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/\s]+)(?::(?P<port>[0-9]{1,5}))?")
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,10}")
KEYS: Final = frozenset(
    ("cluster_id", "node_id", "url", "no_ping_retries", "priority", "sip_addr", "flags", "description")
)


class BadNode(PysipsError):
    """A row or a text that describes no node; the message says why."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One node of one cluster. host: of the url, IPv6 without brackets; url: as it was written; db_id: -1 without one.

    priority: the lower, the rather is it on the way; retries: pings before a silent node counts as down.
    """

    cluster_id: int
    node_id: int
    url: str
    proto: str
    host: str
    port: int
    db_id: int = -1
    is_enabled: bool = True
    retries: int = 3
    priority: int = 50
    sip_addr: str = ""
    is_seed: bool = False
    description: str = ""

    def at(self, host: str) -> "NodeInfo":
        """The same with its name looked up."""
        return replace(self, host=host)


Clusters: TypeAlias = dict[int, list[NodeInfo]]  # by number; this node first in each


def parse_url(text: str) -> tuple[str, str, int]:
    """`bin:host[:port]` as (proto, host without brackets, port). Raises BadNode."""
    found = URL.fullmatch(text.strip())
    if found is None or len(text) > LONGEST:
        raise BadNode(f'"{text}" is no url of a node: it reads bin:host:port')
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port <= 65535:
        raise BadNode(f'"{text}": ports are from 1 to 65535')
    return found["proto"], plain_host(found["host"].strip("[]")), port


def plain_host(host: str) -> str:
    """A numeric host in its one spelling; a name in lower case."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


def is_numeric(host: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def number(value: object, name: str, low: int, high: int = 0x7FFFFFFF) -> int:
    """An integer of a row or text within its limits. Raises BadNode."""
    if isinstance(value, int) or (isinstance(value, str) and NUMBER.fullmatch(value.strip())):
        found = int(value)
    else:
        raise BadNode(f"{name} is no integer: {value!r}")
    if not low <= found <= high:
        raise BadNode(f"{name} is {found}, not from {low} to {high}")
    return found


def text(value: object) -> str:
    """A text of a row; "" for NULL. Raises BadNode."""
    if value is None:
        return ""
    found = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(found) > LONGEST:
        raise BadNode(f"a text is longer than {LONGEST} characters")
    return found.strip().encode("utf-8", "replace").decode()


def from_row(row: Mapping[str, object]) -> NodeInfo:
    """A row of the table, by the columns' usual names. Raises BadNode."""
    url = text(row["url"])
    proto, host, port = parse_url(url)
    return NodeInfo(
        number(row["cluster_id"], "cluster_id", 1), number(row["node_id"], "node_id", 1), url, proto, host, port,
        number(row["id"], "id", 0), number(row["state"], "state", 0) != 0,
        number(row["no_ping_retries"], "no_ping_retries", 0), number(row["priority"], "priority", -0x80000000),
        text(row["sip_addr"]), text(row["flags"]) == SEED, text(row["description"]),
    )  # fmt: skip


def from_text(given: str, own_id: int = 0) -> NodeInfo:
    """`my_node_info` or `neighbor_node_info`; own_id: for one that names no node. Raises BadNode."""
    fields: dict[str, str] = {}
    for part in given.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or name not in KEYS:
            raise BadNode(f'"{part.strip()}" is none of {", ".join(sorted(KEYS))}')
        fields[name] = value.strip()
    for name in ("cluster_id", "url", *(() if own_id else ("node_id",))):
        if name not in fields:
            raise BadNode(f'"{given}" has no {name}')
    node_id = number(fields.get("node_id", own_id), "node_id", 1)
    if own_id and node_id != own_id:
        raise BadNode(f"node_id is {node_id}, and this node is {own_id}")
    proto, host, port = parse_url(fields["url"])
    return NodeInfo(
        number(fields["cluster_id"], "cluster_id", 1), node_id, fields["url"], proto, host, port,
        retries=number(fields.get("no_ping_retries", "3"), "no_ping_retries", 0),
        priority=number(fields.get("priority", "3"), "priority", -0x80000000),
        sip_addr=text(fields.get("sip_addr")), is_seed=fields.get("flags") == SEED,
        description=text(fields.get("description")),
    )  # fmt: skip


def described(
    cluster_id: int, node_id: int, url: str, sip_addr: str, priority: int, retries: int
) -> NodeInfo:  # fmt: skip
    """A node that a peer told us of. Raises BadNode."""
    proto, host, port = parse_url(url)
    if not is_numeric(host):
        raise BadNode(f'"{url}": a peer tells addresses, not names')
    return NodeInfo(
        cluster_id, number(node_id, "node_id", 1), url, proto, host, port, retries=number(retries, "retries", 0),
        priority=priority, sip_addr=text(sip_addr),
    )  # fmt: skip


def url_of(proto: str, host: str, port: int) -> str:
    """The url of an address."""
    return f"{proto}:{bracketed(host)}:{port}"


def sip_host(sip_addr: str) -> str:
    """The host of a node's SIP address. A bare IPv6 address is one, too; OpenSIPS cuts it at its first colon."""
    if sip_addr.startswith("["):
        return sip_addr[1:].partition("]")[0]
    return sip_addr if sip_addr.count(":") > 1 else sip_addr.partition(":")[0]


def sorted_out(own_id: int, found: list[NodeInfo]) -> Clusters:
    """Nodes by cluster, those clusters only that this node is in, itself first. Raises BadNode if it is in none."""
    clusters: Clusters = {}
    for own in found:
        if own.node_id == own_id:
            clusters.setdefault(own.cluster_id, [own])
    if not clusters:
        raise BadNode(f"node {own_id} is in no cluster")
    if len(clusters) > MOST_CLUSTERS:
        raise BadNode(f"more than {MOST_CLUSTERS} clusters")
    for one in found:
        nodes = clusters.get(one.cluster_id)
        if nodes is not None and all(one.node_id != other.node_id for other in nodes):
            if len(nodes) == MOST_NODES:
                raise BadNode(f"cluster {one.cluster_id} has more than {MOST_NODES} nodes")
            nodes.append(one)
    return clusters
