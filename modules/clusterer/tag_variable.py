"""The variable `$cluster.sh_tag(name/cluster_id)`: a sharing tag, read and taken by a script."""

from typing import Final

from pysips.core.context import Context
from pysips.core.exports import Both, Getter, Index, Inner, Setter, Value, VariableSpec, number_of, text_of
from pysips.core.log import log
from pysips.core.services import Services
from pysips.errors import BadName

from .api import Cluster
from .cluster import MODULE
from .messages import ask_attendant
from .tags import BadTag, parse_name

ACTIVE: Final = Both("active", 1)
BACKUP: Final = Both("backup", 0)
HELP: Final = "A sharing tag, by name/cluster_id: 1 and active, or 0 and backup; 1 or active may be assigned."


class TagVariable:
    """declared: the tags of the script with their states, by (name, cluster_id); those that are named here join."""

    def __init__(self, services: Services, cluster: Cluster, declared: dict[tuple[str, int], bool]) -> None:
        self.services = services
        self.cluster = cluster
        self.declared = declared

    def spec(self) -> VariableSpec:
        return VariableSpec("cluster.sh_tag", MODULE, self.read, self.write, "required", help=HELP)

    def named(self, inner: Inner) -> tuple[str, int]:
        """Raises BadName. A tag that is named is known from then on."""
        try:
            name, cluster_id = parse_name(inner if isinstance(inner, str) else "")
        except BadTag as problem:
            raise BadName(str(problem)) from None
        self.declared.setdefault((name, cluster_id), False)
        return name, cluster_id

    def read(self, inner: Inner, index: Index) -> Getter:
        name, cluster_id = self.named(inner)

        def read(ctx: Context) -> Value:
            return ACTIVE if self.cluster.shtag_is_active(name, cluster_id) else BACKUP

        return read

    def write(self, inner: Inner, index: Index) -> Setter:
        name, cluster_id = self.named(inner)

        def write(ctx: Context, value: Value, op: str) -> int:
            if number_of(value) != 1 and (text_of(value) or "").lower() != "active":
                log.warn(MODULE, f"sharing tag {name}/{cluster_id} can be made active, and nothing else")
                return -1
            self.cluster.mirror.set_tag(name, cluster_id, True)
            ask_attendant(self.services, "_shtag_set_active", tag=f"{name}/{cluster_id}")
            return 1

        return write
