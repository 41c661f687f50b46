from hypothesis import given
from hypothesis import strategies as st

from pysips.sip.edits import Edits, Late


def test_without_edits_the_text_is_the_same() -> None:
    assert Edits().written("abc") == "abc"
    assert Edits().write("a\udcff") == b"a\xff"


def test_insertions_at_one_place_keep_their_order_whatever_their_text() -> None:
    edits = Edits()
    for text in ("z", "a", "m"):
        edits.insert(1, text)
    assert edits.written("01") == "0zam1"


def test_edits_apply_by_place_not_by_the_order_in_which_they_were_made() -> None:
    edits = Edits()
    edits.replace(4, 6, "FOUR")
    edits.remove(0, 2)
    edits.insert(3, "-")
    assert edits.written("01234567") == "2-3FOUR67"


def test_an_insertion_before_a_removed_text_stays() -> None:
    edits = Edits()
    edits.remove(2, 4)
    edits.insert(2, "new")
    assert edits.written("012345") == "01new45"


def test_what_stood_in_something_taken_out_goes_with_it() -> None:
    edits = Edits()
    edits.replace(3, 4, "x")
    edits.remove(2, 6)
    edits.remove(4, 8)
    assert edits.written("0123456789") == "0189"


def test_a_copy_has_edits_of_its_own() -> None:
    first = Edits()
    first.insert(0, "a")
    second = first.copy()
    second.insert(0, "b")
    assert (first.written("!"), second.written("!")) == ("a!", "ab!")


class Socket(Late):
    def text(self, ctx: object, socket: object) -> str:
        return f"[{ctx} {socket}]"


def test_a_late_text_comes_behind_what_stands_at_its_place_when_the_way_out_is_known() -> None:
    edits = Edits()
    edits.insert_late(1, Socket())
    edits.insert(1, "a")
    branch = edits.copy()
    branch.items += branch.settled("b1", "udp")
    assert branch.written("01") == "0a[b1 udp]1"
    assert edits.written("01") == "0a1"


SPANS = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(st.tuples(SPANS, st.sampled_from(["", "x", "yy"]))))
def test_overlapping_edits_never_crash_and_never_bring_back_what_was_removed(
    items: list[tuple[tuple[int, int], str]],
) -> None:
    text = "ABCDEFGHIJKL"
    edits = Edits()
    for (a, b), new in items:
        edits.replace(a, b, new)
    gone = {i for (a, b), _ in items for i in range(a, b)}
    written = edits.written(text)
    assert "".join(c for c in written if c in text) == "".join(c for i, c in enumerate(text) if i not in gone)


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["x", "yy"]))))
def test_every_insertion_comes_out(items: list[tuple[int, str]]) -> None:
    edits = Edits()
    for at, new in items:
        edits.insert(at, new)
    assert len(edits.written("A" * 12)) == 12 + sum(len(new) for _, new in items)
