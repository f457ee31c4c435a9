"""One request as the uploaders see it: records go out, and what is proven about them comes back.

What a request does besides being sent is a decorator of this one interface, and `traffic.py` stacks them:
`Retried(Accepted(Paced(Observed(Proven(api)))))`. Here are those of a single request; trying again is in `retried.py`
and `accepted.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct, field

from engine.api import (
    BulkApi,
    NoReply,
    RefusedWhole,
    Reply,
    Settled,
    Trouble,
    TryAgain,
    Unproven,
    Verdict,
    interpret,
    may_still_land,
    quota_of,
    retry_after_s,
)
from engine.pacing import QuickRefusals, Signal, Turnstile
from engine.pipeline.late_copies import LateCopies
from engine.values import RequestCounts


class Request(Struct, frozen=True):
    """Records to send at once: canonical JSON lines joined by commas, and their ids in the same order."""

    elements: bytes
    ids: Sequence[str]
    is_split: bool = False
    """Whether these are a part of a chunk, sent to isolate records."""
    successes_before: int | None = None
    """Set for a part of something that stayed unanswered: so many requests had succeeded when that was first sent."""
    seq: int = 0
    """Of the chunk for whose sake it is sent."""
    campaign_id: str = ""
    """Of that chunk."""


class Doubted(Struct, frozen=True):
    """Refused, perhaps for the sake of a record, perhaps whatever the records are: parts of it will tell."""

    reason: str
    http_status: int
    said: str = ""
    """The reason to keep if it turns out to be a record; without one, no record can be blamed for it."""


class Answer(Struct, frozen=True):
    """What came back, and what it proves about the records of the request."""

    reply: Reply | NoReply
    verdict: Verdict | Doubted
    took_s: float = 0.0
    """From the start of the attempt to the end of its reply."""

    @property
    def trouble(self) -> Trouble | None:
        """What kept the request, or some of its records, from being settled.

        None if the API answered it, whatever it thinks of the records.
        """
        return self.verdict.trouble if isinstance(self.verdict, (TryAgain, Unproven)) else None


class Sender(Protocol):
    """Sends requests; one call is at most one request on the wire."""

    async def send(self, request: Request) -> Answer:
        """Send `request` and return what is proven.

        Raises:
            TurnRefused: the run is stopping; nothing was sent.
        """
        ...


class Proven(Struct):
    """The API itself, whose replies are read: the innermost sender."""

    api: BulkApi
    index_base: int | None = None
    """From which number the API counts the records of a request, once a reply has proven it."""

    async def send(self, request: Request) -> Answer:
        """Send `request`, now."""
        clock = asyncio.get_running_loop().time
        started_at = clock()
        reply = await self.api.update(request.elements, request.campaign_id)
        verdict = interpret(reply, request.ids, self.index_base)
        if self.index_base is None and isinstance(verdict, (Settled, Unproven)):
            self.index_base = verdict.index_base
        return Answer(reply, verdict, clock() - started_at)


class Attempt(Struct, frozen=True, dict=True):
    """A request that is over. Times are of the loop's clock, in seconds; `in_flight` counts it, too."""

    request: Request
    answer: Answer
    started_at: float
    finished_at: float
    in_flight: int
    too_fast: bool = False
    """Whether it was refused because of the rate, although its status speaks of an outage."""

    @property
    def throttled(self) -> bool:
        """Whether it was refused because of the rate."""
        return self.too_fast or self.answer.trouble is Trouble.THROTTLED

    @property
    def is_answered(self) -> bool:
        """Whether a reply says what the API thinks of the records, so that its time is that of an answer."""
        return isinstance(self.answer.verdict, (Settled, Unproven, RefusedWhole)) and self.answer.trouble is None

    @cached_property
    def signal(self) -> Signal:
        """What it tells about the server's limits."""
        reply, verdict, trouble = self.answer.reply, self.answer.verdict, self.answer.trouble
        headers = reply.headers if isinstance(reply, Reply) else {}
        return Signal(
            started_at=self.started_at,
            finished_at=self.finished_at,
            records=len(self.request.ids),
            in_flight=self.in_flight,
            throttled=self.throttled,
            failed=trouble is Trouble.OUTAGE and not self.throttled,
            conflicts=verdict.retried if isinstance(verdict, Settled) else 0,
            retry_after_s=retry_after_s(headers) if trouble else None,
            quota=quota_of(headers),
        )


Observer = Callable[[Attempt], None]


class Observed(Struct, frozen=True):
    """Counts every request in `counts`, and tells the observers of every one that got an answer, or none in time."""

    inner: Sender
    counts: RequestCounts
    in_flight: Callable[[], int]
    observers: Sequence[Observer]
    late_copies: LateCopies
    refusals: QuickRefusals = field(default_factory=QuickRefusals)
    campaign_counts: Callable[[str], RequestCounts] = lambda _: RequestCounts()
    """Returns the counts of one campaign among many."""

    async def send(self, request: Request) -> Answer:
        """Send `request`; a cancelled one counts as failed: what it did is unknown, that it went is not."""
        clock = asyncio.get_running_loop().time
        started_at, in_flight = clock(), self.in_flight()
        for each in self._counts(request):
            each.sent += 1
            each.split += request.is_split
        try:
            answer = await self.inner.send(request)
        except BaseException:
            for each in self._counts(request):
                each.failed += 1
            self._leave_in_doubt(request, started_at)
            raise
        if may_still_land(answer.reply):
            self._leave_in_doubt(request, started_at)
        finished_at = clock()
        attempt = Attempt(
            request, answer, started_at, finished_at, in_flight, self._is_too_fast(answer, in_flight, finished_at)
        )
        for each in self._counts(request):
            _count(attempt, each)
        for observe in self.observers:
            observe(attempt)
        return answer

    def _leave_in_doubt(self, request: Request, started_at: float) -> None:
        for each in self._counts(request):
            each.in_doubt += 1
        self.late_copies.note(request.seq, started_at)

    def _counts(self, request: Request) -> tuple[RequestCounts, RequestCounts]:
        """Return the counts of all requests, and those of its campaign, to be changed now."""
        return self.counts, self.campaign_counts(request.campaign_id)

    def _is_too_fast(self, answer: Answer, in_flight: int, finished_at: float) -> bool:
        """Whether a gateway means that requests come too fast, though it says 503."""
        started_at = finished_at - answer.took_s
        if isinstance(answer.verdict, (Settled, Unproven)):
            self.refusals.succeeded(started_at, finished_at)
        is_503 = isinstance(answer.reply, Reply) and answer.reply.status == HTTPStatus.SERVICE_UNAVAILABLE
        return is_503 and answer.trouble is Trouble.OUTAGE and self.refusals.refused(started_at, finished_at, in_flight)


def _count(attempt: Attempt, counts: RequestCounts) -> None:
    if attempt.throttled:
        counts.throttled += 1
    elif isinstance(attempt.answer.verdict, (Settled, Unproven)):
        counts.succeeded += 1
    else:
        counts.failed += 1


class Paced(Struct, frozen=True):
    """Sends through the one turnstile: evenly, not too many at once, silent while the server asks for it."""

    inner: Sender
    turnstile: Turnstile

    async def send(self, request: Request) -> Answer:
        """Send `request` as soon as it may go, be it sent again or not."""
        async with self.turnstile.turn():
            return await self.inner.send(request)
