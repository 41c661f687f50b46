"""clusterer's management commands: what people ask the cluster, and tell it (OpenSIPS clusterer manual, MI)."""

from typing import Final

from pysips.core.exports import Json, MiError
from pysips.core.services import Services
from pysips.core.sqldb import SqlError
from pysips.errors import ModuleError

from .api import DOWN, SENT
from .driver import Driver
from .member import Member
from .mirror import ClusterView, Mirror, NodeView
from .packets import MiCommand
from .tags import BY_MI, BadTag, parse_name

OK: Final = "OK"
BAD_STATUS: Final = "Bad value for 'status'"


class Commands:
    """Those that change something are done in the attendant, where there is a driver."""

    def __init__(self, mirror: Mirror, own_id: int, with_table: bool) -> None:
        self.mirror = mirror
        self.own_id = own_id
        self.with_table = with_table
        self.attendants: Driver | None = None

    @property
    def driver(self) -> Driver:
        if self.attendants is None:
            raise MiError(500, "Not started yet")
        return self.attendants

    def member(self, cluster_id: int) -> Member:
        found = self.driver.machine.members.get(cluster_id)
        if found is None:
            raise MiError(404, "Cluster id not found")
        return found

    # -- what is there

    def list_nodes(self) -> Json:
        """All other nodes."""
        return {"Clusters": [{"cluster_id": one.cluster_id, "Nodes": nodes_of(one)} for one in self.views()]}

    def views(self) -> list[ClusterView]:
        return self.mirror.read().clusters

    def list_topology(self) -> Json:
        """Who sees whom; our own node first."""
        return {
            "Clusters": [
                {
                    "cluster_id": one.cluster_id,
                    "Nodes": [{"node_id": node.node_id, "Neighbours": node.sees} for node in (one.own, *one.nodes)],
                }
                for one in self.views()
            ]
        }

    def list_cap(self) -> Json:
        """What we can do."""
        return {
            "Clusters": [
                {
                    "cluster_id": one.cluster_id,
                    "Capabilities": [
                        {
                            "name": cap.name, "state": "Ok" if cap.is_ok else "not synced",
                            "enabled": "yes" if cap.enabled else "no",
                        }
                        for cap in one.capabilities
                    ],
                }
                for one in self.views()
            ]
        }  # fmt: skip

    def list_shtags(self) -> Json:
        """Our sharing tags."""
        return [
            {"Tag": one.name, "Cluster": one.cluster_id, "State": "active" if one.active else "backup"}
            for one in self.mirror.read().tags
        ]

    # -- what is to be done

    async def reload(self) -> Json:
        """Read the node table anew."""
        if not self.with_table:
            raise MiError(400, "Non-DB mode")
        try:
            await self.driver.load()
        except (SqlError, ModuleError) as problem:
            raise MiError(500, f"Failed to reload: {problem}") from None
        return OK

    async def set_status(self, cluster_id: int, node_id: int, status: int) -> Json:
        """Enable or disable our own node (0), or our link to another."""
        if status not in (0, 1):
            raise MiError(400, BAD_STATUS)
        driver, member = self.driver, self.member(cluster_id)
        if node_id and node_id != self.own_id:
            node = member.cluster.nodes.get(node_id)
            if node is None:
                raise MiError(404, "Node id not found")
            member.cluster.allow(node, status == 1, driver.now())
            driver.after()
            return OK
        member.cluster.allow_self(status == 1, driver.now())
        driver.after()
        try:
            await driver.table.write_state(cluster_id, status == 1)
        except SqlError as problem:
            raise MiError(500, f"Done, but not written to the table: {problem}") from None
        return OK

    def send_mi(self, cluster_id: int, destination: int, name: str, parameters: list[str]) -> Json:
        """Have a command done at another node."""
        if destination == self.own_id:
            raise MiError(400, "Local node specified as destination")
        code = self.driver.say(cluster_id, destination, MiCommand(name, tuple(parameters)))
        if code == DOWN:
            raise MiError(400, "Destination down")
        if code != SENT:
            raise MiError(400, "Send error")
        return OK

    async def broadcast_mi(self, services: Services, cluster_id: int, name: str, parameters: list[str]) -> Json:
        """Have a command done at all nodes; the answer is our own, whether others could be reached or not."""
        self.driver.say(cluster_id, 0, MiCommand(name, tuple(parameters)))
        result: Json = await services.management.call(name, parameters)
        return result

    def set_cap_status(self, cluster_id: int, capability: str, status: int) -> Json:
        """Enable or disable a capability of ours."""
        if status not in (0, 1):
            raise MiError(400, BAD_STATUS)
        member = self.member(cluster_id)
        if not member.capabilities.allow(capability, status == 1, self.driver.now()):
            raise MiError(404, "Capability not found")
        self.driver.after()
        return OK

    def shtag_set_active(self, tag: str, reason: str = BY_MI) -> Json:
        """Take a sharing tag."""
        try:
            name, cluster_id = parse_name(tag)
        except BadTag:
            raise MiError(400, "Bad tag format <name/cluster_id>") from None
        if not self.driver.activate(name, cluster_id, reason):
            raise MiError(404, "Cluster id not found")
        return OK

    def remove_node(self, cluster_id: int, node_id: int) -> Json:
        """Take a node out of a cluster that has no table."""
        if self.with_table:
            raise MiError(400, "Running in DB mode")
        self.member(cluster_id)
        if not self.driver.machine.remove_node(cluster_id, node_id, self.driver.now()):
            raise MiError(400, "Unknown node id")
        self.driver.after()
        return OK


def nodes_of(view: ClusterView) -> Json:
    """The other nodes of a cluster, as `clusterer_list` has them."""
    return [shown(one) for one in view.nodes]


def shown(node: NodeView) -> Json:
    return {
        "node_id": node.node_id,
        "db_id": node.db_id,
        "url": node.url,
        "link_state": node.link,
        "state": "enabled" if node.enabled else "disabled",
        "next_hop": str(node.next_hop) if node.next_hop else "none",
        "description": node.description or "none",
    }
