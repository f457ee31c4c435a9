"""Chunks: every record once, in order, within both limits, cut the same way whatever the blocks are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, strategies as st

from engine.reading.chunker import Chunker
from engine.reading.open_chunk import REFUSALS_MAX, merge_lines
from engine.values import Block, Chunk, Place, Refusal, Span, place_of, places


class Record(NamedTuple):
    id: str
    data: dict[str, Any]
    place: Place

    @property
    def line(self) -> bytes:
        return line_of(self.id, self.data)


def line_of(id_: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"id": id_, "data": data}, ensure_ascii=False, separators=(",", ":")).encode()


@st.composite
def portfolios(draw: st.DrawFn) -> list[Record]:
    """Records whose ids repeat, in one or two files, with rows missing here and there."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c", "d", "ü", 'x"\\\n']),
                st.dictionaries(st.sampled_from(["p", "q", "ключ"]), st.text(max_size=12) | st.integers(), min_size=1),
                st.integers(1, 3),
            ),
            max_size=40,
        )
    )
    split_at = draw(st.integers(0, len(drawn)))
    rows = [list(accumulate(gap for *_, gap in part)) for part in (drawn[:split_at], drawn[split_at:])]
    located = [Place(path, row) for path, part in zip(["one", "two"], rows, strict=True) for row in part]
    return [Record(id_, data, place) for (id_, data, _), place in zip(drawn, located, strict=True)]


def block_of(records: Sequence[Record], refusals: Iterable[Refusal] = ()) -> Block:
    return Block(
        ids=[record.id for record in records],
        lines=b"\n".join(record.line for record in records),
        spans=_spans(records),
        refusals=list(refusals),
        source_bytes=len(records),
    )


def _spans(records: Sequence[Record]) -> list[Span]:
    """The places as a source gives them: one span for rows that follow each other in a file."""
    spans: list[Span] = []
    for record in records:
        last = spans[-1] if spans else None
        if last and last.path == record.place.path and last.first_row + last.count == record.place.row:
            spans[-1] = Span(last.path, last.first_row, last.count + 1)
        else:
            spans.append(Span(*record.place, 1))
    return spans


def cut(blocks: Iterable[Block], *, batch_size: int = 5, bytes_max: int = 10_000) -> list[Chunk]:
    return list(Chunker(batch_size=batch_size, lines_bytes_max=bytes_max).cut(blocks))


def blocks_at(records: Sequence[Record], cuts: Iterable[int]) -> list[Block]:
    edges = [0, *sorted(cut % (len(records) + 1) for cut in cuts), len(records)]
    return [block_of(records[start:end]) for start, end in pairwise(edges)]


def records_of(chunk: Chunk) -> Iterator[Record]:
    lines = chunk.lines.split(b"\n") if chunk.ids else []
    for id_, line, place in zip(chunk.ids, lines, places(chunk.spans), strict=True):
        document = json.loads(line)
        assert document["id"] == id_
        yield Record(id_, document["data"], place)


Limits = st.tuples(st.integers(1, 8), st.sampled_from([40, 60, 120, 10_000]))
Cuts = st.lists(st.integers(0, 40), max_size=6)


@given(portfolios(), Limits, Cuts)
def test_every_record_is_in_exactly_one_chunk_merged_in_order(
    records: list[Record], limits: tuple[int, int], cuts: list[int]
) -> None:
    chunks = cut(blocks_at(records, cuts), batch_size=limits[0], bytes_max=limits[1])
    rest = list(records)
    for chunk in chunks:  # a chunk holds the next records of the source, those of one id merged
        too_large = [refusal.place for refusal in chunk.refusals]
        taken, rest = rest[: chunk.read], rest[chunk.read :]
        expected: dict[str, Record] = {}
        for record in taken:
            if record.place not in too_large:
                before = expected[record.id].data if record.id in expected else {}
                expected[record.id] = Record(record.id, before | record.data, record.place)
        assert list(records_of(chunk)) == list(expected.values())
        assert chunk.superseded == len(taken) - len(too_large) - len(expected)
    assert not rest
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))


@given(portfolios(), Limits, Cuts)
def test_both_limits_hold_and_no_chunk_closes_before_its_time(
    records: list[Record], limits: tuple[int, int], cuts: list[int]
) -> None:
    batch_size, bytes_max = limits
    records = [record for record in records if len(record.line) <= bytes_max]
    chunks = cut(blocks_at(records, cuts), batch_size=batch_size, bytes_max=bytes_max)
    for chunk in chunks:
        assert len(chunk.ids) == len(set(chunk.ids)) <= batch_size
        assert len(chunk.lines) <= bytes_max
    starts = list(accumulate(chunk.read for chunk in chunks))
    for chunk, start in zip(chunks[:-1], starts, strict=False):
        if len(chunk.ids) < batch_size:
            following = records[start]  # it did not fit, or the chunk would have gone on
            held = dict(zip(chunk.ids, chunk.lines.split(b"\n"), strict=True)).get(following.id)
            growth = len(merge_lines(held, following.line)) - len(held) if held else len(following.line) + 1
            assert len(chunk.lines) + growth > bytes_max


@given(portfolios(), Limits, Cuts)
def test_chunks_do_not_depend_on_the_blocks(records: list[Record], limits: tuple[int, int], cuts: list[int]) -> None:
    records = [record for record in records if len(record.line) <= limits[1]]
    one, many = (
        [
            (chunk.ids, chunk.lines, list(places(chunk.spans)), chunk.superseded)
            for chunk in cut(blocks, batch_size=limits[0], bytes_max=limits[1])
        ]
        for blocks in (blocks_at(records, []), blocks_at(records, cuts))
    )
    assert one == many


