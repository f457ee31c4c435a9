"""The accounts: whatever was read, skipped and settled, in whatever order, the equation holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import pytest
from hypothesis import given, strategies as st

from engine.pipeline.accounts import Accounts
from engine.values import Chunk, ChunkResult, Failure, Outcome, Place, Refusal
from engine.values.counts import ChunkCounts, RecordCounts
from engine.values.errors import SourceUntrusted
from tests.fakes import chunk_of


@dataclass(frozen=True)
class Fate:
    """A chunk of the source, what becomes of it, and whether an earlier process has brought it there."""

    updated: int
    rejected: int
    unknown: int
    invalid: int
    superseded: int
    done_before: bool

    def result(self, seq: int) -> ChunkResult:
        failed = [Outcome.REJECTED] * self.rejected + [Outcome.UNKNOWN] * self.unknown
        chunk = chunk_of(*(f"loan_{seq}_{number}" for number in range(self.updated + len(failed))), seq=seq)
        chunk.refusals = [Refusal("bad", Place("f", 1))] * self.invalid
        chunk.superseded = self.superseded
        return ChunkResult(chunk, [Failure(index, outcome, "no") for index, outcome in enumerate(failed)])

    @property
    def read(self) -> int:
        return self.updated + self.rejected + self.unknown + self.invalid + self.superseded

    def counts(self) -> ChunkCounts:
        return ChunkCounts(
            read=self.read,
            invalid=self.invalid,
            superseded=self.superseded,
            updated=self.updated,
            rejected=self.rejected,
            unknown=self.unknown,
        )


FEW = st.integers(0, 3)
FATES = st.lists(st.builds(Fate, FEW, FEW, FEW, FEW, FEW, st.booleans()), max_size=12)


def sums(fates: Sequence[Fate]) -> ChunkCounts:
    """What the journal would say of these."""
    return ChunkCounts(*map(sum, zip(*(astuple(fate.counts()) for fate in fates), strict=True)))


@given(FATES, st.data())
def test_the_equation_holds_after_every_step(fates: list[Fate], data: st.DataObject) -> None:
    before = [fate for fate in fates if fate.done_before]
    results = [fate.result(seq) for seq, fate in enumerate(fates)]
    accounts = Accounts(sums(before))
    in_flight: list[int] = []
    settled: list[int] = []

    def check(pending: Sequence[int]) -> None:
        accounts.counts.check()
        assert accounts.pending == accounts.counts.pending == sum(fates[seq].read for seq in pending)
        assert accounts.durable == sums(before + [fates[seq] for seq in settled])

    def settle_some(most: int) -> None:
        for _ in range(most):
            seq = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            accounts.settle([results[seq]])
            settled.append(seq)
            check(in_flight)

    for chunk in accounts.reading(result.chunk for result in results):
        if fates[chunk.seq].done_before:
            accounts.skip(chunk)
        else:
            in_flight.append(chunk.seq)
        check(in_flight)
        settle_some(data.draw(st.integers(0, len(in_flight))))
    assert accounts.finished == (accounts.pending == 0)
    settle_some(len(in_flight))
    assert accounts.finished
    assert accounts.counts == RecordCounts.of(sums(fates), pending=0)


def test_what_earlier_processes_left_counts_and_is_not_pending() -> None:
    accounts = Accounts(ChunkCounts(read=7, invalid=1, updated=6))
    assert accounts.counts == RecordCounts(read=7, invalid=1, updated=6)
    assert accounts.pending == 0
    assert not accounts.finished  # nobody knows yet whether there is more


def test_a_chunk_is_read_before_anybody_has_it() -> None:
    accounts = Accounts(ChunkCounts())
    chunk = chunk_of("a", "b")
    chunk.source_bytes = 40
    assert next(accounts.reading([chunk])) is chunk
    assert (accounts.read, accounts.source_bytes, accounts.pending) == (2, 40, 2)
    assert next(accounts.reading([chunk])) is chunk
    assert (accounts.read, accounts.source_bytes, accounts.pending) == (4, 80, 4)


def test_it_is_not_finished_before_the_source_has_ended() -> None:
    accounts = Accounts(ChunkCounts())
    chunks = accounts.reading([chunk_of("a")])
    accounts.settle([ChunkResult(next(chunks))])
    assert (accounts.pending, accounts.finished) == (0, False)
    assert list(chunks) == []
    assert accounts.finished


def test_a_source_that_fails_has_not_ended() -> None:
    def torn() -> Iterator[Chunk]:
        yield chunk_of("a")
        raise SourceUntrusted("the file is cut off")

    accounts = Accounts(ChunkCounts())
    with pytest.raises(SourceUntrusted):
        accounts.settle([ChunkResult(chunk) for chunk in accounts.reading(torn())])
    accounts.settle([ChunkResult(chunk_of("a"))])
    assert (accounts.pending, accounts.finished) == (0, False)


def test_the_counts_are_no_view_that_changes_later() -> None:
    accounts = Accounts(ChunkCounts())
    before = accounts.counts
    accounts.settle([ChunkResult(chunk) for chunk in accounts.reading([chunk_of("a")])])
    assert before == RecordCounts()


def sized(*ids: str, source_bytes: int, seq: int = 0) -> Chunk:
    chunk = chunk_of(*ids, seq=seq)
    chunk.source_bytes = source_bytes
    return chunk


def test_only_the_bytes_of_finished_records_are_settled() -> None:
    accounts = Accounts(ChunkCounts())
    first, _ = list(accounts.reading([sized("a", source_bytes=10), sized("b", source_bytes=30, seq=1)]))
    accounts.settle([ChunkResult(first)])
    assert (accounts.source_bytes, accounts.settled_bytes, accounts.skipped_bytes) == (40, 10, 0)


def test_it_passes_over_what_earlier_processes_have_finished_and_says_so() -> None:
    accounts = Accounts(ChunkCounts(read=1, updated=1))
    chunks = accounts.reading([sized("a", source_bytes=10), sized("b", source_bytes=30, seq=1)])
    assert accounts.is_passing
    assert accounts.unread_bytes(100) is None  # who knows how far the others were
    accounts.skip(next(chunks))
    assert not accounts.is_passing
    assert (accounts.skipped_bytes, accounts.settled_bytes) == (10, 0)
    assert accounts.unread_bytes(100) == 90


def test_what_is_left_unread_is_nothing_at_the_end_of_the_source_and_the_rest_before() -> None:
    accounts = Accounts(ChunkCounts())
    chunks = accounts.reading([sized("a", source_bytes=10)])
    next(chunks)
    assert (accounts.unread_bytes(100), accounts.unread_bytes(None)) == (90, None)
    assert list(chunks) == []
    assert accounts.unread_bytes(100) == accounts.unread_bytes(None) == 0
    assert accounts.unread_bytes(100, whole=False) == 90  # only the first records were wanted
