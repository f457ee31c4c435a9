"""How many ids come again: exact as far as ids are remembered, near enough beyond, and always in little memory."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence

import pytest

from engine.reading import repeated_ids
from engine.reading.chunker import Chunker
from engine.reading.repeated_ids import RepeatedIds
from engine.values import Block, Span

Add = Callable[[RepeatedIds, Sequence[int]], int]


def by_numbers(counted: RepeatedIds, ids: Sequence[int]) -> int:
    numbers = [random.Random(each).getrandbits(64) for each in ids]
    return counted.add(array("Q", numbers).tobytes())


def by_texts(counted: RepeatedIds, ids: Sequence[int]) -> int:
    return counted.add_texts([f"LN-{each}" for each in ids])


@pytest.fixture(params=[by_numbers, by_texts], ids=["numbers", "texts"])
def add(request: pytest.FixtureRequest) -> Add:
    chosen: Add = request.param
    return chosen


def test_each_record_whose_id_came_before_counts_once(add: Add) -> None:
    counted = RepeatedIds()
    assert add(counted, range(100)) == 0
    assert add(counted, [*range(90, 110), 105]) == 11
    assert add(counted, [1, 1, 1]) == 3
    assert counted.count == 14


def test_beyond_what_is_remembered_the_count_is_near_enough(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_ids, "IDS_COUNTED_EXACTLY", 10_000)
    counted = RepeatedIds()
    for _ in range(3):
        for start in range(0, 60_000, 1_000):
            add(counted, range(start, start + 1_000))
    assert 0.75 < counted.count / 120_000 < 1.25
    assert counted._all is None
    assert len(counted._some) < 1_000


def test_ids_that_never_repeat_are_never_thought_to(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_ids, "IDS_COUNTED_EXACTLY", 10_000)
    counted = RepeatedIds()
    for start in range(0, 60_000, 1_000):
        add(counted, range(start, start + 1_000))
    assert counted.count == 0


def test_chunks_tell_what_came_before_within_them_and_across_them() -> None:
    ids = ["a", "b", "a", "c", "d", "a", "b", "e"]
    lines = b"\n".join(b'{"id":"%s","data":{"n":1}}' % each.encode() for each in ids)
    chunks = list(Chunker(batch_size=3, lines_bytes_max=1_000).cut([Block(ids, lines, [Span("f", 1, len(ids))])]))
    assert [chunk.superseded for chunk in chunks] == [1, 0, 0]
    assert [list(chunk.ids) for chunk in chunks] == [["a", "b", "c"], ["d", "a", "b"], ["e"]]
    assert [chunk.seen_before for chunk in chunks] == [1, 2, 0]
