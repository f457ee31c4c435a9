"""One history of several nights with delta: a portfolio changes, runs crash or are cut, and what must be true is.

The world is that of `history.py`; the ledger's files are real ones. Data comes from a small domain, so that values
return to what they were, and every record says that it is open: constants say that it is closed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import orjson
from msgspec import structs

from engine.ledger import NotTheLedger
from engine.pacing.learned.pacer import Pacer
from engine.pacing.retry import RetryPolicy
from engine.pipeline.accounts import Accounts
from engine.pipeline.pipeline import run_pipeline
from engine.pipeline.traffic import Traffic
from engine.reading.chunker import Chunker
from engine.reading.compared_chunker import ComparedChunker
from engine.run import opened_ledger
from engine.run.gone import GoneIds
from engine.run.job import Delta, Job
from engine.run.late_copies import SILENT_S, DurableLateCopies
from engine.run.ledger_of_run import LedgerOfRun, NoLedger
from engine.settings import Settings, Threshold, from_tables
from engine.state.journal import Run
from engine.values import (
    AccountsDoNotBalance,
    Block,
    Chunk,
    ChunkCounts,
    ChunkResult,
    EngineError,
    Interrupted,
    Place,
    Refusal,
    Span,
    Stop,
)
from tests.simulation.history import Crash, produce
from tests.simulation.portfolio import POISON, Data
from tests.simulation.server import LATE_S, Character, FakeApi, FakeServer, Records, Request
from tests.simulation.storage import Disk, MemoryJournal
from tests.simulation.virtual_time import NothingLeftToDo, VirtualLoop, run

PROCESSES_MAX = 40
TROUBLED_PROCESSES = 4
TURNS_MAX = 200_000
CLOSED: Data = {"status": "closed"}
PATH = "portfolio.csv"


@dataclass(slots=True)
class Nights:
    """What happened, and everything that must not happen: `violations` is empty if all is well."""

    seed: int
    nights: int = 0
    processes: int = 0
    crashes: int = 0
    requests: int = 0
    unchanged: int = 0
    updated: int = 0
    told: int = 0
    """Gone ids that the API has acknowledged the constants for."""
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        wrong = "; ".join(self.violations) or "as it must be"
        return f"seed {self.seed}: {self.nights} nights, {self.processes} processes: {wrong}"


class NightServer(FakeServer):
    """The API, which knows who stands in tonight's source: nobody else may be told to be closed."""

    def __init__(self, rng: Random, character: Character) -> None:
        super().__init__(rng, character)
        self.present: set[str] = set()

    def arrive(self, request: Request) -> None:
        self.requests.append(request)
        self._in_flight_requests.append((self.now, request))
        ids = [record_id for record_id, _ in request.records]
        if len(set(ids)) < len(ids):
            self.violations.append("two versions of an id in one request")
        if not self._in_flight.isdisjoint(ids):
            self.violations.append("two versions of an id in flight")
        self._in_flight.update(ids)
        if any(data == CLOSED and record_id in self.present for record_id, data in request.records):
            self.violations.append("somebody who is there is told to be closed")

    def _update(self, records: Records) -> None:
        super()._update(records)


