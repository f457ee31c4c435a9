"""Stand-ins for the seams, which do what the real ones do as far as anybody can see, without a network.

`FakeBulkApi` passes the same contract suite as the real client (`test_bulk_api_contract.py`); the in-memory journal of
the simulation is in `simulation/storage.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

import orjson
from msgspec.structs import replace

from engine.api.wire import BulkApi, NoReply, Reply
from engine.pacing.learned.pacer import Pacer
from engine.pacing.retry import RetryPolicy
from engine.pipeline.channel import Channel
from engine.pipeline.traffic import Traffic
from engine.pipeline.uploader import upload
from engine.pipeline.witnesses import Witness
from engine.values import Chunk, ChunkResult, JoinedLines, Span
from engine.values.stopping import Stop

Answer = Reply | NoReply
Behaviour = Callable[[Sequence[str]], Answer]
"""What to answer to a request with these ids."""


def updated(ids: Sequence[str]) -> Reply:
    """Every record was updated."""
    return results(len(ids), 0)


def results(successful: int, failed: int, errors: Sequence[Any] = (), *, status: int = 200) -> Reply:
    """A reply with counts that add up."""
    counts = {"total": successful + failed, "successful": successful, "failed": failed, "errors": list(errors)}
    document = {"success": failed == 0, "message": "processed", "results": counts}
    return Reply(status, {}, orjson.dumps(document))


def refusing(*bad: str, status: int = 422) -> Behaviour:
    """Refuse every request whole that holds one of the `bad` records."""

    def answer(ids: Sequence[str]) -> Reply:
        if set(bad).isdisjoint(ids):
            return updated(ids)
        return Reply(status, {}, orjson.dumps({"success": False, "message": "a record is invalid"}))

    return answer


class FakeBulkApi:
    """Gives the `answers` one after another, then behaves; remembers what was sent, and what it holds."""

    def __init__(
        self,
        *answers: Answer,
        behaviour: Behaviour = updated,
        latency_s: float = 0.0,
        tokens: Sequence[str] = ("token",),
    ) -> None:
        self.sent: list[list[str]] = []
        self.bodies: list[bytes] = []
        self.in_flight = 0
        self.in_flight_peak = 0
        self._answers = list(answers)
        self._behaviour = behaviour
        self._latency_s = latency_s
        self._tokens = list(tokens)
        self._token_number = 0

    async def update(self, elements: bytes, campaign_id: str = "") -> Answer:
        """Take the records in, wait, answer."""
        ids = [record["id"] for record in orjson.loads(b"[%b]" % elements)]
        token_number = self._token_number
        self.sent.append(ids)
        self.bodies.append(elements)
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        try:
            await asyncio.sleep(self._latency_s)
        finally:
            self.in_flight -= 1
        answer = self._answers.pop(0) if self._answers else self._behaviour(ids)
        if isinstance(answer, NoReply):
            return answer
        return Reply(answer.status, answer.headers, answer.body, token_number)

    def renew_token(self, refused: Reply) -> bool:
        """Go on to the next token, if there is one."""
        if refused.token_number < self._token_number:
            return True
        if self._token_number + 1 >= len(self._tokens):
            return False
        self._token_number += 1
        return True


def chunk_of(*ids: str, seq: int = 0) -> Chunk:
    """A chunk of small records."""
    lines = b"\n".join(orjson.dumps({"id": id_, "data": {"n": number}}) for number, id_ in enumerate(ids))
    return Chunk(seq, list(ids), JoinedLines(lines), [Span("portfolio.ndjson", 1, len(ids))] if ids else [])


class WatchedChunk(Chunk):
    """A chunk of which one can tell whether it is still alive."""

    __slots__ = ("__weakref__",)
    __hash__ = object.__hash__


def traffic_of(
    stop: Stop,
    *,
    workers: int = 8,
    rate: float = 1_000.0,
    policy: RetryPolicy | None = None,
    time_left_s: Callable[[], float] = lambda: inf,
) -> Traffic:
    """What uploaders share, with limits that are known and high. Needs a running loop."""
    limiter = Pacer(requests_per_second=rate, concurrency=workers, learned={"rate": rate / 0.7, "in_flight": workers})
    policy = replace(policy or RetryPolicy(), dice=Random(1))
    return Traffic(limiter=limiter, policy=policy, stop=stop, time_left_s=time_left_s)


async def upload_all(
    chunks: Sequence[Chunk],
    api: BulkApi,
    traffic: Traffic,
    *,
    workers: int = 1,
    borrow: Callable[[Chunk], Witness | None] = lambda _: None,
) -> list[ChunkResult]:
    """Run uploader workers over `chunks` and return the results that they hand on."""
    ready: Channel[Chunk] = Channel(len(chunks) + 1)
    results: Channel[ChunkResult] = Channel(len(chunks) + 1)
    for chunk in chunks:
        await ready.send(chunk)
    await ready.close()
    settle = traffic.over(api).settle
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(upload(ready, results, settle=settle, isolation=traffic.isolation, borrow=borrow))
    await results.close()
    return await results.receive_all()
