"""One history: a portfolio, a server and a disk made of a seed, and processes that run, crash and resume until done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random

from engine.pacing.learned.pacer import Pacer
from engine.pacing.retry import RetryPolicy
from engine.pipeline.accounts import Accounts
from engine.pipeline.channel import Channel, ChannelClosed
from engine.pipeline.late_copies import LateCopies
from engine.pipeline.pipeline import run_pipeline
from engine.pipeline.traffic import Traffic
from engine.reading.chunker import Chunker
from engine.reading.routed_chunker import routed_chunks
from engine.reading.routing import Routing
from engine.run.campaigns_of_run import CampaignsOfRun, accounts_of, refused_campaigns
from engine.run.late_copies import SILENT_S, DurableLateCopies
from engine.state.journal import Run
from engine.values import SEQ_BITS, Chunk, ChunkResult
from engine.values.counts import ChunkCounts, RequestCounts
from engine.values.errors import EngineError, Interrupted
from engine.values.stopping import Stop
from tests.simulation import checks
from tests.simulation.portfolio import Portfolio
from tests.simulation.server import LATE_S, Character, FakeApi, FakeServer
from tests.simulation.storage import Disk, FakeJournal
from tests.simulation.virtual_time import NothingLeftToDo, VirtualLoop, run

PROCESSES_MAX = 60
"""A history that is not done after so many processes never will be."""
TROUBLED_PROCESSES = 8
"""After so many processes nothing crashes or fails any more, only the API is as it is."""
TURNS_MAX = 200_000
"""A process that takes so many turns of its loop is caught in one."""


class Crash(BaseException):
    """The process is killed."""


@dataclass(slots=True)
class History:
    """What happened, and everything that must not happen: `violations` is empty if all is well."""

    seed: int
    processes: int = 0
    crashes: int = 0
    requests: int = 0
    given_up: int = 0
    """So many campaigns were left as they were, since they refuse whatever they are sent."""
    counts: ChunkCounts = field(default_factory=ChunkCounts)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        wrong = "; ".join(self.violations) or "as it must be"
        return f"seed {self.seed}: {self.processes} processes, {self.requests} requests: {wrong}"


@dataclass(slots=True)
class World:
    """Everything that a history is made of and that outlives a process."""

    rng: Random
    portfolio: Portfolio
    server: FakeServer
    disk: Disk
    batch_size: int
    lines_bytes_max: int
    workers: int
    compared: int
    open_chunks: int
    given_up: set[str] = field(default_factory=set)
    """The campaign that refuses whatever it is sent, once somebody has tried for long enough."""
    violations: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, seed: int, *, routed: bool) -> World:
        """Draw a world; its portfolio is for many campaigns if it is `routed`."""
        rng = Random(seed)
        portfolio, closed = Portfolio.make(rng), None
        if routed:
            portfolio = portfolio.routed(rng)
            closed = rng.choice(["camp_0", *[None] * 6])
        return cls(
            rng=rng,
            portfolio=portfolio,
            server=FakeServer(rng, Character.make(rng), portfolio, closed_campaign=closed),
            disk=Disk(),
            batch_size=rng.randint(3, 8),
            lines_bytes_max=rng.choice((100, 250, 10_000)),
            workers=rng.randint(1, 5),
            compared=rng.randint(1, 5),
            open_chunks=rng.randint(1, 6) if routed else 0,
        )

    def workers_of(self, process: int) -> int:
        """Return `upload.concurrency` as it is when this process runs: it may be changed from one to the next."""
        return 1 if process % 3 == 2 else self.workers

    @property
    def is_routed(self) -> bool:
        """Whether there are many campaigns."""
        return self.open_chunks > 0

    def chunks(self) -> Iterable[Chunk]:
        """Read the source and cut it, as every process does."""
        if self.is_routed:
            routing = Routing("campaign", open_chunks=self.open_chunks)
            limits = {"batch_size": self.batch_size, "lines_bytes_max": self.lines_bytes_max}
            return routed_chunks(self.portfolio.read(), routing, concurrency=self.compared, **limits)
        chunker = Chunker(batch_size=self.batch_size, lines_bytes_max=self.lines_bytes_max, concurrency=self.compared)
        return chunker.cut(self.portfolio.read())


def simulate(seed: int, *, routed: bool = False) -> History:
    """Live through the history of `seed`, with many campaigns if it is `routed`."""
    world, history = World.make(seed, routed=routed), History(seed)
    done = False
    while not done and history.processes < PROCESSES_MAX:
        before = set(world.disk.latest.results) if world.disk.runs else set()
        try:
            done = run_process(world, history.processes)
        except Crash:
            history.crashes += 1
        except Exception as error:
            world.violations.append(f"a bug: {type(error).__name__}: {error}")
            break
        world.violations += checks.of_a_process(world, history.processes, before)
        history.processes += 1
    if not done and not world.violations:
        world.violations.append("never done")
    if done:
        world.server.land(inf)
        world.violations += checks.at_the_end(world)
    history.given_up = len(world.given_up)
    history.requests = len(world.server.requests)
    history.counts = world.disk.latest.counts
    history.violations = sorted({*world.violations, *world.server.violations, *world.disk.violations})
    return history


def run_process(world: World, number: int) -> bool:
    """Run one process, which may be stopped or killed; return whether the run came to its end.

    Raises:
        Crash: it was killed.
    """
    loop = VirtualLoop()
    process = Process(world, number)
    kill_at = world.rng.randrange(1, 400) if process.troubled and world.rng.random() < 0.5 else TURNS_MAX

    def on_turn(turns: int) -> None:
        if turns == kill_at:
            process.die(loop.time())
            loop.on_turn(lambda _: None)
            if kill_at == TURNS_MAX:
                raise RuntimeError("the process is caught in a loop")
            raise Crash

    loop.on_turn(on_turn)
    try:
        return run(process.run(), loop)
    except NothingLeftToDo:
        raise RuntimeError("every task waits for another") from None
    finally:
        world.server.epoch += loop.time() + world.rng.choice((0.0, 1.0, 30.0))


class Process:
    """What the program does between its start and its end."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._number = number
        self._workers = world.workers_of(number)
        self._accounts = Accounts(ChunkCounts())
        self._api = FakeApi(world.server, number)
        self._journal: FakeJournal | None = None
        self.troubled = number < TROUBLED_PROCESSES

    def die(self, now: float) -> None:
        """From now on nothing that this process does has any effect."""
        self._api.dead = True
        self._world.server.client_dies(self._world.server.epoch + now)
        if self._journal is not None:
            self._journal.dead = True
            self._journal.was_alive_at(self._world.server.epoch + now - self._world.rng.uniform(0, SILENT_S))

    async def run(self) -> bool:
        """Run or resume; return whether all is done."""
        world, rng, stop = self._world, self._world.rng, Stop()
        loop = asyncio.get_running_loop()
        journal = self._journal = FakeJournal(
            world.disk,
            rng,
            fails=self.troubled and rng.random() < 0.05,
            clock=lambda: world.server.now,
            in_flight=self._workers,
            campaign_id="" if world.is_routed else "camp",
        )
        durable = accounts_of(journal.run, journal.counts_of_campaigns())
        self._accounts = Accounts(world.disk.latest.counts, durable)
        late_copies = DurableLateCopies(journal.run, LATE_S, loop.time, lambda: world.server.now)
        traffic = self._traffic(stop, journal.run, late_copies.of_pipeline)
        campaigns = CampaignsOfRun(journal.run, self._accounts, traffic)

        async def record(results: Sequence[ChunkResult]) -> None:
            await journal.record(results, traffic.requests, late_copies.not_durable(), campaigns.changed())
            campaigns.noted()

        sent_before = traffic.requests.sent
        journal.note_sending()
        if self.troubled and rng.random() < 0.2:
            loop.call_later(rng.uniform(0, 5), stop.request, Interrupted("stopped by SIGTERM"))
        try:
            await run_pipeline(
                world.chunks(),
                done=journal.run.done,
                without_failures=journal.run.without_failures,
                accounts=self._accounts,
                api=self._api,
                traffic=traffic,
                concurrency=self._workers,
                record=record,
                judge=lambda: None,
                stop=stop,
                drain_timeout_s=rng.choice((0.0, 0.02, 1.0, 60.0)),
                produce=partial(produce, rng=rng),
            )
        except EngineError:
            return False
        finally:
            if not self._api.dead:
                await asyncio.sleep(1)  # what the journal had begun is brought to its end
                journal.end(traffic.requests, late_copies.not_durable(), campaigns.changed())
                self._check_accounts(traffic.requests, sent_before)
                self._check_campaigns(traffic)
        return self._is_done(traffic)

    def _is_done(self, traffic: Traffic) -> bool:
        """Whether nothing is left that another process could do."""
        refused = traffic.campaigns.errors.keys()
        if self.troubled or not refused <= {self._world.server.closed_campaign}:
            return not refused
        self._world.given_up |= refused
        return True

    def _traffic(self, stop: Stop, run: Run, late_copies: LateCopies) -> Traffic:
        rng = self._world.rng
        limiter = Pacer(requests_per_second=rng.choice((5.0, 100.0)), concurrency=self._workers)
        policy = RetryPolicy(retry_window_s=rng.choice((20.0, 900.0)), dice=rng)
        return Traffic(
            limiter=limiter,
            policy=policy,
            stop=stop,
            requests=run.requests,
            late_copies=late_copies,
            campaigns=refused_campaigns(self._accounts) if self._world.is_routed else None,
            campaign_requests={row.id: row.requests for row in run.campaigns.values()},
        )

    def _check_accounts(self, requests: RequestCounts, sent_before: int) -> None:
        """What this process has counted is what is durable and what arrived."""
        violations, durable = self._world.violations, self._world.disk.latest.counts
        violations += checks.of_the_accounts(self._accounts, self._world)
        if durable != self._accounts.durable:
            violations.append("what was counted is not what is durable")
        arrived = sum(request.process == self._number for request in self._world.server.requests)
        if requests.sent - sent_before != arrived:
            violations.append(f"{requests.sent - sent_before} requests counted, {arrived} arrived")
        if requests.sent != requests.succeeded + requests.throttled + requests.failed:
            violations.append("the requests do not add up")

    def _check_campaigns(self, traffic: Traffic) -> None:
        """The sums over all campaigns are those of the run."""
        if not self._world.is_routed:
            return
        violations, campaigns = self._world.violations, self._accounts.campaigns.values()
        sent = sum(counts.sent for counts in traffic.campaign_requests.values())
        if sent != traffic.requests.sent:
            violations.append(f"{traffic.requests.sent} requests counted, {sent} in campaigns")
        nowhere = sum(
            (each.counts for seq, each in self._world.disk.latest.results.items() if seq < 1 << SEQ_BITS), ChunkCounts()
        )
        if sum((each.durable for each in campaigns), nowhere) != self._accounts.durable:
            violations.append("the campaigns do not add up")


async def produce(chunks: Iterable[Chunk], channel: Channel[Chunk], *, rng: Random) -> None:
    """Stand in for the thread of `engine.pipeline.producer`: now and then a chunk takes its time."""
    try:
        for chunk in chunks:
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0.001, 0.2)))
            await channel.send(chunk)
    except ChannelClosed:
        pass
    except BaseException:
        await channel.close(discard=True)
        raise
    await channel.close()