@given(portfolios(), Cuts)
def test_bytes_read_are_counted_once(records: list[Record], cuts: list[int]) -> None:
    blocks = blocks_at(records, cuts)
    assert sum(chunk.source_bytes for chunk in cut(blocks)) == len(records)


Data = st.dictionaries(st.text(max_size=3), st.integers() | st.text() | st.none() | st.lists(st.booleans()))


@given(Data, Data)
def test_later_values_win_and_their_bytes_are_kept(older: dict[str, Any], newer: dict[str, Any]) -> None:
    assert json.loads(merge_lines(line_of("é", older), line_of("é", newer))) == {"id": "é", "data": older | newer}


def test_merging_alters_no_value_that_python_could_not_hold() -> None:
    older = rb'{"id":"a","data":{"big":184467440737095516160000001,"gone":1}}'
    newer = rb'{"id":"a","data":{"exact":1.10,"gone":{"k" : [1e999]},"text":"\u00e9\/"}}'
    merged = merge_lines(older, newer)
    assert merged == (
        rb'{"id":"a","data":{"big":184467440737095516160000001,"gone":{"k" : [1e999]},"exact":1.10,"text":"\u00e9\/"}}'
    )


def test_a_full_block_passes_uncut() -> None:
    records = [Record(str(number), {"n": number}, Place("f", number + 1)) for number in range(5)]
    block = block_of(records)
    [chunk] = cut([block], batch_size=5)
    assert chunk.lines is block.lines
    assert chunk.ids == block.ids


def refusal(row: int, raw: str = "?") -> Refusal:
    return Refusal("not valid JSON", Place("f", row), raw=raw)


def test_refusals_are_kept_in_order_even_without_any_record() -> None:
    record = Record("a", {"n": 1}, Place("f", 2))
    chunks = cut([block_of([], [refusal(1)]), block_of([record], [refusal(3)]), block_of([], [refusal(4)])])
    assert [found.place.row for chunk in chunks for found in chunk.refusals] == [1, 3, 4]
    assert sum(chunk.read for chunk in chunks) == 4
    [only] = cut([block_of([], [refusal(1)])])
    assert (only.ids, only.lines, only.read) == ([], b"", 1)


@pytest.mark.parametrize(("count", "characters"), [(REFUSALS_MAX, 1), (20, 600)], ids=["many", "large"])
def test_refusals_cannot_fill_the_memory(count: int, characters: int) -> None:
    chunker = Chunker(batch_size=5, lines_bytes_max=10_000)
    closed = [chunk for row in range(count) for chunk in chunker.add(block_of([], [refusal(row, "?" * characters)]))]
    assert closed
    assert all(len(chunk.refusals) <= REFUSALS_MAX for chunk in closed)


def test_a_record_too_large_alone_is_refused_with_its_data_and_place() -> None:
    small, large = Record("s", {"n": 1}, Place("f", 1)), Record("l", {"n": "x" * 100}, Place("f", 2))
    [chunk] = cut([block_of([small, large])], bytes_max=60)
    assert chunk.ids == ["s"]
    [refused] = chunk.refusals
    assert (refused.id, refused.place) == ("l", Place("f", 2))
    assert "max_body_bytes" in refused.reason
    assert msgspec.json.decode(refused.data or b"") == large.data


def test_the_place_of_a_merged_record_is_where_its_latest_values_stand() -> None:
    records = [Record(id_, {"n": row}, Place("f", row)) for row, id_ in enumerate("abcab", 1)]
    [chunk] = cut([block_of(records)], batch_size=10)
    assert chunk.ids == ["a", "b", "c"]
    assert [place_of(chunk.spans, index).row for index in range(3)] == [4, 5, 3]


def test_nothing_in_nothing_out() -> None:
    assert cut([]) == cut([block_of([])]) == []


def test_scattered_rows_take_no_quadratic_time() -> None:
    """Every other row missing, and ids that fill a chunk but for one: places are looked at a few times, not 10,000."""
    records = [Record(str(n % 999), {"n": n}, Place("f", 2 * n)) for n in range(3_000)]
    looked_at = 0

    class CountingSpan(Span, frozen=True):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looked_at
            looked_at += name == "count"
            return super().__getattribute__(name)

    block = block_of(records)
    block.spans = [CountingSpan(span.path, span.first_row, span.count) for span in block.spans]
    assert cut([block], batch_size=1_000, bytes_max=10_000_000)
    assert looked_at < 20 * len(records)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
def test_each_chunk_has_the_bytes_of_its_own_records_though_they_were_read_at_once(batch_size: int) -> None:
    ids = [f"loan_{number}" for number in range(20)]
    lines = b"\n".join(b'{"id":"%b","data":{}}' % each.encode() for each in ids)
    blocks = [
        Block(
            ids[start:stop], b"\n".join(lines.split(b"\n")[start:stop]), [Span("f", start + 1, 10)], source_bytes=1_000
        )
        for start, stop in ((0, 10), (10, 20))
    ]
    chunks = list(Chunker(batch_size=batch_size, lines_bytes_max=10_000).cut(blocks))
    assert [chunk.source_bytes for chunk in chunks] == [100 * chunk.read for chunk in chunks]
