"""The attendant at work: its node table, management commands, and what everybody may read."""

from typing import Any

import pytest

from pysips.core.bin_interface import packet_of
from pysips.core.bin_transport import Carrier, Failed
from pysips.core.exports import MiError
from pysips.core.services import Management, Promise
from pysips.errors import ModuleError
from pysips.modules.clusterer import Clusterer
from pysips.modules.clusterer.api import Receiver
from pysips.modules.clusterer.nodes import from_text
from pysips.modules.clusterer.packets import (
    EXTRA,
    V3_3,
    Capabilities,
    GenericMessage,
    MiCommand,
    NodeCapabilities,
    Packet,
    Ping,
    Pong,
    TagActive,
    Trailer,
    decode_extra,
    encode_extra,
    encode_internal,
)
from pysips.runtime.mi_params import bound
from pysips.runtime.offload import driven
from pysips.testing.sql import FakeSql
from pysips.testing.story import Story

HEAD = """
socket=udp:10.0.0.9:5060
socket=bin:10.0.0.1:5555
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "db_sqlite.so"
loadmodule "clusterer.so"
"""
TABLE = """
modparam("clusterer", "current_id", 1)
modparam("clusterer", "db_url", "sqlite:///nowhere")
modparam("clusterer", "sharing_tag", "vip/1=active")
route { exit; }
"""
WRITTEN = """
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", 1)
modparam("clusterer", "my_node_info", "cluster_id=1,url=bin:10.0.0.1:5555,sip_addr=10.1.0.1,flags=seed")
modparam("clusterer", "neighbor_node_info", "cluster_id=1,node_id=2,url=bin:10.0.0.2:5555,sip_addr=10.1.0.2")
event_route[E_CLUSTERER_REQ_RECEIVED] { xlog("request $param(cluster_id) $param(src_id) $param(msg) $param(tag)"); }
event_route[E_CLUSTERER_RPL_RECEIVED] { xlog("reply $param(msg) $param(tag)"); }
event_route[E_CLUSTERER_NODE_STATE_CHANGED] { xlog("node $param(cluster_id) $param(node_id) $param(new_state)"); }
event_route[E_CLUSTERER_SHARING_TAG_CHANGED] { xlog("tag $param(name) $param(cluster) $param(state) $param(reason)"); }
route { exit; }
"""


class Wire(Carrier):
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Packet]] = []

    def send(self, source: str, host: str, port: int, data: bytes, failed: Failed) -> None:
        self.sent.append((host, packet_of(data)))


class Commands(Management):
    def __init__(self) -> None:
        self.called: list[tuple[str, list[str]]] = []

    def call(self, method: str, words: list[str]) -> Promise:
        self.called.append((method, words))
        promise = Promise()
        promise.complete("done here")
        return promise


class Attendant:
    """The module as it is in the attendant. sql: its database."""

    def __init__(self, script: str, modules: str = "event_route", is_down: bool = False) -> None:
        head = HEAD + "".join(f'loadmodule "{one}.so"\n' for one in modules.split())
        self.story = Story(script, head=head)
        services = self.story.program.services
        module = self.story.program.registry.loaded["clusterer"]
        assert isinstance(module, Clusterer) and module.transport is not None
        self.module, self.transport = module, module.transport
        self.wire = self.transport.carrier = Wire()
        services.management = self.management = Commands()
        services.slot = -1
        self.sql = FakeSql("clusterer").serve(self.story.program)
        self.sql.is_down = is_down
        for number, flags in ((1, "seed"), (2, "NULL")):
            self.sql.add(
                "clusterer", cluster_id=1, node_id=number, url=f"bin:10.0.0.{number}:5555", state=1, no_ping_retries=3,
                priority=50, sip_addr=f"10.1.0.{number}", flags=flags, description=None,
            )  # fmt: skip

    def start(self) -> "Attendant":
        finish(self.module.start())
        return self

    def tick(self, seconds: float = 1.0) -> None:
        self.story.after(seconds)
        finish(self.module.tick())

    def hears(self, packet: Packet, source: int = 2) -> None:
        self.transport.receiver(f"10.0.0.{source}", None, packet)

    def hears_extra(self, message: Any) -> None:
        self.hears(encode_extra(message, Trailer(1, 2, 1), V3_3))

    def link(self) -> "Attendant":
        """Node 2 is there."""
        self.tick()
        self.hears(encode_internal(Ping(1, 2, True), V3_3))
        self.hears(encode_internal(Pong(1, 2), V3_3))
        return self

    def mi(self, name: str, params: Any = None) -> Any:
        """A command as its client calls it, by position or by name."""
        spec = next(one for one in self.story.program.registry.mi_commands() if name in (one.name, one.full))
        result = spec.call(**bound(spec, params))
        return finish(result) if hasattr(result, "send") else result

    def refused(self, name: str, params: Any) -> tuple[int, str]:
        with pytest.raises(MiError) as caught:
            self.mi(name, params)
        return caught.value.code, caught.value.message

    def extras(self) -> list[Any]:
        return [decode_extra(packet, V3_3)[0] for _, packet in self.wire.sent if packet.capability == EXTRA]


