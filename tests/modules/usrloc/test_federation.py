"""The rules of federation.py, each as a story of a few nodes in memory."""

from dataclasses import replace

import pytest

from pysips.modules.usrloc.federation import OWED
from pysips.modules.usrloc.modes import Mode

from .in_memory import URL, Platform

ALICE = "alice@home.example"
A, B, C = "10.0.0.150", "10.0.0.150", "10.0.0.180"


def test_a_record_is_put_with_the_first_contact_and_withdrawn_with_the_last() -> None:
    here = Platform(A, C)
    one = here.nodes[1]
    one.register(ALICE)
    here.run()
    assert here.store.rows == {ALICE + A: {"aor": ALICE, "home_ip": A}}
    one.register(ALICE, "sip:tablet@192.0.2.8")
    one.register(ALICE, cseq=2)
    here.run()
    assert here.store.done == [f"put_row {ALICE}{A}"]
    one.register(ALICE, expires=0, cseq=3)
    here.run()
    assert here.homes(ALICE) == {A}
    one.register(ALICE, "sip:tablet@192.0.2.8", expires=0)
    here.run()
    assert here.homes(ALICE) == set()


def test_an_aor_at_two_sites_has_two_records() -> None:
    here = Platform(A, C)
    here.nodes[1].register(ALICE)
    here.nodes[2].register(ALICE)
    here.run()
    assert here.homes(ALICE) == {A, C}
    here.nodes[2].register(ALICE, expires=0)
    here.run()
    assert here.homes(ALICE) == {A}


def test_what_expires_is_withdrawn_where_there_is_no_partner() -> None:
    here = Platform(A)
    here.nodes[1].register(ALICE, expires=3)
    here.run()
    assert here.homes(ALICE) == {A}
    here.run(6)
    assert here.homes(ALICE) == set()


def test_a_store_that_is_away_gets_it_when_it_is_back_in_the_order_of_things() -> None:
    here = Platform(A)
    one = here.nodes[1]
    one.register("bob@home.example")
    here.run()
    here.store.go_down()
    one.register(ALICE)
    one.register("bob@home.example", expires=0)
    one.register("carol@home.example")
    one.register("carol@home.example", expires=0)
    here.run(5)
    assert here.homes(ALICE) == set()
    here.store.come_back()
    here.run(1)
    assert set(here.store.rows) == {ALICE + A}


def test_one_operation_is_under_way_for_an_aor() -> None:
    here = Platform(A)
    one = here.nodes[1]
    here.store.hold()
    one.register(ALICE)
    here.run()
    one.register(ALICE, expires=0)
    here.run(1)
    held = here.store.held
    assert held is not None and len(held) == 1
    here.store.release()
    here.run(3)
    assert here.store.rows == {}


def test_an_address_that_is_not_known_yet_is_waited_for() -> None:
    here = Platform(A)
    here.has_table = False
    here.nodes[1].register(ALICE)
    here.run(1)
    assert here.store.rows == {}
    here.has_table = True
    here.run(1)
    assert here.homes(ALICE) == {A}


# -- pairs


def test_the_partner_publishes_nothing_and_both_know_the_contact() -> None:
    here = Platform(A, B)
    here.nodes[1].register(ALICE)
    here.run()
    assert here.nodes[2].has(ALICE)
    assert here.store.done == [f"put_row {ALICE}{A}"]


def test_a_backup_that_missed_a_refresh_never_withdraws() -> None:
    here = Platform(A, B)
    active, backup = here.nodes[1], here.nodes[2]
    active.register(ALICE, expires=5)
    here.run()
    here.cut(1, 2)
    active.register(ALICE, expires=600, cseq=2)
    here.run(10)
    assert not backup.has(ALICE) and active.has(ALICE)
    assert here.homes(ALICE) == {A}
    here.mend(1, 2)
    here.run(40)
    assert here.homes(ALICE) == {A}
    assert "usrloc-contact-repl" in backup.links.requests
    backup.sync_from(active)
    here.run(40)
    assert backup.has(ALICE) and here.homes(ALICE) == {A}
    assert backup.services.tables.scan(OWED) == []
    assert not [one for one in here.store.done if one.startswith("remove_row")]


def test_what_expired_while_the_partner_was_away_is_withdrawn_when_it_can_be_asked() -> None:
    here = Platform(A, B)
    here.nodes[1].register(ALICE, expires=5)
    here.run()
    here.cut(1, 2)
    here.run(20)
    assert here.homes(ALICE) == {A}
    here.mend(1, 2)
    here.run(40)
    assert here.homes(ALICE) == set()


