"""Chunks of single campaigns: each record once, in the order of its campaign, cut alike whatever the blocks are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

import pytest

from engine.reading import Routing, routed_chunker
from engine.reading.routed_chunker import routed_chunks
from engine.values import SEQ_BITS, Block, Chunk, Refusal, SourceUntrusted, Span, places
from engine.values.spans import Place

BY_ID = Routing("bucket")


def blocks_of(records: list[tuple[str, str]], *, size: int, rng: Random | None = None) -> Iterator[Block]:
    """Blocks of records given as id and text, at rows 1, 2, …; of one size, or of any up to that."""
    start = 0
    while start < len(records):
        count = size if rng is None else rng.randrange(1, size + 1)
        some = records[start : start + count]
        lines = [json.dumps({"id": id_, "data": {"b": text, "n": start + n}}) for n, (id_, text) in enumerate(some)]
        text = "\n".join(line.replace(", ", ",").replace(": ", ":") for line in lines).encode()
        spans = [Span("loans", start + 1, len(some))]
        ids = [id_ for id_, _ in some]
        yield Block(ids, text, spans, source_bytes=len(some), routed_by=[text for _, text in some])
        start += count


def chunks_of(
    records: list[tuple[str, str]], routing: Routing = BY_ID, *, block: int = 10, rng: Random | None = None
) -> list[Chunk]:
    return list(routed_chunks(blocks_of(records, size=block, rng=rng), routing, batch_size=10, lines_bytes_max=500))


def some_records(seed: int, campaigns: int, count: int) -> list[tuple[str, str]]:
    rng = Random(seed)
    print("seed", seed)
    return [(f"loan_{rng.randrange(count)}", f"camp_{rng.randrange(campaigns)}") for _ in range(count)]


def known(chunks: Iterable[Chunk]) -> list[tuple[int, str, bytes, list[Place], int]]:
    return sorted((c.seq, c.campaign_id, c.lines, list(places(c.spans)), c.superseded) for c in chunks if c.ids)


@pytest.mark.parametrize("seed", range(10))
def test_every_record_is_in_a_chunk_of_its_campaign(seed: int) -> None:
    records = some_records(seed, campaigns=1 + seed, count=300)
    chunks = chunks_of(records)
    assert sum(chunk.read for chunk in chunks) == 300
    assert sum(chunk.source_bytes for chunk in chunks) == 300
    latest = {(text, id_): row for row, (id_, text) in enumerate(records, 1)}
    found: dict[tuple[str, str], int] = {}
    for chunk in sorted(chunks, key=lambda chunk: chunk.seq):
        assert len(set(chunk.ids)) == len(chunk.ids) <= 10
        assert len(chunk.lines) <= 500
        for id_, place in zip(chunk.ids, places(chunk.spans), strict=True):
            assert found.get((chunk.campaign_id, id_), 0) < place.row, "later ones win"
            found[chunk.campaign_id, id_] = place.row
    assert found == latest
    assert {chunk.seq >> SEQ_BITS for chunk in chunks if chunk.ids} == set(range(1, 1 + len({t for _, t in records})))


@pytest.mark.parametrize("a_stride", [1, 2, 100])
@pytest.mark.parametrize("seed", range(10))
def test_where_chunks_are_cut_does_not_depend_on_the_blocks(
    seed: int, a_stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routed_chunker, "CAMPAIGNS_A_STRIDE", a_stride)
    routing, records = Routing("bucket", open_chunks=2), some_records(seed, campaigns=7, count=400)
    assert known(chunks_of(records, routing)) == known(chunks_of(records, routing, block=37, rng=Random(seed)))


@pytest.mark.parametrize("seed", range(10))
def test_what_is_said_to_be_apart_is(seed: int) -> None:
    before: dict[str, list[Chunk]] = {}
    for chunk in chunks_of(some_records(seed, campaigns=3, count=600)):
        for other in before.setdefault(chunk.campaign_id, []):
            assert other.seq < chunk.seq
            if other.seq >= chunk.apart_from:
                assert set(other.ids).isdisjoint(chunk.ids)
        before[chunk.campaign_id].append(chunk)


def test_ids_that_come_again_are_counted_in_their_campaign() -> None:
    records = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x"), ("c", "x")] + [(f"z{n}", "x") for n in range(20)]
    chunks = chunks_of([*records, ("a", "x"), ("a", "y")])
    assert sum(chunk.seen_before for chunk in chunks) == 3


def test_what_waits_is_bounded_and_the_fullest_goes_first() -> None:
    routing = Routing("bucket", open_chunks=3)
    records = [(f"loan_{n}", f"camp_{n % 8}" if n % 4 else "camp_most") for n in range(400)]
    waiting: Counter[str] = Counter()
    read = 0
    for chunk in routed_chunks(blocks_of(records, size=10), routing, batch_size=10, lines_bytes_max=100_000):
        last = max(place.row for place in places(chunk.spans))
        for _, text in records[read : max(read, last)]:
            waiting[text] += 1
        read = max(read, last)
        waiting[chunk.campaign_id] -= len(chunk.ids)
        assert waiting.total() <= 3 * 10 + 10


@pytest.mark.parametrize(("other", "rest"), [("invalid", (2, 0)), ("skip", (0, 2)), ("camp_rest", (0, 0))])
def test_others(other: str, rest: tuple[int, int]) -> None:
    routing = Routing("bucket", {"x": "camp_x"}, other)
    chunks = chunks_of([("a", "x"), ("b", "?"), ("c", "")], routing)
    assert {chunk.campaign_id: list(chunk.ids) for chunk in chunks if chunk.ids} == {
        "camp_x": ["a"],
        **({"camp_rest": ["b", "c"]} if other == "camp_rest" else {}),
    }
    [nowhere] = [chunk for chunk in chunks if not chunk.campaign_id] or [Chunk(0, [], chunks[0].joined, [])]
    assert (len(nowhere.refusals), nowhere.filtered) == rest
    assert [refusal.id for refusal in nowhere.refusals] == ["b", "c"][: rest[0]]


def test_refusals_go_where_their_text_says() -> None:
    refusals = [
        Refusal("bad", Place("loans", row), raw="", routed_by=text) for row, text in enumerate(["x", "?", None])
    ]
    routing = Routing("bucket", {"x": "camp_x"}, "skip")
    chunks = list(routed_chunks([Block([], b"", [], refusals)], routing, batch_size=10, lines_bytes_max=500))
    assert {c.campaign_id: ([r.place.row for r in c.refusals], c.filtered) for c in chunks} == {
        "camp_x": ([0], 0),
        "": ([2], 1),
    }


def test_a_column_of_too_many_values_is_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.reading.router.CAMPAIGNS_MAX", 20)
    with pytest.raises(SourceUntrusted, match="more than 20 campaigns"):
        chunks_of([(f"loan_{n}", f"loan_{n}") for n in range(50)])


def test_a_record_that_is_too_large_is_refused_and_no_other() -> None:
    records = [("a", "x"), ("b" * 600, "x"), ("c", "x")]
    [chunk] = chunks_of(records)
    assert (list(chunk.ids), [refusal.id for refusal in chunk.refusals]) == (["a", "c"], ["b" * 600])


def test_with_more_open_chunks_far_more_campaigns_get_full_ones() -> None:
    records = [(f"loan_{n}", f"camp_{n % 200}") for n in range(200 * 30)]
    counts = {}
    for open_chunks in (50, 250):
        routing = Routing("bucket", open_chunks=open_chunks)
        chunks = list(routed_chunks(blocks_of(records, size=10), routing, batch_size=10, lines_bytes_max=100_000))
        assert sum(len(chunk.ids) for chunk in chunks) == len(records)
        counts[open_chunks] = len(chunks)
    assert counts[250] == 200 * 3
    assert counts[50] > 2 * counts[250]