@dataclass(slots=True)
class Source:
    """One night's export: the same blocks each time."""

    rows: list[tuple[str, Data]]
    blocks: list[Block]
    early: dict[str, Data]
    """What stands in it of an id before its last version."""

    @classmethod
    def make(cls, rng: Random, loans: dict[str, Data], refused_ids: list[str]) -> Source:
        """Write an export: some ids stand in it twice, the last time as they are."""
        rows = list(loans.items())
        rng.shuffle(rows)
        early: dict[str, Data] = {}
        for record_id, _ in rng.sample(rows, min(len(rows), rng.choice((0, 0, 1, 3)))):
            at = next(index for index, row in enumerate(rows) if row[0] == record_id)
            early[record_id] = _data(rng)
            rows.insert(rng.randint(0, at), (record_id, early[record_id]))
        blocks: list[Block] = []
        row = 1
        left = list(rows)
        while left or not blocks:
            count = rng.randint(1, 6)
            some, left = left[:count], left[count:]
            block = Block([each[0] for each in some], b"", [])
            lines = [orjson.dumps({"id": record_id, "data": data}) for record_id, data in some]
            if refused_ids and rng.random() < 0.3:
                block.refusals.append(Refusal("data has no fields", Place(PATH, row), refused_ids.pop(), b"{}"))
                row += 1
            block.lines = b"\n".join(lines)
            block.spans = [Span(PATH, row, len(some))] if some else []
            if rng.random() < 0.1:
                block.filtered_ids = [f"loan {rng.randrange(30)}"]
                block.filtered = [Span(PATH, row + len(some), 1)]
            row += len(some) + 1
            blocks.append(block)
        return cls(rows, blocks, early)

    def read(self) -> Iterator[Block]:
        """Read it once more."""
        for block in self.blocks:
            yield replace(block, refusals=list(block.refusals))

    @property
    def present(self) -> set[str]:
        """Whoever stands in it, as whatever."""
        ids = {record_id for record_id, _ in self.rows}
        ids |= {str(refusal.id) for block in self.blocks for refusal in block.refusals}
        return ids | {record_id for block in self.blocks for record_id in block.filtered_ids}


def _data(rng: Random, poison_share: float = 0.0) -> Data:
    data: Data = {"status": "open", "amount": rng.choice((1, "1", 1.5, None, True, ""))}
    if rng.random() < 0.5:
        data["city"] = rng.choice(("Pune", "null", None))
    return data | {POISON: True} if rng.random() < poison_share else data


@dataclass(slots=True)
class World:
    """Everything that outlives a night."""

    rng: Random
    server: NightServer
    disk: Disk
    settings: Settings
    batch_size: int
    workers: int
    loans: dict[str, Data] = field(default_factory=dict)
    left: dict[str, Data] = field(default_factory=dict)
    delivered: list[dict[str, Data]] = field(default_factory=list)
    """The loans as they were in each night that came to its end: values return to these."""
    violations: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, seed: int, where: Path) -> World:
        """Draw a world."""
        rng = Random(seed)
        character = Character.make(rng)
        character.fault_share = rng.choice((0, 0, 0.05, 0.2, 0.5))
        character.outage = None
        tables = {"api": {"campaign_id": "camp"}, "source": {"path": PATH, "id": "id"}, "state": {"dir": str(where)}}
        return cls(
            rng=rng,
            server=NightServer(rng, character),
            disk=Disk(),
            settings=from_tables(tables),
            batch_size=rng.randint(2, 8),
            workers=rng.randint(1, 4),
        )

    def next_export(self, before: Source | None) -> Source:
        """Let a day pass after the export `before`."""
        rng = self.rng
        if before is not None and before.early and rng.random() < 0.5:
            self.loans |= {each: data for each, data in before.early.items() if each in self.loans}
            return Source.make(rng, self.loans, [])
        if self.delivered and rng.random() < 0.3:
            self.left |= self.loans
            self.loans = dict(rng.choice(self.delivered))
            self.left = {each: data for each, data in self.left.items() if each not in self.loans}
            return Source.make(rng, self.loans, [])
        for record_id in list(self.loans):
            fate = rng.random()
            if fate < 0.15:
                self.left[record_id] = self.loans.pop(record_id)
            elif fate < 0.4:
                self.loans[record_id] = _data(rng, 0.05)
        for record_id in list(self.left):
            if rng.random() < 0.3:
                self.loans[record_id] = self.left.pop(record_id)
        for _ in range(rng.choice((0, 2, 12))):
            record_id = f"loan {rng.randrange(30)}"
            if record_id not in self.left:
                self.loans[record_id] = _data(rng, 0.05)
        if not self.loans:
            self.loans["loan 0"] = _data(rng)
        refused = [record_id for record_id in self.left if rng.random() < 0.1]
        return Source.make(rng, self.loans, refused)


