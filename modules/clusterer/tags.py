"""Sharing tags: which of several nodes does what only one should do (OpenSIPS clusterer manual, "Sharing tags").

Facts:
- a tag is active or backup; the script declares it (`name/cluster=active`), or its first use makes it a backup;
- who makes it active tells all nodes, and those that are away when they are back; who is told becomes backup: the last
  one to activate it has it. There is no way to give it up;
- in OpenSIPS two nodes that both announce it when their link comes back both end as backup. Ours say when they
  activated it (hello.py), and the later one keeps it.
"""

import re
from dataclasses import dataclass
from typing import Final, final

NAME: Final = re.compile(r"[^/=\s]{1,64}")
CLUSTER: Final = re.compile(r"[0-9]{1,9}")
MOST: Final = 1000
CLAIM_SECONDS: Final = 3.0

BY_MI: Final = "MI command"
BY_SCRIPT: Final = "script variable"
BY_API: Final = "internal API call"


class BadTag(ValueError):
    """A text that names no tag."""


def parse_name(text: str) -> tuple[str, int]:
    """`name/cluster`. Raises BadTag."""
    name, slash, cluster = text.strip().rpartition("/")
    if not slash or NAME.fullmatch(name) is None or CLUSTER.fullmatch(cluster) is None or int(cluster) < 1:
        raise BadTag(f'"{text}" is no sharing tag: it reads name/cluster_id')
    return name, int(cluster)


def parse_declared(text: str) -> tuple[str, int, bool]:
    """`name/cluster=active` or `=backup`, as the modparam has it. Raises BadTag."""
    tag, equals, state = text.partition("=")
    word = state.strip().lower()
    if not equals or word not in ("active", "backup"):
        raise BadTag(f'"{text}" is no sharing tag with a state: it reads name/cluster_id=active or =backup')
    return *parse_name(tag), word == "active"


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag became active, or backup. reason: as the event says it."""

    name: str
    cluster_id: int
    active: bool
    reason: str


@final
class Tag:
    """since: unix seconds of its activation here; untold: nodes that have not heard of it."""

    __slots__ = ("active", "cluster_id", "name", "since", "untold")

    def __init__(self, name: str, cluster_id: int, active: bool = False, since: float = 0.0) -> None:
        self.name = name
        self.cluster_id = cluster_id
        self.active = active
        self.since = since
        self.untold: set[int] = set()


@final
class Tags:
    """All tags of this node. changes: what became of them, for whoever tells the world."""

    __slots__ = ("changes", "claims", "known")

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], Tag] = {}
        self.changes: list[TagChange] = []
        self.claims: dict[tuple[str, int, int], tuple[float, float]] = {}

    def get(self, name: str, cluster_id: int) -> Tag | None:
        """The tag, as backup if it is new; None if there are too many."""
        found = self.known.get((name, cluster_id))
        if found is None and len(self.known) < MOST:
            found = self.known[name, cluster_id] = Tag(name, cluster_id)
        return found

    def of_cluster(self, cluster_id: int) -> list[Tag]:
        return [one for one in self.known.values() if one.cluster_id == cluster_id]

    def activate(self, tag: Tag, since: float, nodes: list[int], reason: str) -> None:
        """It is ours from now on; every one of the nodes has to be told."""
        if not tag.active:
            self.changes.append(TagChange(tag.name, tag.cluster_id, True, reason))
        tag.active, tag.since = True, since
        tag.untold = set(nodes)

    def give_way(self, tag: Tag, to: int) -> None:
        """Another node has it."""
        tag.untold.clear()
        if tag.active:
            tag.active, tag.since = False, 0.0
            self.changes.append(TagChange(tag.name, tag.cluster_id, False, f"cluster broadcast from {to}"))

    # -- two that both have it

    def claimed(self, name: str, cluster_id: int, by: int, own_id: int, since: float, now: float) -> None:
        """Another node says since when it has a tag."""
        tag = self.get(name, cluster_id)
        if tag is None:
            return
        if not tag.active or (since, -by) > (tag.since, -own_id):
            self.give_way(tag, by)
        else:
            tag.untold.add(by)
            self.claims[name, cluster_id, by] = (since, now)

    def told(self, name: str, cluster_id: int, by: int, now: float) -> None:
        """SHTAG_ACTIVE came: it is the other's, unless that is the older claim that we know of."""
        tag = self.get(name, cluster_id)
        if tag is None:
            return
        claim = self.claims.pop((name, cluster_id, by), None)
        if claim is not None and now - claim[1] <= CLAIM_SECONDS and tag.active and claim[0] <= tag.since:
            return
        self.give_way(tag, by)