def finish(work: Any) -> Any:
    promise = driven(work)
    assert promise.done
    if promise.failure is not None:
        raise promise.failure
    return promise.value


def test_the_list_of_nodes_has_opensips_shape_with_a_table_and_without() -> None:
    shown = {
        "node_id": 2, "db_id": -1, "url": "bin:10.0.0.2:5555", "link_state": "Up", "state": "enabled", "next_hop": "2",
        "description": "none",
    }  # fmt: skip
    assert Attendant(WRITTEN).start().link().mi("clusterer_list") == {"Clusters": [{"cluster_id": 1, "Nodes": [shown]}]}
    attendant = Attendant(TABLE).start()
    assert attendant.mi("clusterer:list") == {
        "Clusters": [{"cluster_id": 1, "Nodes": [shown | {"db_id": 2, "link_state": "Probe", "next_hop": "none"}]}]
    }


def test_the_topology_begins_with_ourselves() -> None:
    attendant = Attendant(WRITTEN).start()
    assert attendant.mi("clusterer_list_topology") == {
        "Clusters": [{"cluster_id": 1, "Nodes": [{"node_id": 1, "Neighbours": []}, {"node_id": 2, "Neighbours": []}]}]
    }
    nodes = attendant.link().mi("clusterer:list_topology")["Clusters"][0]["Nodes"]
    assert nodes[0] == {"node_id": 1, "Neighbours": [2]}


def test_a_database_that_is_away_at_start_is_waited_for() -> None:
    attendant = Attendant(TABLE, is_down=True).start()
    assert any("cannot be read yet" in line for line in attendant.story.lines)
    assert attendant.mi("clusterer_list") == {"Clusters": []}
    attendant.sql.is_down = False
    attendant.tick(3.0)
    attendant.tick(3.0)
    assert [one["node_id"] for one in attendant.mi("clusterer_list")["Clusters"][0]["Nodes"]] == [2]
    assert not any(view.is_seed for view in attendant.module.api.nodes(1))


def test_a_successor_without_a_database_has_the_last_table() -> None:
    attendant = Attendant(TABLE).start().link()
    attendant.sql.is_down = True
    attendant.story.program.services.lives = 2
    attendant.start()
    assert [one["node_id"] for one in attendant.mi("clusterer_list")["Clusters"][0]["Nodes"]] == [2]
    assert any("the last table that could be read" in line for line in attendant.story.lines)
    assert attendant.mi("clusterer_list_shtags") == [{"Tag": "vip", "Cluster": 1, "State": "active"}]