def simulate_nights(seed: int) -> Nights:
    """Live through the nights of `seed`."""
    memory = Path("/dev/shm")  # noqa: S108 - syncing a disk would take most of the time
    where = Path(tempfile.mkdtemp(prefix="nights-", dir=memory if memory.is_dir() else None))
    random_bytes = opened_ledger.random_bytes
    world, told = World.make(seed, where), Nights(seed)
    opened_ledger.random_bytes = world.rng.randbytes
    try:
        _live(world, told)
    finally:
        opened_ledger.random_bytes = random_bytes
        shutil.rmtree(where)
    told.requests = len(world.server.requests)
    told.violations = sorted({*world.violations, *world.server.violations, *world.disk.violations})
    return told


def _live(world: World, told: Nights) -> None:
    rng, source = world.rng, None
    for night in range(rng.randint(2, 6)):
        is_last = night == 5
        source = source if source is not None and rng.random() < 0.2 else world.next_export(source)
        kind = rng.choice(("changed",) * 6 + ("full", "off", "limit"))
        is_cut = rng.random() < 0.35 and not is_last
        wait_for_others(world)
        _one_night(world, told, Night(world, source, kind, night, is_cut))
        told.nights += 1
        if world.violations:
            return
        world.server.character.calm_after = len(world.server.requests) + rng.choice((5, 20, 60))


def wait_for_others(world: World) -> None:
    """A run with other records waits until nothing of others can land."""
    world.server.epoch += LATE_S + SILENT_S + 1


def _one_night(world: World, told: Nights, night: Night) -> None:
    processes_max = world.rng.randint(1, 2) if night.is_cut else PROCESSES_MAX
    world.server.present = night.source.present
    is_done = False
    for number in range(processes_max):
        told.processes += 1
        try:
            is_done = _run_process(night, number)
        except Crash:
            told.crashes += 1
        except Exception as error:
            world.violations.append(f"a bug: {type(error).__name__}: {error}")
        if is_done or world.violations:
            break
    if is_done:
        world.delivered.append(dict(world.loans))
        counts = world.disk.latest.counts
        told.unchanged += counts.unchanged
        told.updated += counts.updated
        told.told += world.disk.latest.run.gone.get("updated", 0)
        world.violations += night.wrong_at_the_end()
    elif not night.is_cut and not world.violations:
        world.violations.append("never done")


def _run_process(night: Night, number: int) -> bool:
    world, loop = night.world, VirtualLoop()
    process = Process(night, number)
    is_killed = process.troubled and world.rng.random() < (0.9 if night.is_cut else 0.4)
    kill_at = world.rng.randrange(1, 90 if night.is_cut else 300) if is_killed else TURNS_MAX

    def on_turn(turns: int) -> None:
        if turns == kill_at:
            process.die(loop.time())
            loop.on_turn(lambda _: None)
            raise Crash if kill_at < TURNS_MAX else RuntimeError("the process is caught in a loop")

    loop.on_turn(on_turn)
    try:
        return run(process.run(), loop)
    except NothingLeftToDo:
        raise RuntimeError("every task waits for another") from None
    finally:
        world.server.epoch += loop.time() + world.rng.choice((0.0, 1.0, 30.0))


