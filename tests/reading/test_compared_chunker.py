"""Chunks of what has changed: every record ends in exactly one, and the API ends up with the latest values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from engine.ledger import keys_of
from engine.reading.compared_chunker import ComparedChunker
from engine.reading.comparing import Comparing
from engine.values import Block, Chunk, places
from tests.reading.nights import (
    IDS,
    KEY,
    Data,
    Expected,
    ExpectedChunk,
    Item,
    Ledger,
    Record,
    block_of,
    fields,
    items_of,
    record_of,
    sources,
)

limits = st.tuples(st.integers(1, 5), st.sampled_from([40, 90, 100_000]))
"""Records and bytes that a chunk has at most: of 40 bytes, some records are too large alone."""

contents = st.dictionaries(st.sampled_from(IDS), fields)


def cut(blocks: Sequence[Block], comparing: Comparing, limit: tuple[int, int]) -> list[Chunk]:
    chunker = ComparedChunker(comparing, batch_size=limit[0], lines_bytes_max=limit[1], concurrency=2)
    return list(chunker.cut(blocks))


def held_by(chunk: Chunk) -> list[Record]:
    return [record_of(line) for line in chunk.lines.split(b"\n")] if chunk.ids else []


def voided_by(chunk: Chunk) -> set[bytes]:
    voids = chunk.entries.voids if chunk.entries else b""
    return {voids[at : at + 8] for at in range(0, len(voids), 8)}


def assert_as_expected(chunk: Chunk, expected: ExpectedChunk, items: Sequence[Item], limit: tuple[int, int]) -> None:
    assert {record.id: record.data for record in held_by(chunk)} == expected.held
    assert list(chunk.ids) == [record.id for record in held_by(chunk)]
    assert len(set(chunk.ids)) == len(chunk.ids) <= limit[0]
    assert len(chunk.lines) <= limit[1]
    assert (chunk.unchanged, chunk.superseded) == (expected.unchanged, expected.superseded)
    assert len(chunk.refusals) == expected.refused
    assert voided_by(chunk) == {keys_of([each], KEY) for each in expected.voids}
    assert len(list(places(chunk.spans))) == len(chunk.ids)
    assert chunk.read == len(items)


@given(sources(), contents, contents, limits, st.booleans(), st.booleans())
@settings(max_examples=150)
def test_a_pass_sends_what_the_ledger_does_not_know_to_be_on_the_server_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[Block],
    older: dict[str, Data],
    newer: dict[str, Data],
    limit: tuple[int, int],
    is_full: bool,
    is_due: bool,
) -> None:
    ledger, good = Ledger(tmp_path_factory.mktemp("ledger")), older | newer
    ledger.acknowledge(1, [Record(*each) for each in older.items()])
    ledger.acknowledge(2, [Record(*each) for each in newer.items()])
    voided = [each for each in good if each in IDS[:2]]
    ledger.void(2, keys_of(voided, KEY))
    expected = Expected(
        good={each: data for each, data in good.items() if each not in voided},
        due=frozenset(older.keys() - newer.keys()) if is_due else frozenset(),
        is_full=is_full,
    )
    items, at = items_of(blocks), 0
    for chunk in cut(blocks, ledger.comparing(due=[1] if is_due else [], is_full=is_full), limit):
        assert chunk.seq == at
        some = items[at : at + chunk.read]
        assert_as_expected(chunk, expected.chunk(some, limit[1]), some, limit)
        at += chunk.read
    assert at == len(items), "every record is in one chunk"


class Run:
    """A run that is cut, and goes on: its ledger, and a server that merges fields."""

    def __init__(self, home: Path, before: dict[str, Data]) -> None:
        self.ledger = Ledger(home)
        self.ledger.acknowledge(1, [Record(*each) for each in before.items()])
        self.server: dict[str, Data] = {each: dict(data) for each, data in before.items()}
        self.done: dict[int, Chunk] = {}

    def send(self, chunk: Chunk, *, is_applied: bool, is_acknowledged: bool) -> None:
        """Send a chunk; it may be applied without an acknowledgement."""
        if chunk.entries is not None:
            self.ledger.void(2, chunk.entries.voids)
        if is_applied:
            for record in held_by(chunk):
                self.server.setdefault(record.id, {}).update(record.data)
        if is_acknowledged:
            self.ledger.acknowledge(2, held_by(chunk))
            self.done[chunk.seq] = chunk

    def interrupt(self, chunks: Sequence[Chunk], fates: Sequence[str]) -> None:
        """Let chunks be acknowledged, sent, or not even that, as far as the order gate would let them through."""
        open_: list[Chunk] = []
        for chunk, fate in zip(chunks, fates, strict=False):
            waits = any(chunk.repeats or not set(chunk.ids).isdisjoint(other.ids) for other in open_)
            if fate == "acknowledged" and not waits:
                self.send(chunk, is_applied=True, is_acknowledged=True)
                continue
            if fate != "waiting" and not waits:
                self.send(chunk, is_applied=fate == "applied", is_acknowledged=False)
            open_.append(chunk)


fates = st.lists(st.sampled_from(["acknowledged", "acknowledged", "applied", "lost", "waiting"]), max_size=30)


@given(sources(), contents, limits, fates)
@settings(max_examples=250)
def test_a_run_that_was_cut_anywhere_goes_on_and_the_server_ends_up_with_the_latest_values(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[Block],
    before: dict[str, Data],
    limit: tuple[int, int],
    fates: list[str],
) -> None:
    run = Run(tmp_path_factory.mktemp("ledger"), before)
    items = items_of(blocks)
    first = cut(blocks, run.ledger.comparing(), limit)
    refused = sum(item is not None and len(item.line) > limit[1] for item in items)
    latest = {each: dict(data) for each, data in before.items()}
    for item in items:
        if item is not None and len(item.line) <= limit[1]:
            latest.setdefault(item.id, {}).update(item.data)
    run.interrupt(first, fates)
    done = {seq: chunk.read for seq, chunk in run.done.items() if chunk.read}
    comparing = msgspec.structs.replace(run.ledger.comparing(), done=tuple(sorted(done.items())))
    at = 0
    for chunk in cut(blocks, comparing, limit):
        assert chunk.seq == at
        at += chunk.read
        if chunk.seq in done and chunk.read:
            assert (chunk.read, len(chunk.ids)) == (done[chunk.seq], 0), "it is passed over as one"
            assert chunk.digest() == run.done[chunk.seq].digest()
        else:
            assert len(chunk.ids) <= limit[0]
            assert len(chunk.lines) <= limit[1]
            run.send(chunk, is_applied=True, is_acknowledged=True)
    assert at == len(items)
    if not refused:
        assert run.server == latest


def test_two_records_of_a_new_id_are_sent_in_order(tmp_path: Path) -> None:
    blocks = [block_of([Record("new", {"p": 1})]), block_of([Record("other", {}), Record("new", {"p": 2})])]
    chunks = cut(blocks, Ledger(tmp_path).comparing(), (1, 1000))
    assert [held_by(chunk) for chunk in chunks] == [[record] for block in blocks for record in items_of([block])]
    assert [voided_by(chunk) for chunk in chunks] == [set(), set(), {keys_of(["new"], KEY)}]


def test_a_chunk_tells_that_an_id_of_it_was_read_before_even_in_the_same_block(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.acknowledge(1, [Record("known", {"p": 1})])
    block = block_of([Record("known", {"p": 1}), Record("new", {"p": 1}), Record("known", {"p": 2})])
    assert [chunk.repeats for chunk in cut([block], ledger.comparing(), (1, 1000))] == [False, True]
