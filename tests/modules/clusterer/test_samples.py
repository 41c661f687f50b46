"""What real nodes sent is read as they meant it, and written as they wrote it."""

from collections import Counter

import pytest

from pysips.core.bin_interface import Framer, Trailer
from pysips.modules.clusterer.packets import V3_2, V3_3, SyncEnd, decode_extra, encode_extra, spoken
from pysips.modules.usrloc.contact_ids import ContactId

from .samples import Sample, described, reencoded, samples

SAMPLES = samples()


def test_the_samples_hold_every_kind_of_packet() -> None:
    kinds = Counter((one.decoded["capability"], one.decoded["name"]) for one in SAMPLES)
    assert len(SAMPLES) == 237
    assert len(kinds) == 21
    assert {one.release for one in SAMPLES} == {"2.4.11", "3.4.18", "3.6.8", "4.0.1"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.id}-{one.decoded['name']}")
def test_a_sample_says_what_is_written_beside_it(sample: Sample) -> None:
    written = dict(sample.decoded)
    del written["name"]
    assert described(sample.packet, sample.dialect) == written


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.id}-{one.decoded['name']}")
def test_a_sample_is_encoded_back_byte_for_byte(sample: Sample) -> None:
    assert reencoded(sample.packet, sample.dialect).encode() == sample.data


@pytest.mark.parametrize("size", [1, 7, 1460, 65_536])
def test_a_stream_of_all_samples_is_cut_into_the_same_packets(size: int) -> None:
    stream = b"".join(one.data for one in SAMPLES)
    framer = Framer()
    found = [packet for at in range(0, len(stream), size) for packet in framer.feed(stream[at : at + size])]
    assert found == [one.packet for one in SAMPLES]
    assert framer.waiting == 0


def test_what_a_sender_is_shows_in_its_lists_of_capabilities_and_in_synchronisation_of_version_3() -> None:
    told = [(one, spoken(one.packet)) for one in SAMPLES]
    assert all(dialect in (None, one.dialect) for one, dialect in told)
    sure = {one.decoded["name"] for one, dialect in told if dialect is not None}
    assert sure == {"CAP_UPDATE", "SYNC_REQ", "SYNC", "SYNC_END"}


def test_a_sync_of_3_2_is_read_by_its_version_where_the_sender_is_only_known_to_be_newer_than_3_1() -> None:
    end = SyncEnd("usrloc-contact-repl")
    packet = encode_extra(end, Trailer(1, 2, 3), V3_2)
    assert (packet.version, packet.type) == (2, 12)
    assert decode_extra(packet, V3_3) == (end, Trailer(1, 2, 3))


def test_ids_of_contacts_are_made_from_the_aor_as_real_nodes_make_them() -> None:
    inserted = [one.decoded["fields"] for one in SAMPLES if one.decoded["name"] == "CONTACT_INSERT"]
    assert len(inserted) > 15
    for one in inserted:
        parts = ContactId.split(one["contact_id"])
        assert ContactId.of(one["aor"], parts.label, parts.clabel).number == one["contact_id"]