@dataclass(slots=True)
class Night:
    """A source, and how it is sent: `changed`, `full`, `off` or `limit`."""

    world: World
    source: Source
    kind: str
    number: int
    is_cut: bool = False
    """Whether nobody goes on with it once its first processes are gone."""

    @property
    def job(self) -> Job:
        """What to run."""
        delta = Delta(
            feed="feed",
            holds="portfolio",
            mapping="mapping",
            is_full=self.kind == "full",
            gone="send",
            constants=CLOSED,
            max_gone=Threshold(percent=100.0),
        )
        source: Any = None
        limit = len(self.source.rows) if self.kind == "limit" else None
        delta_or_none = None if self.kind == "off" else delta
        return Job("sync", source, lambda: iter(()), {}, limit=limit, delta=delta_or_none)

    def wrong_at_the_end(self) -> Iterator[str]:
        """Yield what is wrong when the night has come to its end."""
        world, stored = self.world, self.world.disk.latest
        world.server.land(inf)
        try:
            stored.counts.check()
        except AccountsDoNotBalance as error:
            yield str(error)
        if stored.counts.read != len(self.source.rows) + sum(len(block.refusals) for block in self.source.blocks):
            yield f"{stored.counts.read} records accounted for, {len(self.source.rows)} in the source"
        yield from self._wrong_states(stored.results.values())
        gone = stored.run.gone
        if gone and gone["found"] != gone["updated"] + gone["rejected"] + gone["unknown"] + gone["pending"]:
            yield f"the accounts of gone ids do not balance: {gone}"

    def _wrong_states(self, results: Iterable[ChunkResult]) -> Iterator[str]:
        doubtful = {each.chunk.ids[failure.index] for each in results for failure in each.failures}
        doubtful |= {str(refusal.id) for each in results for refusal in each.chunk.refusals}
        wanted: dict[str, Data] = {}
        for record_id, data in self.source.rows:
            wanted.setdefault(record_id, {}).update(data)
        for record_id, data in wanted.items():
            held = self.world.server.state.get(record_id, {})
            wrong = [name for name, value in data.items() if _told_apart(held.get(name, ...)) != _told_apart(value)]
            if wrong and record_id not in doubtful:
                yield f"the server does not hold the latest {', '.join(wrong)} of {record_id}"


def _told_apart(value: object) -> object:
    return type(value), value


class NightJournal(MemoryJournal):
    """A journal whose runs have real directories: who is gone is written down there."""

    def __init__(self, disk: Disk, where: Path, clock: Any) -> None:
        super().__init__(disk, clock)
        self._where = where

    def run_dir(self, run_id: str) -> Path:
        path = self._where / run_id
        path.mkdir(exist_ok=True)
        return path


class VirtualThread:
    """The journal's thread: each call takes its time, in which the process may die; what was begun comes to its end."""

    def __init__(self, journal: MemoryJournal, rng: Random) -> None:
        self.value = journal
        self.dead = False
        self._rng = rng
        self._at_work = asyncio.Lock()

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function, after another."""
        return await asyncio.shield(asyncio.ensure_future(self._call(function, args, kwargs)))

    async def _call(self, function: Any, args: Any, kwargs: Any) -> Any:
        async with self._at_work:
            await asyncio.sleep(self._rng.choice((0.0005, 0.002, 0.05)))
            if self.dead:
                raise asyncio.CancelledError
            found = function(*args, **kwargs)
            await asyncio.sleep(self._rng.choice((0.0, 0.002)))
            if self.dead:
                raise asyncio.CancelledError
            return found


class Process:
    """What the program does of a night between its start and its end."""

    def __init__(self, night: Night, number: int) -> None:
        self._night, self._number = night, number
        self._api = FakeApi(night.world.server, number)
        self._thread: VirtualThread | None = None
        self._run: Run | None = None
        self.troubled = number < TROUBLED_PROCESSES

    def die(self, now: float) -> None:
        """From now on nothing that this process does has any effect."""
        server, disk = self._night.world.server, self._night.world.disk
        self._api.dead = True
        server.client_dies(server.epoch + now)
        if self._thread is not None:
            self._thread.dead = True
        if self._run is not None and self._run.id in disk.runs:
            stored = disk.runs[self._run.id]
            moment = server.epoch + now - self._night.world.rng.uniform(0, SILENT_S)
            stored.run = structs.replace(stored.run, alive_at=moment)

    async def run(self) -> bool:
        """Begin the night's run or go on with it; return whether all is done."""
        world, rng, stop = self._night.world, self._night.world.rng, Stop()
        journal = NightJournal(world.disk, world.settings.state.dir, clock=lambda: world.server.now)
        thread: Any = VirtualThread(journal, rng)
        self._thread = thread
        run = await thread.call(self._begun, journal)
        ledger = await thread.call(opened_ledger.open_ledger, self._night.job, world.settings, run, thread)
        late = DurableLateCopies(run, LATE_S, asyncio.get_running_loop().time, lambda: world.server.now)
        traffic = Traffic(
            limiter=Pacer(requests_per_second=100.0, concurrency=world.workers),
            policy=RetryPolicy(retry_window_s=rng.choice((20.0, 900.0)), dice=rng),
            stop=stop,
            requests=run.requests,
            late_copies=late.of_pipeline,
        )
        if self.troubled and rng.random() < 0.2:
            asyncio.get_running_loop().call_later(rng.uniform(0, 5), stop.request, Interrupted("SIGTERM"))
        work = Work(self._night, self._api, thread, run, ledger, late, traffic, stop)
        is_done = False
        try:
            is_done = await work.deliver()
        finally:
            if not self._api.dead:
                await asyncio.sleep(1)
                await thread.call(journal.note_late_copies, run, late.not_durable())
                await ledger.merge()
                await thread.call(
                    partial(
                        journal.save,
                        run,
                        worked_s=0.0,
                        requests=replace(traffic.requests),
                        telemetry={},
                        ended=True,
                        finished=is_done,
                    )
                )
        return is_done

    def _begun(self, journal: MemoryJournal) -> Run:
        unfinished = journal.unfinished_run("sync")
        if unfinished is not None and unfinished.id == f"run-{self._night.number}":
            journal.resume(unfinished)
            self._run = unfinished
        else:
            began = f"2026-11-{10 + self._night.number}T02:00:00.000Z"
            self._run = Run(f"run-{self._night.number}", "sync", "camp", began, {})
            journal.begin(self._run)
        journal.note_sending(self._run, self._night.world.workers)
        return self._run


