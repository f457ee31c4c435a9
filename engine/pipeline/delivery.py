"""Bringing one chunk to a proven end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from math import inf

from engine.api import (
    BulkApi,
    Fatal,
    NoReply,
    Quota,
    RefusedWhole,
    Reply,
    Settled,
    Trouble,
    TryAgain,
    Unproven,
    Verdict,
    date_of,
    interpret,
    quota_of,
    retry_after_s,
)
from engine.pacing import Decision, GiveUp, Isolate, Setback, Signal, Trials, Wait
from engine.pipeline.traffic import Traffic
from engine.values import Chunk, Failure, Interrupted, Outcome, Stop

FRUITLESS_MAX = 1_000
"""So many requests that leave records unsettled a run may spend on isolating them. Halving makes two of each."""
FRUITLESS_PER_CHUNK_MAX = 250
"""So many of them a single chunk may spend, so that one bad chunk does not eat the budget of the others."""


class Delivery:
    """Brings one chunk to a proven outcome."""

    def __init__(self, chunk: Chunk, api: BulkApi, traffic: Traffic, stop: Stop) -> None:
        self._chunk = chunk
        self._api = api
        self._traffic = traffic
        self._stop = stop
        self._failures: list[Failure] = []
        self._lines: list[bytes] = []  # single lines, cut only when a part has to be sent
        self._fruitless = 0

    async def run(self) -> Sequence[Failure] | None:
        """Return the records that were not updated, or None if the run stops before all are settled."""
        parts: deque[Sequence[int]] = deque([range(len(self._chunk.ids))] if self._chunk.ids else [])
        while parts:
            part = parts.popleft()
            if self._is_too_large(part):
                parts.extendleft(reversed(_halves(part)))
                continue
            verdict = await self._settle(part)
            if verdict is None:
                return None
            parts.extendleft(reversed(self._take(part, verdict)))
        return self._failures

    def _take(self, part: Sequence[int], verdict: Settled | Unproven | RefusedWhole) -> list[Sequence[int]]:
        """Note what is proven about `part`; return the smaller parts that have to be sent again."""
        match verdict:
            case Settled(failures):
                self._note(part, failures)
                return []
            case Unproven(failures, open_indexes, reason, status):
                self._note(part, failures)
                left = [part[index] for index in open_indexes]
                return self._isolate(left, len(part), Failure(0, Outcome.UNKNOWN, reason, status))
            case RefusedWhole(reason, status, too_large):
                if too_large:
                    self._learn_size(part)
                return self._isolate(part, len(part), Failure(0, Outcome.REJECTED, reason, status))

    def _isolate(self, left: Sequence[int], sent: int, alone: Failure) -> list[Sequence[int]]:
        """Return the parts in which to send again what is `left` of the `sent` records of a request.

        Where no smaller part is possible, `alone` is what became of the one record.
        """
        self._fruitless += 1
        self._traffic.fruitless += 1
        if len(left) == sent == 1:
            self._failures.append(Failure(left[0], alone.outcome, alone.reason, alone.http_status))
            return []
        if self._is_spent() or self._traffic.fruitless >= FRUITLESS_MAX:
            self._give_up(left, alone)
            return []
        # Fewer are left: those that were named may have been to blame for all.
        return [left] if len(left) < sent else _halves(left)

    def _give_up(self, left: Sequence[int], verdict: Failure) -> None:
        """Nothing is proven about single records, and what the API said may quote any of them: so it is not kept."""
        status = verdict.http_status
        reason = f"not isolated (HTTP {status}): too many requests failed" if status else verdict.reason
        self._failures += [Failure(index, Outcome.UNKNOWN, reason, status) for index in left]

    def _is_spent(self) -> bool:
        return self._fruitless >= FRUITLESS_PER_CHUNK_MAX

    def _note(self, part: Sequence[int], failures: Sequence[Failure]) -> None:
        self._failures += [Failure(part[f.index], f.outcome, f.reason, f.http_status) for f in failures]

    async def _settle(self, part: Sequence[int]) -> Settled | Unproven | RefusedWhole | None:
        """Send `part` until something is proven; None if the run stops first."""
        lines, ids = self._lines_of(part), self._ids_of(part)
        trials = Trials(successes_before=self._traffic.breaker.successes)
        while True:
            reply, verdict = await self._attempt(lines, ids, is_split=len(part) < len(self._chunk.ids))
            match verdict:
                case Fatal(error, status):
                    if not (status == HTTPStatus.UNAUTHORIZED and self._renew_token(reply)):
                        self._stop.request(error)
                        return None
                case TryAgain(trouble=trouble):
                    trials.add(trouble)
                    decision = self._decide(verdict, trials, reply)
                    if isinstance(decision, Isolate):
                        return Unproven((), range(len(part)), decision.reason, verdict.http_status)
                    if not await self._wait(decision):
                        return None
                case _:
                    return verdict

    def _decide(self, verdict: TryAgain, trials: Trials, reply: Reply | NoReply) -> Decision:
        traffic = self._traffic
        setback = Setback(
            reason=verdict.reason,
            trials=trials,
            others_succeeded=traffic.breaker.successes - trials.successes_before,
            outage_s=traffic.breaker.outage_s(asyncio.get_running_loop().time()),
            time_left_s=traffic.time_left_s(),
            retry_after_s=_asked_wait_s(reply),
        )
        return traffic.policy.decide(setback)

    async def _wait(self, decision: Wait | GiveUp) -> bool:
        """Wait as decided; False if the run stops instead."""
        if isinstance(decision, GiveUp):
            self._stop.request(Interrupted(f"not finished: {decision.reason}"))
            return False
        self._traffic.retries += 1
        turn_s = self._traffic.budget.take(asyncio.get_running_loop().time())
        recovery = self._traffic.recovery
        await self._stop.pause(decision.delay_s)
        if turn_s > decision.delay_s:
            await self._stop.unless_stopped(self._wait_for_budget(turn_s - decision.delay_s, recovery))
        return not self._stop.requested

    async def _wait_for_budget(self, seconds: float, recovery: asyncio.Event) -> None:
        """Wait for the turn that the budget gave, but not beyond the end of an outage."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recovery.wait()
                self._traffic.budget.give_back()

    async def _attempt(self, lines: bytes, ids: Sequence[str], *, is_split: bool) -> tuple[Reply | NoReply, Verdict]:
        """One wire attempt: paced, counted, read."""
        traffic = self._traffic
        loop = asyncio.get_running_loop()
        async with traffic.turnstile.turn():
            started_at, in_flight = loop.time(), traffic.turnstile.in_flight
            traffic.requests.sent += 1
            traffic.requests.split += is_split
            try:
                reply = await self._api.update(lines)
            except BaseException:
                traffic.requests.failed += 1  # cancelled on the wire: what it did is unknown, that it went is not
                raise
        verdict = interpret(reply, ids)
        now = loop.time()
        trouble = verdict.trouble if isinstance(verdict, TryAgain) else None
        self._count(verdict, trouble, now)
        signal = Signal(
            started_at=started_at,
            finished_at=now,
            records=len(ids),
            in_flight=in_flight,
            throttled=trouble is Trouble.THROTTLED,
            failed=trouble is Trouble.OUTAGE,
            conflicts=verdict.retried if isinstance(verdict, Settled) else 0,
            retry_after_s=_asked_wait_s(reply) if isinstance(verdict, TryAgain) else None,
            quota=_quota(reply),
        )
        traffic.pacer.learn(signal)
        traffic.observe(signal, reply)
        return reply, verdict

    def _count(self, verdict: Verdict, trouble: Trouble | None, now: float) -> None:
        traffic = self._traffic
        if trouble in (Trouble.THROTTLED, Trouble.OUTAGE):
            traffic.breaker.failed(now, throttled=trouble is Trouble.THROTTLED)
        else:  # it answered: the API is there, whatever it thinks of the records
            if traffic.breaker.is_open:
                traffic.recovery.set()
                traffic.recovery = asyncio.Event()
            traffic.breaker.succeeded()
        if trouble is Trouble.THROTTLED:
            traffic.requests.throttled += 1
        elif isinstance(verdict, (Settled, Unproven)):
            traffic.requests.succeeded += 1
            traffic.budget.succeeded()
        else:
            traffic.requests.failed += 1

    def _renew_token(self, reply: Reply | NoReply) -> bool:
        return isinstance(reply, Reply) and self._api.renew_token(reply)

    def _learn_size(self, part: Sequence[int]) -> None:
        """From now on, try half of what was too large, or a little more, for halves are never even."""
        traffic = self._traffic
        if len(part) > 1:
            traffic.lines_bytes_max = min(traffic.lines_bytes_max, len(self._lines_of(part)) * 5 // 8)

    def _is_too_large(self, part: Sequence[int]) -> bool:
        """Whether to split `part` unsent; not any more in a chunk where nothing is small enough."""
        learned = self._traffic.lines_bytes_max
        return learned < inf and len(part) > 1 and len(self._lines_of(part)) > learned and not self._is_spent()

    def _ids_of(self, part: Sequence[int]) -> Sequence[str]:
        whole = self._chunk.ids
        return whole if len(part) == len(whole) else [whole[index] for index in part]

    def _lines_of(self, part: Sequence[int]) -> bytes:
        if len(part) == len(self._chunk.ids):
            return self._chunk.lines
        if not self._lines:
            self._lines = self._chunk.lines.split(b"\n")
        return b"\n".join([self._lines[index] for index in part])


def _halves(part: Sequence[int]) -> list[Sequence[int]]:
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]


def _quota(reply: Reply | NoReply) -> Quota | None:
    return quota_of(reply.headers, date_of(reply.headers)) if isinstance(reply, Reply) else None


def _asked_wait_s(reply: Reply | NoReply) -> float | None:
    return retry_after_s(reply.headers) if isinstance(reply, Reply) else None
