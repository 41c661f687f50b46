"""Messages between scripts (OpenSIPS clusterer manual: cluster_send_req and its like), as a worker sends them.

A worker does not speak to other nodes: it answers by what stands in the mirror, and the attendant sends.
"""

import secrets
import string
from typing import Final

from pysips.core.context import Context
from pysips.core.exports import Var
from pysips.core.log import log
from pysips.core.services import Services

from .api import DOWN, FAILED, SELF_DISABLED, SENT, Cluster
from .cluster import MODULE, QUIET

LETTERS: Final = string.ascii_letters + string.digits
TAG_LENGTH: Final = 24
LONGEST: Final = 60_000  # of a message between scripts


def ask_attendant(services: Services, command: str, **values: object) -> None:
    """Have it done in the attendant, and do not wait for that."""
    promise = services.management.ask_attendant(command, values)

    def done() -> None:
        if promise.failure is not None and log.limited(f"clusterer:{command}", QUIET):
            log.error(MODULE, f"what the script wants to tell other nodes fails: {promise.failure}")

    promise.when_done(done)


class Messages:
    """Answers as the script has them: SENT, SELF_DISABLED, DOWN or FAILED."""

    def __init__(self, services: Services, cluster: Cluster) -> None:
        self.services = services
        self.cluster = cluster

    def request(
        self, ctx: Context, cluster_id: int, node_id: int, message: str, tag: Var | None, to_myself: bool = False
    ) -> int:  # fmt: skip
        """To one node, or to all (0). to_myself: its event is raised here, too."""
        code = self.way(cluster_id, node_id)
        if len(message) > LONGEST:
            log.error(MODULE, f"a message of {len(message)} characters is too long for other nodes")
            code = FAILED
        if code not in (SENT, DOWN) or (code == DOWN and not to_myself):
            return code
        made = f"{cluster_id}-{self.cluster.own_id}-" + "".join(secrets.choice(LETTERS) for _ in range(TAG_LENGTH))
        if tag is not None and tag.set(ctx, made) < 0:
            return FAILED
        kind = 2 if to_myself else 1
        self.hand_over(cluster_id, node_id, made, message, kind)
        return code

    def reply(self, cluster_id: int, node_id: int, message: str, tag: str) -> int:
        """To the node that sent a request, by the request's tag."""
        code = self.way(cluster_id, node_id) if node_id else FAILED
        if code == SENT:
            self.hand_over(cluster_id, node_id, tag, message, 0)
        return code

    def hand_over(self, cluster_id: int, node_id: int, tag: str, message: str, kind: int) -> None:
        """To the attendant; see `_cluster_say`."""
        ask_attendant(
            self.services, "_cluster_say", cluster_id=cluster_id, node_id=node_id, tag=tag, message=message, kind=kind
        )

    def way(self, cluster_id: int, node_id: int) -> int:
        """What sending to a node (0: to any) would answer, as far as is known here."""
        view = self.cluster.mirror.cluster(cluster_id)
        if view is None or node_id < 0:
            return FAILED
        if not view.own.enabled:
            return SELF_DISABLED
        nodes = [one for one in view.nodes if node_id in (0, one.node_id)]
        if node_id and not nodes:
            return FAILED
        return SENT if any(one.reachable for one in nodes) else DOWN
