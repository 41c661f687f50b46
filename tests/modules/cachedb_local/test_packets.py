"""Keys on their way to other nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.bin_interface import BadPacket
from pysips.modules.cachedb_local.packets import Insert, Message, Remove, decode, encode

TEXT = st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
MESSAGES = st.builds(Insert, TEXT, TEXT, TEXT, st.integers(-(2**31), 2**31 - 1)) | st.builds(Remove, TEXT, TEXT)


@given(MESSAGES)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode(message.TYPE, 1, encode(message)) == message


@given(st.integers(-1, 3), st.integers(0, 2), st.binary(max_size=40))
def test_hostile_fields_are_read_or_refused(kind: int, version: int, data: bytes) -> None:
    try:
        decode(kind, version, data)
    except BadPacket:
        pass


@pytest.mark.parametrize("kind, version", [(0, 1), (3, 1), (1, 0), (1, 2)])
def test_other_types_and_versions_are_refused(kind: int, version: int) -> None:
    with pytest.raises(BadPacket):
        decode(kind, version, encode(Insert("default", "key", "value", 0)))
