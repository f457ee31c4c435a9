"""Chunks on their way through the whole stack to a fake API, in virtual time, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from engine.pacing.retry import RetryPolicy
from engine.pipeline.traffic import Traffic
from engine.pipeline.witnesses import Witness
from engine.values import Chunk, Failure, Outcome
from engine.values.errors import EngineError
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, traffic_of, upload_all
from tests.simulation.virtual_time import VirtualLoop, run

IDS = [f"loan_{number}" for number in range(10)]


class Upload:
    """Some chunks brought to their outcomes in virtual time, and what it took."""

    def __init__(
        self,
        api: FakeBulkApi,
        *chunks: Chunk,
        workers: int = 1,
        policy: RetryPolicy | None = None,
        left_s: float | None = None,
        borrow: Callable[[Chunk], Witness | None] = lambda _: None,
    ) -> None:
        self.api = api
        self.stop = Stop()
        self.loop = VirtualLoop()

        async def work() -> None:
            time_left_s = (lambda: inf) if left_s is None else lambda: left_s - self.loop.time()
            self.traffic: Traffic = traffic_of(self.stop, workers=workers, policy=policy, time_left_s=time_left_s)
            self.results = await upload_all(chunks, api, self.traffic, workers=workers, borrow=borrow)

        run(work(), self.loop)
        self.took_s = self.loop.time()
        self.requests = self.traffic.requests
        assert self.requests.sent == len(api.sent)
        assert self.requests.sent == self.requests.succeeded + self.requests.throttled + self.requests.failed

    def failures(self) -> dict[str, Failure]:
        """What was not updated, by id."""
        found = [(result.chunk.ids[failure.index], failure) for result in self.results for failure in result.failures]
        assert len(dict(found)) == len(found)
        return dict(found)

    def outcomes(self) -> dict[str, Outcome]:
        return {id_: failure.outcome for id_, failure in self.failures().items()}

    @property
    def error(self) -> EngineError | None:
        return self.stop.error


def rejected(*ids: str) -> dict[str, Outcome]:
    return dict.fromkeys(ids, Outcome.REJECTED)


def unknown(*ids: str) -> dict[str, Outcome]:
    return dict.fromkeys(ids, Outcome.UNKNOWN)
