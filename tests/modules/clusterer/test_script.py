"""clusterer in a script: what loads, what functions and variables answer, what the attendant does for a worker."""

from typing import Any

import pytest

from pysips.core import loading
from pysips.core.options import Options
from pysips.core.services import Management, Promise
from pysips.errors import ConfigError
from pysips.modules.clusterer import Clusterer
from pysips.modules.clusterer.machine import Machine
from pysips.modules.clusterer.mirror import Mirror
from pysips.modules.clusterer.node import Settings
from pysips.modules.clusterer.nodes import from_text
from pysips.script import source
from pysips.testing.messages import request
from pysips.testing.story import Story

HEAD = """
socket=udp:10.0.0.9:5060
socket=bin:10.0.0.1:5555
strict_parsing=no
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "clusterer.so"
"""
OURS = """
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", 1)
modparam("clusterer", "my_node_info", "cluster_id=1,url=bin:10.0.0.1:5555,sip_addr=10.1.0.1")
modparam("clusterer", "neighbor_node_info", "cluster_id=1,node_id=2,url=bin:10.0.0.2:5555,sip_addr=10.1.0.2:5060")
"""
OF_2_4 = """
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "current_id", 1)
modparam("clusterer", "current_info", "cluster_id=1,url=bin:10.0.0.1:5555,sip_addr=10.1.0.1")
modparam("clusterer", "neighbor_info", "cluster_id=1,node_id=2,url=bin:10.0.0.2:5555,sip_addr=10.1.0.2")
"""


class Attendant(Management):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask_attendant(self, method: str, values: dict[str, Any]) -> Promise:
        self.asked.append((method, values))
        promise = Promise()
        promise.complete("OK")
        return promise


def play(route: str, params: str = OURS, reachable: bool = True, enabled: bool = True) -> tuple[list[str], Attendant]:
    """What a worker's script says, with node 2 as the attendant wrote it down, and what it asks of the attendant."""
    story = Story(params + "route { " + route + " }", head=HEAD)
    services = story.program.services
    services.management = attendant = Attendant()
    machine = Machine(1, Settings(), 1, [])
    texts = (
        "cluster_id=1,node_id=1,url=bin:10.0.0.1",
        "cluster_id=1,node_id=2,url=bin:10.0.0.2,sip_addr=10.1.0.2:5060",
    )
    machine.load({1: [from_text(one) for one in texts]}, 0.0)
    cluster = machine.members[1].cluster
    if reachable:
        cluster.nodes[2].reachable = True
    cluster.enabled = enabled
    Mirror(services).write(machine.view())
    first = len(story.lines)
    story.party("10.0.0.77").said(request("OPTIONS"))
    return [line for line in story.lines[first:] if not line.startswith("DBG")], attendant


@pytest.mark.parametrize("params", [OURS, OF_2_4])
@pytest.mark.parametrize("cluster", ["1", '"1"', '"$var(c)"', "$var(c)"])
def test_a_nodes_sip_address_is_known_in_the_spelling_of_each_release(params: str, cluster: str) -> None:
    check = f'if (cluster_check_addr({cluster}, "$var(a)")) xlog("yes"); else xlog("no");'
    assert play('$var(c) = 1; $var(a) = "10.1.0.2"; ' + check, params)[0] == ["yes"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('1, "10.1.0.2"', "yes"), ('1, "10.1.0.2", "sip"', "yes"), ('1, "10.0.0.2", "bin"', "yes"),
        ('1, "10.1.0.1"', "no"), ('1, "10.0.0.2"', "no"), ('2, "10.1.0.2"', "no"), ('1, ""', "no"),
        ('"x", "10.1.0.2"', "no"),
    ],
)  # fmt: skip
def test_whose_address_it_is(arguments: str, said: str) -> None:
    route = f'if (cluster_check_addr({arguments})) xlog("yes"); else xlog("no");'
    assert play(route, reachable=False)[0] == [said]


