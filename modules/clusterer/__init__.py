"""clusterer: nodes that know of each other (OpenSIPS clusterer manual, 2.4 to 4.0).

The attendant speaks to the other nodes; what it knows stands in the shared table (mirror.py), so that functions in a
script read and never wait. Other modules reach the cluster by `api.py`.
"""

import math
from typing import Final

from pysips.core.bin_transport import BinTransport
from pysips.core.context import Context
from pysips.core.exports import (
    Json,
    Module,
    Route,
    Var,
    VariableSpec,
    Where,
    event,
    function,
    mi,
    modparam,
    param,
    timer,
    wants,
)  # fmt: skip
from pysips.errors import ModuleError

from .api import Cluster
from .cluster import MODULE
from .commands import Commands
from .driver import Driver
from .events import Teller
from .links import Timing
from .messages import Messages
from .mirror import Mirror, NodeView
from .node import Settings
from .nodes import COLUMNS, BadNode, NodeInfo, from_text, number, plain_host, sip_host
from .packets import GenericMessage
from .reports import Reports
from .table import NodeTable
from .tag_variable import TagVariable
from .tags import BY_SCRIPT, parse_declared

ATTENDANT: Final = -1
ANYWHERE: Final = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL | Route.EVENT


class Clusterer(Module):
    status_group = MODULE

    my_node_id: int = param(-1, help="This node's number.")
    current_id: int = param(-1, help="The same, as 2.4 calls it.")
    db_mode: int = param(1, low=0, high=1, help="0: the nodes are those of my_node_info and neighbor_node_info.")
    db_url: str | None = param(None, help="The database of the node table.")
    db_table: str = param("clusterer", help="Its name.")
    id_col: str = param("id", help="Its columns.")
    cluster_id_col: str = param("cluster_id", help="As above.")
    node_id_col: str = param("node_id", help="As above.")
    url_col: str = param("url", help="As above.")
    state_col: str = param("state", help="As above.")
    no_ping_retries_col: str = param("no_ping_retries", help="As above.")
    priority_col: str = param("priority", help="As above.")
    sip_addr_col: str = param("sip_addr", help="As above.")
    flags_col: str = param("flags", help="As above.")
    description_col: str = param("description", help="As above.")
    ping_interval: int = param(4, low=1, help="Seconds between two pings of a node that is up.")
    ping_timeout: int = param(1000, low=50, help="Milliseconds in which a pong has to come.")
    node_timeout: int = param(60, low=1, help="Seconds for which a node that is down is left alone.")
    seed_fallback_interval: int = param(5, low=0, help="Seconds after which a seed without a donor is synchronised.")
    sync_timeout: int = param(15, low=1, help="Seconds of silence that end a synchronisation; it is begun again.")
    sync_packet_size: int = param(32_768, low=1000, high=60_000, help="Bytes of a packet of a synchronisation, about.")
    enable_rerouting: int = param(1, low=0, high=1, help="1: pass on what others cannot send to each other directly.")
    enable_stats: int = param(1, low=0, high=1, help="1: count the nodes.")

    transport: BinTransport | None = wants("proto_bin")

    request_received = event("E_CLUSTERER_REQ_RECEIVED", "cluster_id", "src_id", "msg", "tag")
    reply_received = event("E_CLUSTERER_RPL_RECEIVED", "cluster_id", "src_id", "msg", "tag")
    node_changed = event("E_CLUSTERER_NODE_STATE_CHANGED", "cluster_id", "node_id", "new_state")
    tag_event = event("E_CLUSTERER_SHARING_TAG_CHANGED", "name", "cluster", "state", "reason")

    def __init__(self) -> None:
        self.made: Cluster | None = None
        self.driver: Driver | None = None
        self.own_texts: list[str] = []
        self.other_texts: list[str] = []
        self.declared: dict[tuple[str, int], bool] = {}
        self.tick_seconds = 1.0

    @property
    def api(self) -> Cluster:
        if self.made is None:
            self.made = Cluster(Mirror(self.services))
        return self.made

    @modparam("my_node_info", help="This node in a cluster: cluster_id=1,url=bin:host:port,sip_addr=…")
    def add_own(self, value: str) -> None:
        self.own_texts.append(value)

    @modparam("current_info", help="The same, as 2.4 calls it.")
    def add_current(self, value: str) -> None:
        self.own_texts.append(value)

    @modparam("neighbor_node_info", help="Another node: cluster_id=1,node_id=2,url=bin:host:port,sip_addr=…")
    def add_neighbour(self, value: str) -> None:
        self.other_texts.append(value)

    @modparam("neighbor_info", help="The same, as 2.4 calls it.")
    def add_neighbor(self, value: str) -> None:
        self.other_texts.append(value)

    @modparam("sharing_tag", help="A sharing tag with its state: name/cluster_id=active, or =backup.")
    def add_tag(self, value: str) -> None:
        name, cluster_id, active = parse_declared(value)
        self.declared[name, cluster_id] = active

    # -- life

    def configure(self) -> None:
        """Raises ModuleError."""
        own_id = self.my_node_id if self.my_node_id != -1 else self.current_id
        if own_id < 1:
            raise ModuleError('this node has no number: modparam("clusterer", "my_node_id", 1) ("current_id" in 2.4)')
        if self.transport is None:
            raise ModuleError('nothing carries packets to other nodes: loadmodule "proto_bin.so"')
        if not self.transport.sockets:
            raise ModuleError("no socket for other nodes: socket=bin:host:port")
        api = self.api
        api.own_id = own_id
        written = [] if self.db_mode else self.written_nodes(own_id)
        database = self.program.databases.open(self.db_url or "") if self.db_mode else None
        columns = [getattr(self, f"{name}_col") for name in COLUMNS]
        self.table = NodeTable(own_id, self.services, database, self.db_table, columns, written)
        self.messages = Messages(self.services, api)
        self.commands = Commands(api.mirror, own_id, database is not None)
        for name, cluster_id, _ in api.watchers:
            self.declared.setdefault((name, cluster_id), False)
        self.tick_seconds = (
            math.gcd(self.ping_interval * 1000, self.ping_timeout, self.node_timeout * 1000) / 1000
        )  # fmt: skip
        if self.enable_stats:
            statistics = self.program.statistics
            statistics.function(MODULE, "clusterer_nodes", lambda: len(self.all_nodes()))
            statistics.function(MODULE, "clusterer_nodes_up", lambda: self.count_up())
            statistics.function(MODULE, "clusterer_nodes_down", lambda: len(self.all_nodes()) - self.count_up())

    def written_nodes(self, own_id: int) -> list[NodeInfo]:
        """The script's own node table. Raises ModuleError."""
        if not self.own_texts:
            raise ModuleError('without a database this node needs modparam("clusterer", "my_node_info", …)')
        try:
            own = [from_text(one, own_id) for one in self.own_texts]
            return own + [from_text(one) for one in self.other_texts]
        except BadNode as problem:
            raise ModuleError(str(problem)) from None

    def settings(self) -> Settings:
        timing = Timing(float(self.ping_interval), self.ping_timeout / 1000, float(self.node_timeout))
        return Settings(
            timing, float(self.seed_fallback_interval), float(self.sync_timeout), self.sync_packet_size,
            self.db_mode == 0, self.enable_rerouting == 1,
        )  # fmt: skip

    async def start(self) -> None:
        """Raises ModuleError for a node table without us."""
        reports = Reports(self.status, self.api.registrations)
        if self.services.slot != ATTENDANT or self.transport is None:
            return
        declared = [(name, cluster_id, active) for (name, cluster_id), active in self.declared.items()]
        api = self.api
        teller = Teller(self.request_received, self.reply_received, self.node_changed, self.tag_event)
        self.driver = driver = Driver(
            self.services, self.transport, self.table, api.mirror, api, self.settings(), teller, declared, reports
        )  # fmt: skip
        api.driver = self.commands.attendants = driver
        await driver.start()

    async def stop(self) -> None:
        if self.driver is not None:
            self.driver.close()

    @timer("tick_seconds", Where.ONCE)
    async def tick(self) -> None:
        if self.driver is not None:
            await self.driver.tick()

    # -- statistics

    def all_nodes(self) -> list[NodeView]:
        return [node for one in self.api.mirror.read().clusters for node in one.nodes]

    def count_up(self) -> int:
        return sum(one.link == "Up" for one in self.all_nodes())

    # -- messages between scripts

    @function("cluster_send_req", routes=ANYWHERE)
    def send_req(
        self, ctx: Context, cluster_id: int | str, node_id: int | str, message: str, tag: Var | None = None
    ) -> int:
        """Send a message to a node; its tag goes into the variable. 1; -1 disabled, -2 down, -3 no such node."""
        return self.messages.request(ctx, whole(cluster_id), whole(node_id), message, tag)

    @function("cluster_broadcast_req", routes=ANYWHERE)
    def broadcast_req(
        self, ctx: Context, cluster_id: int | str, message: str, tag: Var | None = None, everywhere: int | str = 0
    ) -> int:
        """Send a message to all nodes; everywhere: 1 raises its event here, too. Answers as cluster_send_req."""
        return self.messages.request(ctx, whole(cluster_id), 0, message, tag, whole(everywhere) == 1)

    @function("cluster_send_rpl", routes=ANYWHERE)
    def send_rpl(self, ctx: Context, cluster_id: int | str, node_id: int | str, message: str, tag: str) -> int:
        """Answer a message, by its tag. Answers as cluster_send_req."""
        return self.messages.reply(whole(cluster_id), whole(node_id), message, tag)

    @mi("_cluster_say", full="_cluster_say", where=Where.ONCE)
    def say_here(self, cluster_id: int, node_id: int, tag: str, message: str, kind: int) -> Json:
        """A worker's script sends a message. kind: 0 a reply, 1 a request, 2 one that is raised here, too."""
        driver = self.commands.driver
        code = driver.say(cluster_id, node_id, GenericMessage(kind != 0, tag, message))
        if kind == 2:
            driver.to_myself(cluster_id, tag, message)
        return code

    @function("cluster_check_addr", routes=ANYWHERE)
    def check_addr(self, ctx: Context, cluster_id: int | str, address: str, kind: str = "sip") -> int:
        """Whether an address is that of another node: its SIP address, or ("bin") that of its url."""
        wanted = plain_host(address.strip("[]"))
        if not wanted or kind.lower() not in ("sip", "bin"):
            return -1
        for node in self.api.nodes(whole(cluster_id)):
            host = node.host if kind.lower() == "bin" else plain_host(sip_host(node.sip_addr))
            if host == wanted:
                return 1
        return -1

    # -- sharing tags

    def variables(self) -> list[VariableSpec]:
        return [TagVariable(self.services, self.api, self.declared).spec()]

    @mi("_shtag_set_active", full="_shtag_set_active", where=Where.ONCE)
    def set_active_here(self, tag: str) -> Json:
        """A worker's script takes a sharing tag."""
        return self.commands.shtag_set_active(tag, BY_SCRIPT)

    # -- management

    @mi("clusterer_reload", full="clusterer:reload", where=Where.ONCE)
    async def reload(self) -> Json:
        """Read the node table anew."""
        return await self.commands.reload()

    @mi(
        "clusterer_set_status", full="clusterer:set_status", where=Where.ONCE,
        recipes=(("cluster_id", "status"), ("cluster_id", "node_id", "status")),
    )  # fmt: skip
    async def set_status(self, cluster_id: int, status: int, node_id: int = 0) -> Json:
        """Enable (1) or disable (0) this node, or this node's link to another."""
        return await self.commands.set_status(cluster_id, node_id, status)

    @mi("clusterer_list", full="clusterer:list")
    def list_nodes(self) -> Json:
        """All other nodes, and the ways to them."""
        return self.commands.list_nodes()

    @mi("clusterer_list_topology", full="clusterer:list_topology")
    def list_topology(self) -> Json:
        """Who sees whom."""
        return self.commands.list_topology()

    @mi("cluster_send_mi", full="clusterer:send_mi", where=Where.ONCE)
    def send_mi(
        self, cluster_id: int, destination: int, cmd_name: str, cmd_params: list[str] | None = None
    ) -> Json:  # fmt: skip
        """Have a command done at another node; its result is in that node's log."""
        return self.commands.send_mi(cluster_id, destination, cmd_name, cmd_params or [])

    @mi("cluster_broadcast_mi", full="clusterer:broadcast_mi", where=Where.ONCE)
    async def broadcast_mi(self, cluster_id: int, cmd_name: str, cmd_params: list[str] | None = None) -> Json:
        """Have a command done at all nodes and here; the answer is that of this node."""
        return await self.commands.broadcast_mi(self.services, cluster_id, cmd_name, cmd_params or [])

    @mi("clusterer_list_cap", full="clusterer:list_cap")
    def list_cap(self) -> Json:
        """What this node takes part in, and whether it is synchronised."""
        return self.commands.list_cap()

    @mi("clusterer_set_cap_status", full="clusterer:set_cap_status", where=Where.ONCE)
    def set_cap_status(self, cluster_id: int, capability: str, status: int) -> Json:
        """Enable (1) or disable (0) a capability of this node."""
        return self.commands.set_cap_status(cluster_id, capability, status)

    @mi("clusterer_list_shtags", full="clusterer:list_shtags")
    def list_shtags(self) -> Json:
        """All sharing tags."""
        return self.commands.list_shtags()

    @mi("clusterer_shtag_set_active", full="clusterer:shtag_set_active", where=Where.ONCE)
    def shtag_set_active(self, tag: str) -> Json:
        """Take a sharing tag: name/cluster_id."""
        return self.commands.shtag_set_active(tag)

    @mi("clusterer_remove_node", full="clusterer:remove_node", where=Where.ONCE)
    def remove_node(self, cluster_id: int, node_id: int) -> Json:
        """Take a node out of a cluster, at all nodes; not where there is a node table."""
        return self.commands.remove_node(cluster_id, node_id)


def whole(value: int | str) -> int:
    """A number of a script, which 2.4 writes as text; -1 for what is none."""
    try:
        return number(value, "a number", 0)
    except BadNode:
        return -1
