"""The two forms of lines, and the places of records."""

from __future__ import annotations

from random import Random

import pytest
import xxhash

from engine.values import JoinedLines, LineIds, Place, Span, cut_spans, extend_spans, join_spans, places

LINES = [
    b'{"id":"a","data":{"x":1.10}}',
    b'{ "id" : "b,\\n" ,\t"data": {"x": [1 , {"y":null}], "id":"}, {"} }',
    '{"id":"ü","data":{"x":"😀"}}'.encode(),
    b'{"data":{"deep":' + b"[" * 190 + b"]" * 190 + b'},"id":"c"}',
]


def test_each_form_is_made_of_the_other_to_the_byte() -> None:
    by_newlines, by_commas = b"\n".join(LINES), b",".join(LINES)
    assert JoinedLines(by_newlines).by_commas == by_commas
    assert JoinedLines(by_commas=by_commas).by_newlines == by_newlines
    assert JoinedLines(by_commas=by_commas) == JoinedLines(by_newlines)
    assert JoinedLines(by_newlines) != JoinedLines(LINES[0])
    assert JoinedLines(b"").by_commas == JoinedLines(by_commas=b"").by_newlines == b""


def test_the_digest_is_that_of_the_lines_however_they_came() -> None:
    by_newlines, by_commas = b"\n".join(LINES), b",".join(LINES)
    digest = xxhash.xxh3_128_digest(by_newlines)
    assert JoinedLines(by_newlines).digest() == JoinedLines(by_commas=by_commas).digest() == digest
    assert JoinedLines(by_commas=by_commas, digest=b"known").digest() == b"known"


def test_ids_are_read_from_either_form() -> None:
    lines = JoinedLines(by_commas=b",".join(LINES))
    assert list(LineIds(lines, len(LINES))) == ["a", "b,\n", "ü", "c"]


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
