"""Never two versions of an id in flight: a chunk waits for an earlier unfinished one that shares an id with it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf

from msgspec import Struct

from engine.pipeline.late_copies import HeldBack, LateCopies
from engine.pipeline.witnesses_before import WitnessesBefore
from engine.values import SEQ_BITS, Chunk

LATE_MAX = 64
"""The ids of so many finished chunks are kept because a copy may still land; before there are more, all wait."""


class _Late(Struct, frozen=True):
    """Ids of which an older version may land until then; None: those of records that were read before."""

    ids: frozenset[str] | None
    until: float
    campaign_id: str

    def concerns(self, chunk: Chunk) -> bool:
        """Whether a chunk has, or may have, any of them."""
        if chunk.campaign_id != self.campaign_id:
            return False
        return chunk.repeats if self.ids is None else not self.ids.isdisjoint(chunk.ids)

    def among(self, chunk: Chunk) -> set[str]:
        """Return which ids of a chunk are, or may be, among them."""
        if chunk.campaign_id != self.campaign_id:
            return set()
        return set(chunk.ids) if self.ids is None else set(self.ids.intersection(chunk.ids))


class _SetOfIds:
    """Makes a set of ids when it is called, once; few chunks ever need theirs."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._made: set[str] | None = None

    def __call__(self) -> set[str]:
        if self._made is None:
            self._made = set(self._ids)
        return self._made


class OrderGate:
    """Holds all chunks that were let through and have no durable result yet, `concurrency` at the most.

    Only these chunks can have been sent without a trace, so no more than these are sent again after a crash. Ids of
    finished chunks are held as well, as long as a late copy of them may land. Belongs to one event loop.
    """

    def __init__(self, concurrency: int, late_copies: LateCopies | None = None) -> None:
        self._concurrency = concurrency
        self._late_copies = late_copies or LateCopies(0.0)
        self._admitted: Counter[int] = Counter()  # by the number of the campaign
        self._has_all = False
        self._unfinished: dict[int, Callable[[], set[str]]] = {}  # by seq: makes a set of the ids, once it is needed
        self._borrowed: dict[int, set[str]] = {}  # by seq: ids of other chunks that a chunk has sent again
        self._late: list[_Late] = []
        self._late_before: deque[_Late] = deque()  # of chunks that were skipped, not yet among the others
        self._witnesses_before = WitnessesBefore(self._late_copies.before_until)
        self._released = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OrderGate {len(self._unfinished)}/{self._concurrency} chunks, {len(self._late)} late>"

    async def admit(self, chunk: Chunk) -> None:
        """Wait until no unfinished chunk and no late copy shares an id with this one, then hold it.

        Must be called by one task, in source order: that is what keeps the versions of an id in order.
        """
        while True:
            self._released.clear()
            late_until = self.late_until(chunk)
            if late_until == -inf and len(self._unfinished) < self._concurrency and not self._must_wait(chunk):
                break
            self._late_copies.held_back = self._held_back(chunk, late_until)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if late_until == -inf else late_until):
                    await self._released.wait()
        self._late_copies.held_back = None
        if not self._knows_all_sent_before(chunk.seq):
            self._late_copies.sent_again(chunk.seq)
        self._admitted[chunk.seq >> SEQ_BITS] += 1
        self._unfinished[chunk.seq] = _SetOfIds(chunk.ids)

    def end(self) -> None:
        """Note that there are no more chunks."""
        self._has_all = True

    def _knows_all_sent_before(self, seq: int) -> bool:
        """Whether all chunks were admitted that an earlier process may have sent and not finished.

        Asked for the campaign of the chunk with this seq: others may have left chunks without a result, however long
        ago, since they were refused.
        """
        return self._has_all or self._admitted[seq >> SEQ_BITS] >= self._late_copies.in_flight_before

    def release(self, chunk: Chunk) -> None:
        """Let later chunks with its ids pass, once no copy of it can land: the result of this one is durable.

        Or its campaign takes nothing more, neither of it nor of later ones.
        """
        del self._unfinished[chunk.seq]
        borrowed = self._borrowed.pop(chunk.seq, set())
        until = self._late_copies.until(chunk.seq)
        if until > self._now():
            self._late.append(_Late(frozenset(chunk.ids) | borrowed, until, chunk.campaign_id))
        self._released.set()

    def skip(self, chunk: Chunk) -> None:
        """Note a chunk that an earlier process has finished. The producer's thread may call this."""
        until = self._late_copies.until(chunk.seq)
        if until > -inf:
            # What is compared with the ledger does not tell the ids of chunks that are done.
            ids = frozenset(chunk.ids) if chunk.source_digest is None else None
            self._late_before.append(_Late(ids, until, chunk.campaign_id))
        self._witnesses_before.skip(chunk)

    def borrow(self, record_id: str, of_seq: int, for_seq: int, *, of_earlier: bool = False) -> bool:
        """Let an unfinished chunk send a record of a finished one again; it holds the id from then on.

        `of_earlier` says that an earlier process has finished that. Return False, and hold nothing, if a newer version
        of the id may be on its way, or may have been sent by an earlier process.
        """
        if of_earlier and not self._knows_all_sent_before(for_seq):
            return False
        newer = any(record_id in ids_of() for seq, ids_of in self._of_campaign(for_seq) if seq > of_seq)
        if newer or record_id in self._borrowed_of_campaign(for_seq):
            return False
        self._borrowed.setdefault(for_seq, set()).add(record_id)
        return True

    def late_until(self, chunk: Chunk) -> float:
        """Return until when an older version of one of its ids may land; minus infinity if none can."""
        while self._late_before:
            self._late.append(self._late_before.popleft())
        if not self._late and not self._witnesses_before:
            return -inf
        now = self._now()
        self._late = [late for late in self._late if late.until > now]
        if len(self._late) >= LATE_MAX:
            return min(late.until for late in self._late)
        of_others = max((late.until for late in self._late if late.concerns(chunk)), default=-inf)
        return max(of_others, self._witnesses_before.late_until(chunk, now))

    def _held_back(self, chunk: Chunk, until: float) -> HeldBack | None:
        if until == -inf:
            return None
        among = [late.among(chunk) for late in self._late]
        return HeldBack(len(set().union(*among, self._witnesses_before.among(chunk))), until)

    def _must_wait(self, chunk: Chunk) -> bool:
        # An older version may be among what an unfinished chunk does not hold, since it was as the ledger has it. Were
        # this one done then and that one not, a resumed run would find that the older version differs, and send it.
        unfinished = self._of_campaign(chunk.seq)
        if chunk.source_digest is not None and chunk.repeats and unfinished:
            return True
        if self._borrowed and not self._borrowed_of_campaign(chunk.seq).isdisjoint(chunk.ids):
            return True
        # The chunker has compared it with the chunks just before it already; what is older is compared here.
        return any(seq < chunk.apart_from and not ids_of().isdisjoint(chunk.ids) for seq, ids_of in unfinished)

    def _of_campaign(self, seq: int) -> list[tuple[int, Callable[[], set[str]]]]:
        """Return the unfinished chunks of the campaign that the chunk with this seq is of."""
        return [each for each in self._unfinished.items() if each[0] >> SEQ_BITS == seq >> SEQ_BITS]

    def _borrowed_of_campaign(self, seq: int) -> set[str]:
        return set().union(*(ids for by, ids in self._borrowed.items() if by >> SEQ_BITS == seq >> SEQ_BITS))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