def test_a_table_without_us_and_a_malformed_row_of_our_own_end_the_start() -> None:
    attendant = Attendant(TABLE.replace('"current_id", 1', '"current_id", 5'))
    with pytest.raises(ModuleError, match="node 5 is in no cluster"):
        attendant.start()
    attendant.sql.add(
        "clusterer", cluster_id=1, node_id=5, url="nonsense", state=1, no_ping_retries=3, priority=50,
        sip_addr=None, flags=None, description=None,
    )  # fmt: skip
    with pytest.raises(ModuleError, match="our own row"):
        attendant.start()


def test_a_table_that_is_not_there_ends_the_start_but_not_a_successors() -> None:
    attendant = Attendant(
        TABLE.replace('"current_id", 1', '"current_id", 1)\nmodparam("clusterer", "db_table", "other"')
    )
    with pytest.raises(ModuleError, match="other"):
        attendant.start()
    served = Attendant(TABLE).start()
    served.module.table.table = "other"
    served.story.program.services.lives = 2
    served.start()
    assert [one.node_id for one in served.module.api.nodes(1)] == [2]


def test_a_malformed_row_of_another_is_left_out() -> None:
    attendant = Attendant(TABLE)
    attendant.sql.add(
        "clusterer", cluster_id=1, node_id=3, url="tcp:10.0.0.3", state=1, no_ping_retries=3, priority=50,
        sip_addr=None, flags=None, description=None,
    )  # fmt: skip
    attendant.start()
    assert [one.node_id for one in attendant.module.api.nodes(1)] == [2]
    assert any("row 3 is left out" in line for line in attendant.story.lines)


def test_a_url_of_ours_without_a_socket_ends_the_start() -> None:
    attendant = Attendant(WRITTEN.replace("url=bin:10.0.0.1:5555", "url=bin:10.0.0.1:5556"))
    with pytest.raises(ModuleError, match=r"socket=bin:10\.0\.0\.1:5556"):
        attendant.start()


def test_what_is_hardly_meant_is_said() -> None:
    attendant = Attendant(WRITTEN)
    attendant.module.api.register(4, "store", Receiver())
    lines = attendant.start().story.lines
    assert any("our sip_addr 10.1.0.1 is none of our sockets" in line for line in lines)
    assert any("store: this node is not in cluster 4" in line for line in lines)
    with_socket = Attendant(WRITTEN.replace("sip_addr=10.1.0.1", "sip_addr=10.0.0.9:5060")).start().story.lines
    assert not any("sip_addr" in line for line in with_socket)


def test_reload_needs_a_table() -> None:
    assert Attendant(WRITTEN).start().refused("clusterer_reload", None) == (400, "Non-DB mode")
    attendant = Attendant(TABLE).start()
    attendant.sql.add(
        "clusterer", cluster_id=1, node_id=4, url="bin:10.0.0.4", state=1, no_ping_retries=3, priority=50,
        sip_addr=None, flags=None, description="new",
    )  # fmt: skip
    assert attendant.mi("clusterer:reload") == "OK"
    assert [one["description"] for one in attendant.mi("clusterer_list")["Clusters"][0]["Nodes"]] == ["none", "new"]


def test_status_of_ourselves_is_written_and_that_of_a_link_is_our_opinion() -> None:
    attendant = Attendant(TABLE).start().link()
    assert attendant.mi("clusterer_set_status", [1, 2, 0]) == "OK"
    assert attendant.mi("clusterer_list")["Clusters"][0]["Nodes"][0]["state"] == "disabled"
    assert attendant.mi("clusterer_list")["Clusters"][0]["Nodes"][0]["link_state"] == "Down"
    assert attendant.mi("clusterer:set_status", {"cluster_id": 1, "status": 0}) == "OK"
    assert attendant.sql.rows("clusterer", "node_id", "state") == [(1, 0), (2, 1)]
    assert attendant.refused("clusterer_set_status", [9, 1]) == (404, "Cluster id not found")
    assert attendant.refused("clusterer_set_status", [1, 9, 1]) == (404, "Node id not found")
    assert attendant.refused("clusterer_set_status", [1, 7]) == (400, "Bad value for 'status'")