@dataclass(slots=True)
class Work:
    """What `engine/run/active_run.py` does."""

    night: Night
    api: FakeApi
    thread: Any
    run: Run
    ledger: NoLedger
    late: DurableLateCopies
    traffic: Traffic
    stop: Stop

    async def deliver(self) -> bool:
        """Bring the source to the API, and tell it who is gone; return whether that is done."""
        world = self.night.world
        chunks, chunker = self._chunks()
        try:
            await self.ledger.before_first()
            await self._pipeline(chunks, dict(self.run.done), self._record, self.ledger.before)
            if chunker is None or self.night.kind == "limit" or not isinstance(self.ledger, LedgerOfRun):
                return True
            gone = GoneIds(self.night.job, world.settings, self.run, self.thread, self.ledger)
            await gone.judge(chunker.comparison.presence, 1)
            if gone.must_be_told:
                chunks = gone.chunks(world.batch_size, 10_000)
                await self._pipeline(chunks, {}, partial(self._record_gone, gone), _nothing)
                gone.settled()
            return gone.is_settled
        except (EngineError, NotTheLedger):
            return False

    def _chunks(self) -> tuple[Iterable[Chunk], ComparedChunker | None]:
        world, comparing = self.night.world, self.ledger.comparing
        limits = {"batch_size": world.batch_size, "lines_bytes_max": 10_000, "concurrency": world.workers}
        if comparing is None:
            return Chunker(**limits).cut(self.night.source.read()), None
        chunker = ComparedChunker(comparing, one_of_many=None, **limits)
        return chunker.cut(self.night.source.read()), chunker

    async def _pipeline(self, chunks: Any, done: dict[int, bytes], record: Any, before: Any) -> None:
        world = self.night.world
        durable = world.disk.latest.counts if done else ChunkCounts()
        await run_pipeline(
            chunks,
            done=done,
            accounts=Accounts(durable),
            api=self.api,
            traffic=self.traffic,
            concurrency=world.workers,
            record=record,
            judge=lambda: None,
            stop=self.stop,
            drain_timeout_s=world.rng.choice((0.0, 0.02, 1.0, 60.0)),
            produce=partial(produce, rng=world.rng),
            before=before,
        )

    async def _record(self, results: Any) -> None:
        journal = self.thread.value
        await self.thread.call(journal.note_late_copies, self.run, self.late.not_durable())
        changes = self.ledger.changes(results)
        await self.thread.call(journal.record, self.run, results, 0.0, replace(self.traffic.requests), changes)

    async def _record_gone(self, gone: GoneIds, results: Any) -> None:
        await self.thread.call(self.thread.value.note_late_copies, self.run, self.late.not_durable())
        await gone.record(results)


async def _nothing(_: Chunk) -> None:
    pass
