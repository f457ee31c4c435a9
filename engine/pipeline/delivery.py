"""Bringing one chunk to a proven end: settle it, halve what is refused whole or left open, or give that up.

What spoils its request so that nothing comes back (409, 500, a dropped connection) can't be told from an API that is
down. So halves of it are probes: if one passes, the API is there, and the others are halved on. A record that is alone
at last is judged beside a witness, a record that the API has acknowledged before: only if that one passes before and
after, and twice so, it is the record.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from engine.api import RefusedWhole, Settled, Unproven
from engine.pipeline.refused_campaigns import RefusedCampaigns
from engine.pipeline.request_size import RequestSize
from engine.pipeline.retried import Proof, Unanswered
from engine.pipeline.sending import Request
from engine.pipeline.witnesses import Witness
from engine.values import Chunk, Failure, Outcome

FRUITLESS_MAX = 1_000
"""So many requests that leave records unsettled a run may spend on isolating them. Halving makes two of each."""
FRUITLESS_PER_CHUNK_MAX = 250
"""So many of them a single chunk may spend, so that one bad chunk does not eat the budget of the others."""

BESIDE_A_WITNESS = 2
"""So often in turn a record must stay unanswered between a witness that passes and one that passes: once is chance."""
ALONE_MAX = 8
"""So often it must stay unanswered while others succeed before it is given up, if there is no witness."""

Part = Sequence[int]
"""Records of a chunk by their indexes, ascending."""


class Suspect(Struct, frozen=True):
    """A part of something that stayed unanswered; what it is a part of was sent after so many successes of the run."""

    part: Part
    successes_before: int


class Isolation:
    """What all chunks of a run share: what may still be spent on isolating records, and how large a request may be."""

    def __init__(self, campaigns: RefusedCampaigns | None = None) -> None:
        self.size = RequestSize()
        self.campaigns = campaigns or RefusedCampaigns()
        self._fruitless = 0

    def spend(self) -> None:
        """Note a request that was answered, but left records unsettled."""
        self._fruitless += 1

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be isolated in this run."""
        return self._fruitless >= FRUITLESS_MAX


