"""Plots are well-formed, and their points lie where their numbers say."""

import re
from xml.etree import ElementTree

from .plots import plot, steps


def points(text: str) -> list[tuple[float, float]]:
    found = re.search(r'<polyline points="([^"]+)"', text)
    assert found
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found[1].split())]


def test_a_plot_is_xml_and_says_its_names() -> None:
    text = plot("µs & more", "contacts", {"a <line>": [(1, 2), (10, 4)], "other": [(1, 1), (10, 1)]}, log_x=True)
    said = [found.text for found in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert {"µs & more", "contacts", "a <line>", "other"} <= set(said)


def test_decades_are_equally_far_apart() -> None:
    (first, _), (second, _), (third, _) = points(plot("", "", {"a": [(1, 1), (10, 1), (100, 1)]}, log_x=True))
    assert abs((second - first) - (third - second)) < 0.2


def test_more_is_higher() -> None:
    (_, low), (_, high) = points(plot("", "", {"a": [(1, 1), (2, 3)]}))
    assert high < low


def test_steps_are_round_and_reach_the_most() -> None:
    assert steps(7) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert steps(0.9)[-1] >= 0.9
    assert 4 <= len(steps(123)) <= 9
