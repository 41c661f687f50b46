"""The node table out of a database, or out of the script; names in urls looked up."""

import socket
from collections.abc import Iterable, Sequence
from typing import Final

from pysips.core.bin_transport import BinTransport
from pysips.core.log import log
from pysips.core.services import Services, Socket
from pysips.core.sqldb import Database, SqlError
from pysips.core.sqlversions import complaint
from pysips.errors import ModuleError

from .api import Registration
from .nodes import COLUMNS, BadNode, Clusters, NodeInfo, from_row, is_numeric, plain_host, sip_host, sorted_out, url_of

MODULE: Final = "clusterer"
VERSION: Final = 4  # of the table's layout, the same from 2.4 to 4.0


class NodeTable:
    """columns: the table's own names, in the order of COLUMNS."""

    def __init__(
        self, own_id: int, services: Services, database: Database | None, table: str, columns: Sequence[str],
        written: list[NodeInfo],
    ) -> None:  # fmt: skip
        self.own_id = own_id
        self.services = services
        self.database = database
        self.table = table
        self.columns = tuple(columns)
        self.written = written
        self.checked = False

    async def read(self) -> Clusters:
        """The nodes of our clusters, ourselves first. Raises SqlError, and ModuleError for a table without us."""
        found = self.written if self.database is None else await self.rows(self.database)
        try:
            clusters = sorted_out(self.own_id, found)
        except BadNode as problem:
            raise ModuleError(str(problem)) from None
        return {cluster_id: await self.looked_up(nodes) for cluster_id, nodes in clusters.items()}

    async def rows(self, database: Database) -> list[NodeInfo]:
        """A malformed row of another node is left out; one of our own is not borne."""
        await self.check_version(database)
        found = []
        for values in await database.select(self.table, self.columns, order=self.columns[0]):
            row: dict[str, object] = dict(zip(COLUMNS, values, strict=True))
            try:
                found.append(from_row(row))
            except BadNode as problem:
                if row["node_id"] == self.own_id:
                    raise ModuleError(f"{self.table}: our own row: {problem}") from None
                log.error(MODULE, f"{self.table}: row {row['id']} is left out: {problem}")
        return found

    async def check_version(self, database: Database) -> None:
        """Once. Raises SqlError if the server is away, ModuleError for a layout that is not ours."""
        if self.checked:
            return
        try:
            version = await database.version(self.table)
        except SqlError as problem:
            if problem.is_down:
                raise
            log.warn(MODULE, f"{self.table}: its layout cannot be checked: {problem}")
            version = VERSION
        if version is None:
            log.warn(MODULE, f"{self.table}: the table of versions says nothing of it")
        elif wrong := complaint(database, self.table, version, (VERSION,)):
            raise ModuleError(wrong)
        self.checked = True

    async def looked_up(self, nodes: list[NodeInfo]) -> list[NodeInfo]:
        """Names of hosts become addresses; a node whose name leads nowhere is left out, our own is not borne."""
        found = []
        for info in nodes:
            if info.proto != "bin":
                self.refuse(info, "links over TLS (bins) are not in PySIPS yet")
                continue
            if is_numeric(info.host):
                found.append(info)
                continue
            try:
                asked = (info.host, info.port, 0, socket.SOCK_STREAM)
                answers = await self.services.offload.run(socket.getaddrinfo, *asked)
                found.append(info.at(plain_host(answers[0][4][0])))
            except OSError as problem:
                self.refuse(info, str(problem))
        return found

    def refuse(self, info: NodeInfo, problem: str) -> None:
        """Leave a node out; raises ModuleError if it is our own."""
        if info.node_id == self.own_id:
            raise ModuleError(f"{info.url}: {problem}")
        log.error(MODULE, f"node {info.node_id} is left out: {info.url}: {problem}")

    async def write_state(self, cluster_id: int, enabled: bool) -> None:
        """What management decided for our own node. Raises SqlError."""
        if self.database is None:
            return
        names = dict(zip(COLUMNS, self.columns, strict=True))
        where = ((names["cluster_id"], "=", cluster_id), (names["node_id"], "=", self.own_id))
        await self.database.update(self.table, where, {names["state"]: int(enabled)})


def check_sockets(clusters: Clusters, transport: BinTransport) -> None:
    """Raises ModuleError: our own url must be one of the script's sockets."""
    for nodes in clusters.values():
        own = nodes[0]
        if transport.socket_of(own.host, own.port) is None:
            wanted = url_of(own.proto, own.host, own.port)
            raise ModuleError(f"our own node's url is none of our sockets: socket={wanted}")


def remark(
    clusters: Clusters, sockets: Iterable[Socket], registrations: Iterable[Registration]
) -> None:  # fmt: skip
    """What a node table may well be, but is hardly meant to be."""
    hosts = {plain_host(host) for one in sockets for host in (one.host, one.advertised_host)}
    for nodes in clusters.values():
        own = nodes[0]
        if own.sip_addr and plain_host(sip_host(own.sip_addr)) not in hosts:
            log.warn(
                MODULE,
                f"cluster {own.cluster_id}: our sip_addr {own.sip_addr} is none of our sockets: what we send will "
                "not come from there, and others will not know it as ours",
            )  # fmt: skip
    for one in registrations:
        if one.cluster_id not in clusters:
            log.warn(MODULE, f"{one.capability}: this node is not in cluster {one.cluster_id}")