class Delivery:
    """Brings one chunk to a proven outcome.

    `settle` sends a request until something is proven about it, `borrow` returns a witness for a chunk.
    """

    def __init__(
        self,
        chunk: Chunk,
        settle: Callable[[Request], Awaitable[Proof]],
        isolation: Isolation,
        borrow: Callable[[Chunk], Witness | None] = lambda _: None,
    ) -> None:
        self._chunk = chunk
        self._settle = settle
        self._isolation = isolation
        self._borrow = borrow
        self._suspects: deque[Suspect] = deque()  # level by level, so that the first that passes speaks for the others
        self._alone: Counter[int] = Counter()  # by index: unanswered alone so often, while others succeed
        self._witness: Witness | None = None
        self._failures: list[Failure] = []
        self._lines: list[bytes] = []  # single lines, cut only when a part has to be sent
        self._fruitless = 0

    async def run(self) -> Sequence[Failure]:
        """Return the records that were not updated.

        Raises:
            TurnRefused: the run stops before all are settled.
            CampaignRefused: the campaign takes nothing more, before all are settled.
        """
        parts: deque[Part] = deque([range(len(self._chunk.ids))] if self._chunk.ids else [])
        while parts or self._suspects:
            if not parts:
                smaller = await self._question(self._suspects.popleft())
            elif self._is_too_large(parts[0]):
                smaller = halves(parts.popleft())
            else:
                part = parts.popleft()
                smaller = self._take(part, await self._settle(self._request(part)))
            parts.extendleft(reversed(smaller))
        return self._failures

    def _request(self, part: Part, successes_before: int | None = None) -> Request:
        return Request(
            self._elements_of(part),
            self._ids_of(part),
            is_split=len(part) < len(self._chunk.ids),
            successes_before=successes_before,
            seq=self._chunk.seq,
            campaign_id=self._chunk.campaign_id,
        )

    def _take(self, part: Part, proof: Proof) -> list[Part]:
        """Note what is proven about `part`; return the smaller parts that have to be sent again."""
        match proof:
            case Unanswered():
                self._suspect(part, proof)
                return []
            case Settled(failures):
                self._note(part, failures)
                self._keep_witness(part, failures)
                return []
            case Unproven(failures, open_indexes, reason, status, trouble):
                self._note(part, failures)
                left = [part[index] for index in open_indexes]
                if trouble is not None:  # nothing is wrong with them; and fewer are left each time
                    return [left]
                return self._isolate(left, len(part), Failure(0, Outcome.UNKNOWN, reason, status))
            case RefusedWhole(reason, status, too_large):
                if too_large and len(part) > 1:
                    self._isolation.size.too_large(len(self._elements_of(part)))
                return self._isolate(part, len(part), Failure(0, Outcome.REJECTED, reason, status))

    def _suspect(self, part: Part, proof: Unanswered) -> None:
        """`part` stayed unanswered: question its halves, or, if it is a single record, that once more."""
        if proof.gave_up_s is not None and len(part) > 1:
            self._isolation.size.gave_up(len(self._elements_of(part)), proof.gave_up_s)
        if proof.api_answers:
            self._spend()
            self._alone.update(part if len(part) == 1 else ())
        is_hopeless = len(part) == 1 and self._alone[part[0]] >= ALONE_MAX
        if proof.api_answers and (is_hopeless or self._is_spent or self._isolation.is_spent):
            self._give_up(part, Failure(0, Outcome.UNKNOWN, proof.reason, proof.http_status))
            return
        self._suspects += [
            Suspect(smaller, proof.successes_before) for smaller in (halves(part) if len(part) > 1 else [part])
        ]

    async def _question(self, suspect: Suspect) -> list[Part]:
        """Send a part of something that stayed unanswered; return the smaller parts that have to be sent again."""
        part, before = suspect.part, suspect.successes_before
        witness = self._find_witness() if len(part) == 1 else None
        has_passed, unanswered = witness is not None and await self._passes(witness, before), 0
        while True:
            proof = await self._settle(self._request(part, before))
            if not isinstance(proof, Unanswered) or witness is None or not has_passed:
                return self._take(part, proof)
            if not await self._passes(witness, before):
                return self._take(part, proof)
            self._spend()
            unanswered += 1
            if unanswered == BESIDE_A_WITNESS:
                break
        outcome = Outcome.REJECTED if proof.said else Outcome.UNKNOWN
        reason = proof.said or f"{proof.reason} for this record alone, while others pass"
        self._failures.append(Failure(part[0], outcome, reason, proof.http_status))
        return []

    async def _passes(self, witness: Witness, successes_before: int) -> bool:
        """Whether the API answers a request with a record that it has acknowledged before."""
        request = Request(
            witness.line,
            [witness.id],
            is_split=True,
            successes_before=successes_before,
            seq=self._chunk.seq,
            campaign_id=self._chunk.campaign_id,
        )
        return not isinstance(await self._settle(request), Unanswered)

    def _keep_witness(self, part: Part, failures: Sequence[Failure]) -> None:
        """Remember an acknowledged record of a part: the chunk's own records need not be borrowed."""
        last = len(part) - 1
        if len(part) < len(self._chunk.ids) and all(failure.index != last for failure in failures):
            own = part[last:]
            self._witness = Witness(self._chunk.ids[own[0]], self._elements_of(own))

    def _find_witness(self) -> Witness | None:
        if self._witness is None:
            self._witness = self._borrow(self._chunk)
        return self._witness

    def _isolate(self, left: Part, sent: int, alone: Failure) -> list[Part]:
        """Return the parts in which to send again what is `left` of the `sent` records of a request.

        Where no smaller part is possible, `alone` is what became of the one record.
        """
        self._spend()
        if len(left) == sent == 1:
            self._failures.append(Failure(left[0], alone.outcome, alone.reason, alone.http_status))
            return []
        if self._is_spent or self._isolation.is_spent:
            self._give_up(left, alone)
            return []
        # Fewer are left: those that were named may have been to blame for all.
        if len(left) < sent:
            return [left]
        if len(left) > 2 and not self._isolation.campaigns.accepts(self._chunk.campaign_id):
            return [left[-1:], *halves(left[:-1])]  # single records tell sooner whether the campaign is the reason
        return halves(left)

    def _give_up(self, left: Part, verdict: Failure) -> None:
        """Nothing is proven about single records, and what the API said may quote any of them: so it is not kept."""
        status = verdict.http_status
        reason = f"not isolated (HTTP {status}): too many requests failed" if status else verdict.reason
        self._failures += [Failure(index, Outcome.UNKNOWN, reason, status) for index in left]

    def _spend(self) -> None:
        """Note a request that left records unsettled, of this chunk and of the run."""
        self._fruitless += 1
        self._isolation.spend()

    @property
    def _is_spent(self) -> bool:
        return self._fruitless >= FRUITLESS_PER_CHUNK_MAX

    def _note(self, part: Part, failures: Sequence[Failure]) -> None:
        self._failures += [Failure(part[f.index], f.outcome, f.reason, f.http_status) for f in failures]

    def _is_too_large(self, part: Part) -> bool:
        """Whether to split `part` unsent; not any more in a chunk where nothing is small enough."""
        return len(part) > 1 and len(self._elements_of(part)) > self._isolation.size.bytes_max and not self._is_spent

    def _ids_of(self, part: Part) -> Sequence[str]:
        whole = self._chunk.ids
        return whole if len(part) == len(whole) else [whole[index] for index in part]

    def _elements_of(self, part: Part) -> bytes:
        if len(part) == len(self._chunk.ids):
            return self._chunk.elements
        if not self._lines:
            self._lines = self._chunk.lines.split(b"\n")
        return b",".join([self._lines[index] for index in part])


def halves(part: Part) -> list[Part]:
    """Return `part`, of two records or more, in two parts."""
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]