def test_a_message_goes_through_the_attendant_and_its_tag_into_the_variable() -> None:
    lines, attendant = play('cluster_send_req(1, 2, "hello", $var(tag)); xlog("$rc $var(tag)");')
    code, tag = lines[0].split(" ")
    assert code == "1" and tag.startswith("1-1-") and len(tag) == 28
    assert attendant.asked == [
        ("_cluster_say", {"cluster_id": 1, "node_id": 2, "tag": tag, "message": "hello", "kind": 1})
    ]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ('cluster_send_req("1", "2", "x", "$var(t)")', 1), ('cluster_broadcast_req("1", "x")', 1),
        ('cluster_send_rpl("1", "2", "x", "1-1-abc")', 1), ('cluster_send_req(9, 2, "x")', -3),
        ('cluster_send_req(1, 9, "x")', -3), ('cluster_send_rpl(1, 0, "x", "y")', -3),
    ],
)  # fmt: skip
def test_what_sending_answers(call: str, code: int) -> None:
    assert play(f'{call}; xlog("$rc");')[0] == [str(code)]


def test_nobody_there_and_being_disabled_are_told_apart() -> None:
    asks = 'cluster_broadcast_req(1, "x"); xlog("$rc"); cluster_send_req(1, 2, "x"); xlog("$rc");'
    assert play(asks, reachable=False)[0] == ["-2", "-2"]
    assert play(asks, enabled=False)[0] == ["-1", "-1"]


def test_a_message_to_all_reaches_ourselves_if_that_is_wanted() -> None:
    lines, attendant = play('cluster_broadcast_req(1, "x", $var(t), 1); xlog("$rc");', reachable=False)
    assert lines == ["-2"] and attendant.asked[0][1]["kind"] == 2


def test_a_tag_is_a_number_and_a_word_and_can_only_be_made_active() -> None:
    lines, attendant = play(
        'xlog("$cluster.sh_tag(vip/1)"); if ($cluster.sh_tag(vip/1) == 0) xlog("zero");'
        '$cluster.sh_tag(vip/1) = "active"; xlog("$cluster.sh_tag(vip/1)");'
        'if ($cluster.sh_tag(vip/1) == 1) xlog("one");'
        "$cluster.sh_tag(vip/1) = 0;"
    )
    assert lines[:4] == ["backup", "zero", "active", "one"]
    assert "can be made active, and nothing else" in lines[4]
    assert attendant.asked == [("_shtag_set_active", {"tag": "vip/1"})]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('modparam("clusterer", "db_mode", 0)', "this node has no number"),
        ('modparam("clusterer", "db_mode", 0)\nmodparam("clusterer", "my_node_id", 1)', "my_node_info"),
        ('modparam("clusterer", "my_node_id", 1)', "no database is named"),
        (OURS + 'modparam("clusterer", "my_node_info", "cluster_id=1")', "has no url"),
        (OURS + 'modparam("clusterer", "sharing_tag", "vip/1")', "no sharing tag with a state"),
    ],
)
def test_what_a_script_lacks_is_said_when_it_is_loaded(params: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loading.load_source(source.of_text(HEAD + params + "\nroute { exit; }\n", "x.cfg"), Options("x.cfg"))
    assert any(said in one.message for one in caught.value.complaints), caught.value.complaints


def test_a_variable_that_names_no_tag_is_refused_at_load() -> None:
    with pytest.raises(ConfigError):
        loading.load_source(
            source.of_text(HEAD + OURS + 'route { xlog("$cluster.sh_tag(vip)"); }', "x.cfg"), Options("x.cfg")
        )


def test_the_script_declares_tags() -> None:
    story = Story(
        OURS + 'modparam("clusterer", "sharing_tag", "a/1=active")\nroute { xlog("$cluster.sh_tag(b/1)"); }', head=HEAD
    )
    module = story.program.registry.loaded["clusterer"]
    assert isinstance(module, Clusterer) and module.declared == {("a", 1): True, ("b", 1): False}
