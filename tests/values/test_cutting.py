"""Texts are cut to a width, and those that differ still look different."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from engine.values.cutting import CUT, cut, cut_apart


def test_what_fits_stays_as_it_is() -> None:
    assert cut("a reason", 8) == "a reason"
    assert cut_apart(["a reason", "another", "a reason"], 20) == ["a reason", "another", "a reason"]


def test_what_is_cut_says_so() -> None:
    assert cut("the phone number is invalid", 17) == f"the phone number{CUT}"


def test_the_first_difference_is_shown_however_far_behind_it_is() -> None:
    long = "the record could not be updated because " * 5
    first, second, other = cut_apart([long + "A", long + "B", "short"], 40)
    assert first == f"the record could not{CUT}ted because A"
    assert second == f"the record could not{CUT}ted because B"
    assert other == "short"


@pytest.mark.parametrize("width", [20, 40])
def test_texts_that_differ_here_and_there_look_different(width: int) -> None:
    a = "a" * 100
    texts = [a + "1" + a + "1", a + "1" + a + "2", a + "2" + a + "1", a, a + "1", a + "1" + a]
    shown = cut_apart(texts, width)
    assert len(set(shown)) == len(texts)
    assert max(map(len, shown)) <= width


@given(st.lists(st.text(alphabet="ab ", max_size=120), max_size=12), st.integers(20, 60))
def test_no_two_texts_look_the_same(texts: list[str], width: int) -> None:
    shown = cut_apart(texts, width)
    assert max(map(len, shown), default=0) <= width
    assert len(set(shown)) == len(set(texts))
    assert [shown[texts.index(text)] for text in texts] == shown