def test_commands_for_other_nodes() -> None:
    attendant = Attendant(WRITTEN).start()
    assert attendant.refused("cluster_send_mi", [1, 2, "ps"]) == (400, "Destination down")
    attendant.link()
    assert attendant.mi("cluster_send_mi", [1, 2, "ul_dump", ["brief"]]) == "OK"
    assert attendant.extras() == [MiCommand("ul_dump", ("brief",))]
    assert attendant.refused("cluster_send_mi", [1, 1, "ps"]) == (400, "Local node specified as destination")
    assert attendant.refused("clusterer:send_mi", [9, 2, "ps"]) == (400, "Send error")
    assert attendant.mi("cluster_broadcast_mi", [1, "nh_enable_ping", ["1"]]) == "done here"
    assert attendant.mi("clusterer:broadcast_mi", [9, "ps"]) == "done here"
    assert attendant.management.called == [("nh_enable_ping", ["1"]), ("ps", [])]


def test_a_command_of_another_node_is_done_here() -> None:
    attendant = Attendant(WRITTEN).start().link()
    attendant.hears_extra(MiCommand("nh_enable_ping", ("0",)))
    assert attendant.management.called == [("nh_enable_ping", ["0"])]


def test_events_of_messages_nodes_and_tags() -> None:
    attendant = Attendant(WRITTEN).start().link()
    attendant.hears_extra(GenericMessage(True, "1-2-abc", "hello"))
    attendant.hears_extra(GenericMessage(False, "1-1-def", "well"))
    attendant.mi("clusterer_shtag_set_active", ["vip/1"])
    attendant.hears_extra(TagActive("vip"))
    said = [line for line in attendant.story.lines if line.split(" ")[0] in ("node", "request", "reply", "tag")]
    assert said == [
        "node 1 2 1", "request 1 2 hello 1-2-abc", "reply well 1-1-def", "tag vip 1 active MI command",
        "tag vip 1 backup cluster broadcast from 2",
    ]  # fmt: skip


def test_a_script_says_something_to_everybody_and_to_itself() -> None:
    attendant = Attendant(WRITTEN).start().link()
    attendant.module.say_here(1, 0, "1-1-x", "hello", 2)
    attendant.module.say_here(1, 2, "1-2-y", "answer", 0)
    assert attendant.extras() == [GenericMessage(True, "1-1-x", "hello"), GenericMessage(False, "1-2-y", "answer")]
    assert "request 1 1 hello 1-1-x" in attendant.story.lines


def test_tags_by_management() -> None:
    attendant = Attendant(WRITTEN).start().link()
    assert attendant.refused("clusterer_shtag_set_active", ["vip"]) == (400, "Bad tag format <name/cluster_id>")
    assert attendant.refused("clusterer_shtag_set_active", ["vip/7"])[0] == 404
    assert attendant.mi("clusterer:shtag_set_active", ["vip/1"]) == "OK"
    assert attendant.extras() == [TagActive("vip")]
    assert attendant.module.api.shtag_is_active("vip", 1)
    assert attendant.mi("clusterer_list_shtags") == [{"Tag": "vip", "Cluster": 1, "State": "active"}]


def test_a_tag_that_is_active_from_the_start_is_told_to_who_comes() -> None:
    attendant = Attendant(TABLE).start()
    assert attendant.extras() == []
    attendant.link()
    assert attendant.extras() == [TagActive("vip")]


def test_removing_a_node_needs_that_there_is_no_table() -> None:
    attendant = Attendant(WRITTEN).start().link()
    assert attendant.refused("clusterer_remove_node", [1, 9]) == (400, "Unknown node id")
    assert attendant.mi("clusterer_remove_node", [1, 2]) == "OK"
    assert attendant.mi("clusterer_list") == {"Clusters": [{"cluster_id": 1, "Nodes": []}]}
    assert Attendant(TABLE).start().refused("clusterer:remove_node", [1, 2]) == (400, "Running in DB mode")