def test_unregistered_at_the_one_that_took_over() -> None:
    here = Platform(A, B)
    here.nodes[1].register(ALICE)
    here.run()
    del here.nodes[1]
    here.nodes[2].register(ALICE, cseq=2)
    here.run()
    here.nodes[2].register(ALICE, expires=0, cseq=3)
    here.run()
    assert here.homes(ALICE) == set()


def test_a_row_that_the_partner_withdrew_too_early_is_put_back() -> None:
    here = Platform(A, B)
    here.nodes[1].register(ALICE)
    here.run()
    here.store.rows.clear()
    here.nodes[2].part.pair.tell_withdrawn(ALICE)
    here.run(3)
    assert here.homes(ALICE) == {A}


@pytest.mark.parametrize("holder", [1, 2])
def test_with_a_sharing_tag_its_holder_withdraws_what_expires(holder: int) -> None:
    mode = Mode("federation-cachedb", "sync-from-cluster", location_cluster=1, cachedb_url=URL)
    here = Platform(A, B, mode=replace(mode, ha_cluster=1, ha_shtag="vip"))
    here.nodes[holder].links.tags.add(("vip", 1))
    here.nodes[1].register(ALICE, expires=5)
    here.run()
    here.cut(1, 2)
    here.run(20)
    assert here.homes(ALICE) == set()
    assert len([one for one in here.store.done if one.startswith("remove_row")]) == 1


def test_a_partner_of_another_kind_looks_after_what_expires_itself() -> None:
    here = Platform(A, B)
    del here.nodes[2]
    here.foreign.add(2)
    here.nodes[1].register(ALICE, expires=5)
    here.run(20)
    assert not here.nodes[1].has(ALICE) and here.homes(ALICE) == {A}
    here.nodes[1].register(ALICE, cseq=5)
    here.nodes[1].register(ALICE, expires=0, cseq=6)
    here.run()
    assert here.homes(ALICE) == set()


# -- sweeps


def test_a_sweep_puts_what_is_missing_and_takes_what_is_left_over() -> None:
    here = Platform(A, C)
    here.nodes[1].register(ALICE)
    here.nodes[2].register(ALICE)
    here.run()
    here.store.rows = {
        "ghost@home.example" + A: {"aor": "ghost@home.example", "home_ip": A},
        "ghost@home.example10.0.0.9": {"aor": "ghost@home.example", "home_ip": "10.0.0.9"},
    }
    here.nodes[1].part.sweep_now()
    here.run(4)
    assert set(here.store.rows) == {ALICE + A, "ghost@home.example10.0.0.9"}


def test_a_sweep_takes_nothing_before_the_pair_is_in_sync() -> None:
    here = Platform(A, B)
    here.store.rows = {ALICE + A: {"aor": ALICE, "home_ip": A}}
    here.nodes[1].links.synced = here.nodes[2].links.synced = False
    here.nodes[1].part.sweep_now()
    here.run(40)
    assert here.homes(ALICE) == {A}
    here.nodes[1].links.synced = True
    here.nodes[1].part.sweep_now()
    here.run(4)
    assert here.homes(ALICE) == set()


def test_a_store_that_came_back_empty_is_filled_again() -> None:
    here = Platform(A)
    here.nodes[1].register(ALICE)
    here.run(15)
    here.store.go_down()
    here.run(2)
    here.store.rows.clear()
    here.store.come_back()
    here.run(6)
    assert here.homes(ALICE) == {A}


def test_a_store_that_lost_its_rows_while_it_was_asked_nothing_is_filled_again() -> None:
    here = Platform(A)
    here.nodes[1].register(ALICE)
    here.run(15)
    here.store.rows.clear()
    here.run(15)
    assert here.homes(ALICE) == {A}


def test_the_records_of_a_site_that_is_gone_age_out_and_come_back_with_it() -> None:
    here = Platform(A, C)
    gone = here.nodes[2]
    gone.register(ALICE, expires=9000)
    here.run(15)
    del here.nodes[2]
    here.run(1800)
    assert here.homes(ALICE) == {C}
    here.run(1900)
    assert here.homes(ALICE) == set()
    here.nodes[2] = gone
    gone.clock.seconds = here.now
    gone.part.pair.came(1)
    here.run(8)
    assert here.homes(ALICE) == {C}
