"""A limit on the records of a source is exact, and takes the refusals that stand before them."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, strategies as st

from engine.reading.limit import first_records
from engine.values.records import Block, Place, Refusal, Span, places


def block(ids: str, first_row: int, *refused_rows: int) -> Block:
    lines = b"\n".join(b'{"id":"%s","data":{"n":1}}' % id_.encode() for id_ in ids)
    spans, row = [], first_row
    for _ in ids:
        while row in refused_rows:
            row += 1
        spans.append(Span("f", row, 1))
        row += 1
    return Block(list(ids), lines, spans, [Refusal("bad", Place("f", row)) for row in refused_rows], 10)


def test_a_limit_takes_the_first_valid_records_and_the_refusals_before_them() -> None:
    def blocks() -> Iterator[Block]:
        yield block("abc", 1, 2)
        yield block("def", 5, 5, 7, 9)
        raise AssertionError("nobody needs more")

    taken = list(first_records(blocks(), 5))
    assert [each.ids for each in taken] == [["a", "b", "c"], ["d", "e"]]
    assert [place.row for each in taken for place in places(each.spans)] == [1, 3, 4, 6, 8]
    assert [refusal.place.row for each in taken for refusal in each.refusals] == [2, 5, 7, 9]
    assert [line.split(b"\n") for line in [taken[1].lines]] == [block("de", 1).lines.split(b"\n")]


def test_without_a_limit_all_blocks_pass() -> None:
    blocks = [block("abc", 1), block("d", 4)]
    assert list(first_records(blocks, None)) == blocks


@given(st.lists(st.integers(0, 4), max_size=8), st.integers(1, 20))
def test_a_limit_is_exact(sizes: list[int], limit: int) -> None:
    row, blocks = 1, []
    for size in sizes:
        blocks.append(block("abcd"[:size], row))
        row += size
    taken = list(first_records(blocks, limit))
    assert sum(len(each.ids) for each in taken) == min(limit, sum(sizes))
    assert all(sum(span.count for span in each.spans) == len(each.ids) for each in taken)