def test_capabilities_as_management_has_them() -> None:
    attendant = Attendant(WRITTEN)
    attendant.module.api.register(1, "store", Receiver(), startup_sync=True)
    attendant.start().link()

    def state() -> Any:
        return attendant.mi("clusterer_list_cap")["Clusters"][0]["Capabilities"]

    assert state() == [{"name": "store", "state": "not synced", "enabled": "yes"}]
    for _ in range(6):
        attendant.tick()
    assert state() == [{"name": "store", "state": "Ok", "enabled": "yes"}]
    assert attendant.mi("clusterer_set_cap_status", [1, "store", 0]) == "OK"
    assert state() == [{"name": "store", "state": "not synced", "enabled": "no"}]
    assert attendant.refused("clusterer:set_cap_status", [1, "other", 0]) == (404, "Capability not found")
    assert attendant.refused("clusterer:set_cap_status", [1, "store", 2]) == (400, "Bad value for 'status'")


def test_work_is_shared_among_the_nodes_that_are_there_and_synchronised() -> None:
    attendant = Attendant(WRITTEN)
    api = attendant.module.api
    assert api.my_index(1, "store") == (1, 0)
    api.register(1, "store", Receiver())
    attendant.start().link()
    assert api.my_index(1, "store") == (1, 0)
    said = Capabilities(1, 2, 0, 7, (NodeCapabilities(2, (("store", True),)),), False, (2,))
    attendant.hears(encode_internal(said, V3_3))
    assert api.my_index(1, "store") == (2, 0)
    assert api.is_up(1, 2) and not api.is_up(1, 3) and api.is_synced(1, "store")


def test_statistics_count_the_other_nodes() -> None:
    attendant = Attendant(WRITTEN).start()
    counted = {one.name: one for one in attendant.story.program.statistics.select("clusterer:")}
    assert [counted[f"clusterer_nodes{word}"].value() for word in ("", "_up", "_down")] == [1, 0, 1]
    attendant.link()
    assert [counted[f"clusterer_nodes{word}"].value() for word in ("", "_up", "_down")] == [1, 1, 0]


def test_a_node_of_the_script_is_its_text() -> None:
    own = Attendant(WRITTEN).start().module.api.own(1)
    assert own is not None
    info = from_text("cluster_id=1,node_id=1,url=bin:10.0.0.1:5555,sip_addr=10.1.0.1,flags=seed")
    assert (own.node_id, own.sip_addr, own.is_seed) == (1, info.sip_addr, True)


def test_nodes_tags_and_capabilities_have_status_and_reports() -> None:
    attendant = Attendant(WRITTEN.replace("flags=seed", "flags=none"))
    attendant.module.api.register(1, "cap-a", Receiver(), startup_sync=True)
    attendant.module.api.register(1, "cap-b", Receiver())
    status = attendant.start().module.status

    def state(name: str) -> tuple[int, str]:
        found = status.check(name)
        assert found is not None
        return found.status, found.details

    def reports(name: str) -> list[str]:
        found = status.check(name)
        assert found is not None
        return [text for _, text in found.reports]

    assert list(status.identifiers) == ["cap:cap-b", "cap:cap-a", "sharing_tags", "node_states"]
    assert (state("cap:cap-a"), state("cap:cap-b")) == ((-2, "sync pending"), (1, "synced"))
    assert state("all") == (-1, "aggregated")
    attendant.link()
    assert reports("node_states") == ["Node [2], cluster [1] is UP"]
    assert attendant.mi("clusterer_shtag_set_active", ["vip/1"]) == "OK"
    assert reports("sharing_tags") == ["TAG <vip>, cluster 1, became active due to MI command"]
    said = Capabilities(1, 2, 0, 7, (NodeCapabilities(2, (("cap-a", True),)),), False, (2,))
    attendant.hears(encode_internal(said, V3_3))
    assert state("cap:cap-a") == (-2, "sync pending")
    assert reports("cap:cap-a") == ["Sync waits for a donor, cluster [1]", "Sync requested from node [2], cluster [1]"]
