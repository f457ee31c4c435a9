"""A witness that was in flight when its process ended: newer values of its id wait until it can land no more."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from engine.pipeline.admission import OrderGate
from engine.pipeline.late_copies import ALL_SEQS, HeldBack, LateCopies
from engine.pipeline.witnesses_before import WitnessesBefore
from engine.values import Chunk
from tests.fakes import chunk_of
from tests.simulation.virtual_time import VirtualLoop, run


def in_campaign(campaign_id: str, *ids: str, seq: int = 0) -> Chunk:
    chunk = chunk_of(*ids, seq=seq)
    chunk.campaign_id = campaign_id
    return chunk


@pytest.mark.parametrize("left", [{"before": {ALL_SEQS: 30.0}}, {"before": {3: 30.0}}])
def test_the_last_record_of_a_finished_chunk_may_land_after_its_process_has_ended(left: dict[str, object]) -> None:
    async def live() -> list[float]:
        late_copies = LateCopies(60.0, **left)  # type: ignore[arg-type]
        gate, loop, at = OrderGate(10, late_copies), asyncio.get_running_loop(), []
        gate.skip(chunk_of("a", "b", seq=0))
        for seq, record_id in enumerate(("a", "c", "b"), start=4):
            admission = asyncio.ensure_future(gate.admit(chunk_of(record_id, seq=seq)))
            await asyncio.sleep(0.5)
            if record_id == "b":
                assert late_copies.held_back == HeldBack(ids=1, until=30.0)
            await admission
            at.append(loop.time())
        assert late_copies.held_back is None
        return at

    assert run(live(), VirtualLoop()) == pytest.approx([0.5, 1.0, 30.0], abs=0.01)


def test_where_nothing_was_left_nothing_is_kept() -> None:
    witnesses = WitnessesBefore(-inf)
    witnesses.skip(chunk_of("a"))
    assert not witnesses
    assert witnesses.late_until(chunk_of("a"), now=0.0) == -inf


def test_each_campaign_has_its_own_and_time_ends_it() -> None:
    witnesses = WitnessesBefore(10.0)
    witnesses.skip(in_campaign("one", "a", "b"))
    witnesses.skip(in_campaign("one", "c"))
    witnesses.skip(in_campaign("other"))
    assert witnesses.late_until(in_campaign("one", "x", "c", "b"), now=1.0) == 10.0
    assert sorted(witnesses.among(in_campaign("one", "x", "c", "b"))) == ["b", "c"]
    assert witnesses.late_until(in_campaign("one", "a"), now=1.0) == -inf
    assert witnesses.late_until(in_campaign("other", "b"), now=1.0) == -inf
    assert witnesses.late_until(in_campaign("one", "b"), now=10.0) == -inf
    assert not witnesses


def test_what_was_compared_does_not_tell_ids_so_all_that_comes_again_waits() -> None:
    witnesses = WitnessesBefore(10.0)
    compared, new, again = chunk_of("a"), chunk_of("b"), chunk_of("c", "d")
    compared.source_digest, new.repeats, again.repeats = b"digest", False, True
    witnesses.skip(compared)
    assert witnesses.late_until(new, now=1.0) == -inf
    assert witnesses.late_until(again, now=1.0) == 10.0
    assert len(witnesses.among(again)) == 2
