"""Bringing one chunk to a proven end: settle it, halve what is refused whole or left open, or give that up."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf

from engine.api import RefusedWhole, Settled, Unproven
from engine.pipeline.retried import Proof
from engine.pipeline.sending import Request
from engine.values import Chunk, Failure, Outcome

FRUITLESS_MAX = 1_000
"""So many requests that leave records unsettled a run may spend on isolating them. Halving makes two of each."""
FRUITLESS_PER_CHUNK_MAX = 250
"""So many of them a single chunk may spend, so that one bad chunk does not eat the budget of the others."""

Part = Sequence[int]
"""Records of a chunk by their indexes, ascending."""


class Isolation:
    """What all chunks of a run share: what may still be spent on isolating records, and how large a request may be."""

    def __init__(self) -> None:
        self.lines_bytes_max: float = inf
        """Learned from a 413: larger requests are split before they are sent."""
        self._fruitless = 0

    def spend(self) -> None:
        """Note a request that was answered, but left records unsettled."""
        self._fruitless += 1

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be isolated in this run."""
        return self._fruitless >= FRUITLESS_MAX

    def learn_size(self, too_large_bytes: int) -> None:
        """From now on, try half of what was too large, or a little more, for halves are never even."""
        self.lines_bytes_max = min(self.lines_bytes_max, too_large_bytes * 5 // 8)


class Delivery:
    """Brings one chunk to a proven outcome. `settle` sends a request until something is proven about it."""

    def __init__(self, chunk: Chunk, settle: Callable[[Request], Awaitable[Proof]], isolation: Isolation) -> None:
        self._chunk = chunk
        self._settle = settle
        self._isolation = isolation
        self._failures: list[Failure] = []
        self._lines: list[bytes] = []  # single lines, cut only when a part has to be sent
        self._fruitless = 0

    async def run(self) -> Sequence[Failure]:
        """Return the records that were not updated.

        Raises:
            TurnRefused: the run stops before all are settled.
        """
        parts: deque[Part] = deque([range(len(self._chunk.ids))] if self._chunk.ids else [])
        while parts:
            part = parts.popleft()
            if self._is_too_large(part):
                smaller = halves(part)
            else:
                request = Request(self._lines_of(part), self._ids_of(part), is_split=len(part) < len(self._chunk.ids))
                smaller = self._take(part, await self._settle(request))
            parts.extendleft(reversed(smaller))
        return self._failures

    def _take(self, part: Part, proof: Proof) -> list[Part]:
        """Note what is proven about `part`; return the smaller parts that have to be sent again."""
        match proof:
            case Settled(failures):
                self._note(part, failures)
                return []
            case Unproven(failures, open_indexes, reason, status):
                self._note(part, failures)
                left = [part[index] for index in open_indexes]
                return self._isolate(left, len(part), Failure(0, Outcome.UNKNOWN, reason, status))
            case RefusedWhole(reason, status, too_large):
                if too_large and len(part) > 1:
                    self._isolation.learn_size(len(self._lines_of(part)))
                return self._isolate(part, len(part), Failure(0, Outcome.REJECTED, reason, status))

    def _isolate(self, left: Part, sent: int, alone: Failure) -> list[Part]:
        """Return the parts in which to send again what is `left` of the `sent` records of a request.

        Where no smaller part is possible, `alone` is what became of the one record.
        """
        self._fruitless += 1
        self._isolation.spend()
        if len(left) == sent == 1:
            self._failures.append(Failure(left[0], alone.outcome, alone.reason, alone.http_status))
            return []
        if self._is_spent or self._isolation.is_spent:
            self._give_up(left, alone)
            return []
        # Fewer are left: those that were named may have been to blame for all.
        return [left] if len(left) < sent else halves(left)

    def _give_up(self, left: Part, verdict: Failure) -> None:
        """Nothing is proven about single records, and what the API said may quote any of them: so it is not kept."""
        status = verdict.http_status
        reason = f"not isolated (HTTP {status}): too many requests failed" if status else verdict.reason
        self._failures += [Failure(index, Outcome.UNKNOWN, reason, status) for index in left]

    @property
    def _is_spent(self) -> bool:
        return self._fruitless >= FRUITLESS_PER_CHUNK_MAX

    def _note(self, part: Part, failures: Sequence[Failure]) -> None:
        self._failures += [Failure(part[f.index], f.outcome, f.reason, f.http_status) for f in failures]

    def _is_too_large(self, part: Part) -> bool:
        """Whether to split `part` unsent; not any more in a chunk where nothing is small enough."""
        return len(part) > 1 and len(self._lines_of(part)) > self._isolation.lines_bytes_max and not self._is_spent

    def _ids_of(self, part: Part) -> Sequence[str]:
        whole = self._chunk.ids
        return whole if len(part) == len(whole) else [whole[index] for index in part]

    def _lines_of(self, part: Part) -> bytes:
        if len(part) == len(self._chunk.ids):
            return self._chunk.lines
        if not self._lines:
            self._lines = self._chunk.lines.split(b"\n")
        return b"\n".join([self._lines[index] for index in part])


def halves(part: Part) -> list[Part]:
    """Return `part`, of two records or more, in two parts."""
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]
