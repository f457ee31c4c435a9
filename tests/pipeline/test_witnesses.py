"""Witnesses: the last acknowledged record in source order, never one of which a newer version may be under way."""

from __future__ import annotations

from engine.pipeline.admission import OrderGate
from engine.pipeline.late_copies import LateCopies
from engine.pipeline.witnesses import Witness, Witnesses
from engine.values import ChunkResult, Failure, Outcome
from tests.fakes import chunk_of

LATER = chunk_of(seq=9)


def result(seq: int, *ids: str, failed: int | None = None) -> ChunkResult:
    failures = [] if failed is None else [Failure(failed, Outcome.REJECTED, "bad")]
    return ChunkResult(chunk_of(*ids, seq=seq), failures)


def borrowed(*results: ChunkResult) -> str | None:
    """The id of the record that chunk 9 may borrow after these results."""
    witnesses = Witnesses(OrderGate(10))
    for each in results:
        witnesses.note(each)
    witness = witnesses.borrow(LATER)
    return witness.id if witness else None


def test_before_anything_was_acknowledged_there_is_none() -> None:
    assert borrowed() is None


def test_it_is_the_last_record_of_the_latest_chunk_as_it_was_sent() -> None:
    chunk = chunk_of("a", "b", seq=2)
    witnesses = Witnesses(OrderGate(10))
    witnesses.note(ChunkResult(chunk))
    assert witnesses.borrow(LATER) == Witness("b", chunk.lines.split(b"\n")[1])


def test_results_may_come_in_any_order() -> None:
    assert borrowed(result(0, "a"), result(2, "c"), result(1, "b")) == "c"


def test_a_record_that_was_refused_is_none() -> None:
    assert borrowed(result(0, "a"), result(1, "b", "c", failed=0)) == "c"


def test_an_earlier_one_is_none_either_for_the_latest_chunk_may_hold_a_newer_version_of_it() -> None:
    assert borrowed(result(0, "a"), result(1, "a", "b", failed=1)) is None


def test_a_chunk_without_records_changes_nothing() -> None:
    assert borrowed(result(0, "a"), result(1)) == "a"


def test_chunks_of_an_earlier_process_count_if_nothing_in_them_failed() -> None:
    witnesses = Witnesses(OrderGate(10))
    witnesses.note_finished(chunk_of("a", seq=0), acknowledged=True)
    assert witnesses.borrow(LATER) is not None
    witnesses.note_finished(chunk_of("b", seq=1), acknowledged=False)
    assert witnesses.borrow(chunk_of(seq=8)) is None


async def test_an_id_that_the_gate_does_not_give_is_not_borrowed() -> None:
    gate = OrderGate(10)
    witnesses = Witnesses(gate)
    witnesses.note(result(0, "a"))
    await gate.admit(chunk_of("a", seq=1))
    assert witnesses.borrow(LATER) is None


async def test_one_of_an_earlier_process_is_borrowed_only_when_nothing_newer_can_have_been_sent() -> None:
    gate = OrderGate(8, LateCopies(60.0, in_flight_before=2))
    witnesses = Witnesses(gate)
    witnesses.note_finished(chunk_of("a", seq=0), acknowledged=True, of_earlier=True)
    await gate.admit(LATER)
    assert witnesses.borrow(LATER) is None
    gate.end()
    assert witnesses.borrow(LATER) is not None
