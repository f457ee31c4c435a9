"""Where records stand: the same places as spans, and as rows where they stand here and there."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from random import Random

import pytest

from engine.values import (
    Place,
    RowSpans,
    Span,
    SpanList,
    count_of,
    cut_spans,
    extend_spans,
    first_place,
    join_spans,
    last_place,
    places,
    split_at_row,
)


def as_spans(every: Sequence[Place]) -> list[Span]:
    return join_spans(Span(place.path, place.row, 1) for place in every)


def as_rows(every: Sequence[Place]) -> RowSpans:
    paths = dict.fromkeys(place.path for place in every)
    rows = {path: array("Q", [place.row for place in every if place.path == path]).tobytes() for path in paths}
    return RowSpans([*rows.items(), ("none", b"")])


def drawn(rng: Random) -> list[Place]:
    rows = sorted(rng.sample(range(1, 60), rng.randint(0, 40)))
    return [Place("f", row) for row in rows] + [Place("g", row) for row in rows[:3]]


def as_both(every: Sequence[Place]) -> SpanList:
    spans = SpanList(as_spans(every[:2]))
    spans.extend(as_rows(every[2:4]))
    spans.extend(SpanList(as_spans(every[4:])))
    return spans


FORMS = [as_spans, as_rows]


@pytest.mark.parametrize("seed", range(50))
def test_places_are_cut_and_joined_without_losing_any(seed: int) -> None:
    rng = Random(seed)
    rows = sorted(rng.sample(range(1, 60), rng.randint(0, 40)))
    all_places = [Place("f", row) for row in rows] + [Place("g", row) for row in rows[:3]]
    spans = join_spans(Span(place.path, place.row, 1) for place in all_places)
    assert list(places(spans)) == all_places
    count = rng.randint(0, len(all_places) + 2)
    head, tail = cut_spans(spans, count)
    assert list(places(head)) == all_places[:count]
    assert list(places(tail)) == all_places[count:]
    joined = list(head)
    extend_spans(joined, tail)
    assert joined == spans


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(20))
def test_both_forms_tell_the_same(seed: int, form: type) -> None:
    rng = Random(seed)
    every = drawn(rng)
    spans: Sequence[Span] = form(every)
    assert list(places(spans)) == every
    assert spans == as_spans(every)
    assert bool(spans) is bool(every)
    assert count_of(spans) == len(every)
    if every:
        assert (first_place(spans), last_place(spans)) == (every[0], every[-1])
    count = rng.randint(0, len(every) + 2)
    head, tail = cut_spans(spans, count)
    assert [*places(head), *places(tail)] == every
    assert count_of(head) == min(count, len(every))


@pytest.mark.parametrize("seed", range(40))
def test_they_are_put_together_in_whatever_form_they_come(seed: int) -> None:
    rng = Random(seed)
    every = drawn(rng)
    joined, left = SpanList(), list(every)
    while left:
        size = rng.randint(1, 12)
        joined.extend(rng.choice(FORMS)(left[:size]))
        joined.extend(rng.choice(FORMS)([]))
        left = left[size:]
    assert list(places(joined.in_one_form)) == list(places(joined)) == every
    assert (bool(joined), count_of(joined)) == (bool(every), len(every))
    assert joined == SpanList(joined.in_one_form) == as_spans(every)
    assert len(joined) == len(joined[:])


@pytest.mark.parametrize("form", [*FORMS, as_both])
@pytest.mark.parametrize("row", [0, 1, 3, 4, 7, 9, 20])
def test_they_are_split_at_a_row_that_none_is_across(row: int, form: type) -> None:
    every = [Place("f", each) for each in (1, 2, 4, 7, 8)]
    before, behind = split_at_row(form(every), row)
    assert list(places(before)) == [place for place in every if place.row < row]
    assert list(places(behind)) == [place for place in every if place.row >= row]


def test_very_many_rows_that_follow_each_other_are_one_span_whatever_came_before() -> None:
    spans = SpanList(as_rows([Place("f", 1), Place("f", 3)]))
    for first in range(10, 10_000_010, 1_000):
        spans.extend([Span("f", first, 1_000)])
    assert (count_of(spans), len(spans)) == (10_000_002, 3)
    before, behind = split_at_row(spans, 10)
    assert (count_of(before), count_of(behind)) == (2, 10_000_000)
