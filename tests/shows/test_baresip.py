"""The measure by which phones are heard."""

import math
from pathlib import Path

import pytest

from .baresip import samples, share_of, write_tone


def test_a_tone_is_found_in_its_own_frequency_only(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav", 440, seconds=1)
    heard = samples(tmp_path / "tone.wav")
    assert share_of(440, heard) == pytest.approx(1.0, abs=0.01)
    assert share_of(880, heard) < 0.01


def test_silence_is_no_tone() -> None:
    assert share_of(440, [0] * 8000) == 0.0


def test_half_a_tone_is_half_of_it() -> None:
    turn = math.tau / 8000
    both = [round(4000 * (math.sin(i * 440 * turn) + math.sin(i * 880 * turn))) for i in range(8000)]
    assert share_of(880, both) == pytest.approx(0.5, abs=0.01)
