"""A sender whose requests are counted, and told to whoever learns from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.api import Reply, Settled, Trouble, TryAgain, Unproven, Verdict, date_of, quota_of, retry_after_s
from engine.pacing import Signal
from engine.pipeline.sending import Answer, Request, Sender
from engine.values import RequestCounts


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that is over. Times are of the loop's clock, in seconds; `in_flight` counts it, too."""

    request: Request
    answer: Answer
    started_at: float
    finished_at: float
    in_flight: int

    @property
    def trouble(self) -> Trouble | None:
        """What kept it from being settled; None if the API answered it, whatever it thinks of the records."""
        return trouble_of(self.answer.verdict)

    def signal(self) -> Signal:
        """Return what it tells about the server's limits."""
        reply, verdict, trouble = self.answer.reply, self.answer.verdict, self.trouble
        headers = reply.headers if isinstance(reply, Reply) else {}
        return Signal(
            started_at=self.started_at,
            finished_at=self.finished_at,
            records=len(self.request.ids),
            in_flight=self.in_flight,
            throttled=trouble is Trouble.THROTTLED,
            failed=trouble is Trouble.OUTAGE,
            conflicts=verdict.retried if isinstance(verdict, Settled) else 0,
            retry_after_s=retry_after_s(headers) if trouble else None,
            quota=quota_of(headers, date_of(headers)),
        )


Observer = Callable[[Attempt], None]


class Observed:
    """Counts every request in `counts`, and tells the observers of every one that got an answer, or none in time."""

    def __init__(
        self, inner: Sender, counts: RequestCounts, *, in_flight: Callable[[], int], observers: Sequence[Observer]
    ) -> None:
        self._inner = inner
        self._counts = counts
        self._in_flight = in_flight
        self._observers = observers

    async def send(self, request: Request) -> Answer:
        """Send `request`; a cancelled one counts as failed: what it did is unknown, that it went is not."""
        clock = asyncio.get_running_loop().time
        started_at, in_flight = clock(), self._in_flight()
        self._counts.sent += 1
        self._counts.split += request.is_split
        try:
            answer = await self._inner.send(request)
        except BaseException:
            self._counts.failed += 1
            raise
        self._count(answer.verdict)
        attempt = Attempt(request, answer, started_at, clock(), in_flight)
        for observe in self._observers:
            observe(attempt)
        return answer

    def _count(self, verdict: Verdict) -> None:
        if trouble_of(verdict) is Trouble.THROTTLED:
            self._counts.throttled += 1
        elif isinstance(verdict, (Settled, Unproven)):
            self._counts.succeeded += 1
        else:
            self._counts.failed += 1


def trouble_of(verdict: Verdict) -> Trouble | None:
    """Return what kept a request from being settled; None if the API answered it."""
    return verdict.trouble if isinstance(verdict, TryAgain) else None
