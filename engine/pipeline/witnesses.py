"""Witnesses: records that the API has acknowledged, sent again to prove that it is there while another record fails."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from engine.pipeline.admission import OrderGate
from engine.values import Chunk, ChunkResult, id_of_line

CAMPAIGNS_MAX = 8
"""So many campaigns have a witness: each keeps a chunk alive."""


class Witness(Struct, frozen=True):
    """A record that the API has acknowledged, as its line, in its newest version."""

    id: str
    line: bytes


class _Latest(Struct, frozen=True):
    """The latest chunk of a campaign that has a durable result."""

    seq: int
    chunk: Chunk | None
    """None unless its last record was acknowledged."""
    of_earlier: bool
    """Whether an earlier process has finished it."""


_NOTHING = _Latest(-1, None, False)


class Witnesses:
    """Keeps the last record of the latest chunk that has a durable result, in source order, if it was acknowledged.

    Of its id nothing newer can have been sent, except in chunks that are not finished yet. As long as there is none, a
    record serves that the ledger knows to be on the server. With many campaigns each has its own, the latest few.
    """

    def __init__(self, gate: OrderGate) -> None:
        self._gate = gate
        self._latest: OrderedDict[str, _Latest] = OrderedDict()
        """That of each campaign."""
        self._unchanged: dict[int, bytes] = {}

    def offer(self, chunk: Chunk) -> None:
        """A chunk is about to be sent; it may know of a record that needs no update, so that the API has it."""
        if chunk.unchanged_line:
            self._unchanged[chunk.seq] = chunk.unchanged_line

    def leave(self, chunk: Chunk) -> None:
        """A chunk will not be sent."""
        self._unchanged.pop(chunk.seq, None)

    def note(self, result: ChunkResult) -> None:
        """A chunk has a durable result."""
        last = len(result.chunk.ids) - 1
        self._unchanged.pop(result.chunk.seq, None)
        self.note_finished(result.chunk, acknowledged=all(failure.index != last for failure in result.failures))

    def note_finished(self, chunk: Chunk, *, acknowledged: bool, of_earlier: bool = False) -> None:
        """A chunk has a durable result, perhaps of an earlier process; its last record may have been acknowledged."""
        before = self._latest.get(chunk.campaign_id, _NOTHING)
        if chunk.seq > before.seq and len(chunk.ids):
            self._latest[chunk.campaign_id] = _Latest(chunk.seq, chunk if acknowledged else None, of_earlier)
            self._latest.move_to_end(chunk.campaign_id)
            if len(self._latest) > CAMPAIGNS_MAX:
                self._latest.popitem(last=False)

    def borrow(self, for_chunk: Chunk) -> Witness | None:
        """Return a record for a chunk to send again, which holds its id from then on, or None."""
        for_seq = for_chunk.seq
        latest = self._latest.get(for_chunk.campaign_id, _NOTHING)
        of_seq, of_earlier, line = latest.seq, latest.of_earlier, b""
        if latest.chunk is not None:
            line = latest.chunk.last_line  # only here: cutting it out is for the rare case
        elif of_seq < for_seq:  # else a newer version of the unchanged one may have been sent
            of_seq, of_earlier, line = for_seq, False, self._unchanged.get(for_seq, b"")
        if not line:
            return None
        record_id = id_of_line(line)
        if not self._gate.borrow(record_id, of_seq=of_seq, for_seq=for_seq, of_earlier=of_earlier):
            return None
        return Witness(record_id, line)
