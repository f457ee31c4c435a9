"""The journal on a disk that is only made up, alone and in a thread of its own that takes its time and may be killed.

`MemoryJournal` passes the same contract suite as the real one (`tests/state/test_journal_contract.py`). What was
written last may be gone after a crash, what was called durable never is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from msgspec import structs

from engine.state.campaign_rows import CampaignRow
from engine.state.journal import Journal, LedgerChanges, Run, Undelivered, id_digest
from engine.state.late_copies import Left
from engine.state.ledger_rows import LedgerRow
from engine.state.masking import without_record_data
from engine.state.old_runs import RUNS_KEPT_MIN
from engine.state.rejects import add_reason, reasons, reject_lines
from engine.values import SEQ_BITS, ChunkResult
from engine.values.counts import ChunkCounts, Reason, RequestCounts
from engine.values.errors import StateFailed


@dataclass(slots=True)
class StoredRun:
    """What survives of a run: as much of it as was committed, and the whole of its reject file."""

    run: Run
    finished: bool = False
    results: dict[int, ChunkResult] = field(default_factory=dict)
    campaigns: dict[str, CampaignRow] = field(default_factory=dict)
    rejects: bytearray = field(default_factory=bytearray)

    @property
    def reject_lines(self) -> list[bytes]:
        """The lines of the reject file that count."""
        return bytes(self.rejects[: self.run.rejected_bytes]).splitlines()

    @property
    def counts(self) -> ChunkCounts:
        """The sums over all results."""
        return sum((result.counts for result in self.results.values()), ChunkCounts())


@dataclass(slots=True)
class Disk:
    """What survives a crash."""

    runs: dict[str, StoredRun] = field(default_factory=dict)
    undelivered: dict[tuple[str, bytes, str], int] = field(default_factory=dict)
    """By campaign, digest of the id, and run: the byte from which lines of the id count."""
    learned: dict[str, str] = field(default_factory=dict)
    ledgers: dict[str, LedgerRow] = field(default_factory=dict)
    changes: list[tuple[int, str, int, bytes]] = field(default_factory=list)
    """What is to change about ledgers: a number, the target, the run's number, and the change."""
    changes_made: int = 0
    violations: list[str] = field(default_factory=list)
    """What must never be written."""

    @property
    def latest(self) -> StoredRun:
        """The run that was begun last."""
        return list(self.runs.values())[-1]


def copied(row: CampaignRow) -> CampaignRow:
    """Return a campaign whose counts nobody else changes."""
    return structs.replace(row, requests=replace(row.requests))


class MemoryJournal(Journal):
    """The journal of one process on a made-up disk. `fails` names what cannot be written: `rejects`, `commit` or ""."""

    def __init__(self, disk: Disk, clock: Callable[[], float] = time.time) -> None:
        self._disk = disk
        self._clock = clock
        self.fails = ""

    def close(self) -> None:
        pass

    def run_dir(self, run_id: str) -> Path:
        return Path("made-up", run_id)

    def unfinished_run(self, kind: str) -> Run | None:
        latest = next((each for each in reversed(self._disk.runs.values()) if each.run.kind == kind), None)
        if latest is None or latest.finished:
            return None
        done = {seq: result.chunk.digest() for seq, result in latest.results.items()}
        without_failures = {seq for seq, result in latest.results.items() if not result.failures}
        requests = replace(latest.run.requests)
        read = {seq: result.chunk.read for seq, result in latest.results.items()}
        known: dict[str, Any] = {"done": done, "read": read, "without_failures": without_failures, "requests": requests}
        return structs.replace(latest.run, **known, campaigns=self.campaigns(latest.run))

    def campaigns(self, run: Run) -> dict[str, CampaignRow]:
        return {each.id: copied(each) for each in self._disk.runs[run.id].campaigns.values()}

    def latest_runs(self, count: int) -> list[Run]:
        return [structs.replace(each.run, finished=each.finished) for each in self._disk.runs.values()][-count:]

    def telemetry(self, run: Run) -> Mapping[str, Any]:
        return self._disk.runs[run.id].run.telemetry

    def note_sending(self, run: Run, in_flight: int) -> None:
        in_flight = max(run.in_flight, in_flight)
        self._save(run, in_flight=in_flight)
        run.in_flight = in_flight

    def _close_others(self, run: Run) -> None:
        for stored in self._disk.runs.values():
            other = stored.run
            if not stored.finished and other.id != run.id and run.kind in ("sync", other.kind):
                stored.finished, stored.run = True, structs.replace(other, closed_by=run.id)

    def begin(self, run: Run) -> None:
        self._write("commit")
        self._close_others(run)
        run.number = len(self._disk.runs) + 1
        self._disk.runs[run.id] = StoredRun(structs.replace(run, alive_at=self._clock()))

    def resume(self, run: Run) -> None:
        run.resumes += 1
        for requests in (run.requests, *(each.requests for each in run.campaigns.values())):
            failed = requests.sent - requests.succeeded - requests.throttled
            requests.in_doubt += failed - requests.failed
            requests.failed = failed
        self._close_others(run)
        self._save(run, resumes=run.resumes, alive_at=self._clock(), exit_code=None, message="")
        stored = self._disk.runs[run.id]
        if len(stored.rejects) < run.rejected_bytes:
            raise StateFailed("rejected.ndjson is shorter than the journal says")
        del stored.rejects[run.rejected_bytes :]

    def set_fingerprint(self, run: Run, fingerprint: Mapping[str, Any]) -> None:
        self._save(run, fingerprint=fingerprint)
        run.fingerprint = fingerprint

    def record(
        self,
        run: Run,
        results: Sequence[ChunkResult],
        worked_s: float,
        requests: RequestCounts,
        changes: Sequence[LedgerChanges] = (),
        campaigns: Sequence[CampaignRow] = (),
    ) -> None:
        for _ in self.recording(run, results, worked_s, requests, changes, campaigns):
            pass

    def recording(
        self,
        run: Run,
        results: Sequence[ChunkResult],
        worked_s: float,
        requests: RequestCounts,
        changes: Sequence[LedgerChanges] = (),
        campaigns: Sequence[CampaignRow] = (),
    ) -> Iterator[None]:
        """Do what `record` does, and stop before each of its two writes, for the process may die there."""
        results = [without_record_data(each) for each in results]
        yield
        length = self._append_rejects(run, results)
        yield
        stored = self._disk.runs[run.id]
        if stored.results.keys() & {each.chunk.seq for each in results}:
            self._disk.violations.append("a chunk with a durable result got another one")
            raise StateFailed("a chunk with a durable result got another one")
        now = self._clock()
        columns: dict[str, Any] = {"rejected_bytes": length, "worked_s": worked_s, "requests": replace(requests)}
        self._save(run, **columns, alive_at=now, progress_at=now)
        stored.results |= {each.chunk.seq: each for each in results}
        for each in results:
            self._note_undelivered(run, each)
        for some in changes:
            self._add_changes(some, run.number)
        stored.campaigns |= {each.id: copied(each) for each in campaigns}
        run.rejected_bytes = length

    def ledgers(self) -> list[LedgerRow]:
        return [self._disk.ledgers[target] for target in sorted(self._disk.ledgers)]

    def ledger(self, target: str) -> LedgerRow | None:
        return self._disk.ledgers.get(target)

    def put_ledger(self, row: LedgerRow, changes: Sequence[bytes] = (), *, run: int = 0) -> None:
        self._write("commit")
        self._disk.ledgers[row.target] = row
        self._add_changes(LedgerChanges(row.target, changes), run)

    def delete_ledger(self, target: str) -> None:
        self._write("commit")
        self._disk.ledgers.pop(target, None)
        self._disk.changes = [each for each in self._disk.changes if each[1] != target]

    def change_ledger(self, changes: LedgerChanges, run: int) -> None:
        self._write("commit")
        self._add_changes(changes, run)

    def ledger_changes(self, target: str) -> Iterator[tuple[int, int, bytes]]:
        for number, of, run, change in list(self._disk.changes):
            if of == target:
                yield number, run, change

    def replace_ledger(self, row: LedgerRow, merged_to: int, *, erase: bool = False) -> None:
        self._write("commit")
        self._disk.ledgers[row.target] = row
        self._disk.changes = [each for each in self._disk.changes if each[1] != row.target or each[0] > merged_to]

    def note_delta(self, run: Run, delta: Mapping[str, Any]) -> None:
        self._save(run, delta=delta)
        run.delta = delta

    def note_gone(
        self,
        run: Run,
        gone: Mapping[str, Any],
        changes: LedgerChanges | None = None,
        over: Sequence[str] = (),
        campaign_id: str = "",
    ) -> None:
        if campaign_id:
            campaigns = self._disk.runs[run.id].campaigns
            campaigns[campaign_id] = structs.replace(campaigns[campaign_id], gone=gone)
            run.campaigns[campaign_id] = copied(campaigns[campaign_id])
        else:
            self._save(run, gone=gone, tried=True)
            run.gone, run.tried = gone, True
        if changes is not None:
            self._add_changes(changes, run.number)
        ids = {id_digest(each) for each in over}
        for key in [
            key for key in self._disk.undelivered if key[0] == (campaign_id or run.campaign_id) and key[1] in ids
        ]:
            del self._disk.undelivered[key]

    def take_back_unchanged(self, run: Run, campaign: int = 0) -> None:
        self._write("commit")
        stored = self._disk.runs[run.id]
        taken = {seq for seq, each in stored.results.items() if each.chunk.unchanged and seq >> SEQ_BITS == campaign}
        stored.results = {seq: each for seq, each in stored.results.items() if seq not in taken}

    def started_at(self, run: int) -> str | None:
        return next((each.run.started_at for each in self._disk.runs.values() if each.run.number == run), None)

    def run_id(self, run: int) -> str | None:
        return next((each.run.id for each in self._disk.runs.values() if each.run.number == run), None)

    def first_run_since(self, moment: str) -> int:
        numbers = [each.run.number for each in self._disk.runs.values() if each.run.started_at >= moment]
        return min(numbers, default=len(self._disk.runs) + 1)

    def _add_changes(self, changes: LedgerChanges, run: int) -> None:
        for change in changes.changes:
            self._disk.changes_made += 1
            self._disk.changes.append((self._disk.changes_made, changes.target, run, change))

    def note_late_copies(self, run: Run, until: Mapping[int, float]) -> None:
        if until:
            stored = self._disk.runs[run.id].run
            self._save(run, late_copies={**stored.late_copies, **until})

    def left_by_others(self, campaign_id: str) -> Left:
        every = [each.run for each in self._disk.runs.values()]
        runs = [run for run in every if not campaign_id or run.campaign_id in (campaign_id, "")]
        until = [moment for run in runs for moment in run.late_copies.values()]
        killed = [run.alive_at for run in runs if run.alive_at is not None]
        return Left(max(until, default=None), max(killed, default=None))

    def still_alive(self) -> None:
        pass

    def save(
        self,
        run: Run,
        *,
        worked_s: float,
        requests: RequestCounts,
        telemetry: Mapping[str, Any],
        ended: bool = False,
        finished: bool = False,
        exit_code: int | None = None,
        message: str = "",
        tried: bool = False,
        campaigns: Sequence[CampaignRow] = (),
    ) -> None:
        changes: dict[str, Any] = {"worked_s": worked_s, "requests": replace(requests), "telemetry": telemetry}
        changes |= {"alive_at": None if ended else self._clock(), "exit_code": exit_code, "message": message}
        self._save(run, **changes, **({"tried": True} if tried else {}))
        self._disk.runs[run.id].finished = finished
        self._disk.runs[run.id].campaigns |= {each.id: copied(each) for each in campaigns}

    def counts(self, run: Run) -> ChunkCounts:
        return self._disk.runs[run.id].counts

    def campaign_counts(self, run: Run) -> dict[int, ChunkCounts]:
        sums: dict[int, ChunkCounts] = {}
        for seq, result in self._disk.runs[run.id].results.items():
            sums[seq >> SEQ_BITS] = sums.get(seq >> SEQ_BITS, ChunkCounts()) + result.counts
        return sums

    def reasons(self, run: Run, campaign: int | None = None) -> list[Reason]:
        groups: dict[tuple[str, str], Reason] = {}
        for result in self._disk.runs[run.id].results.values():
            if campaign not in (None, result.chunk.seq >> SEQ_BITS):
                continue
            for reason in reasons(result):
                add_reason(groups, reason)
        return sorted(groups.values(), key=lambda reason: (-reason.count, reason.reason))

    def latest_run_to_replay(self, campaign_id: str) -> str | None:
        of_campaign = [each.run.id for each in self._disk.runs.values() if each.run.campaign_id == campaign_id]
        waiting = {run_id for _, _, run_id in self._disk.undelivered}
        return ([None, *of_campaign, *filter(waiting.__contains__, of_campaign)])[-1]

    def undelivered_by(self, run_id: str) -> Undelivered | None:
        stored = self._disk.runs.get(run_id)
        if stored is None:
            return None
        first = {(of, digest): at for (of, digest, of_run), at in self._disk.undelivered.items() if of_run == run_id}
        return Undelivered(stored.run.campaign_id, stored.run.rejected_bytes, first)

    def forget_old_runs(self, started_before: str) -> list[str]:
        self._write("commit")
        latest = list(self._disk.runs)[-RUNS_KEPT_MIN:]
        keeps = {*latest, *(run_id for _, _, run_id in self._disk.undelivered)}
        for run_id, stored in list(self._disk.runs.items()):
            if stored.finished and run_id not in keeps and stored.run.started_at < started_before:
                del self._disk.runs[run_id]
        return []

    def learned(self, name: str) -> Any:
        return json.loads(self._disk.learned.get(name, "null"))

    def learn(self, name: str, value: Any) -> None:
        self._write("commit")
        self._disk.learned[name] = json.dumps(value)

    def _append_rejects(self, run: Run, results: Sequence[ChunkResult]) -> int:
        self._write("rejects")
        rejects = self._disk.runs[run.id].rejects
        lines = [line for each in results for line in reject_lines(each, tells_campaign=not run.campaign_id)]
        rejects[run.rejected_bytes :] = b"".join(line + b"\n" for line in lines)
        return len(rejects)

    def _note_undelivered(self, run: Run, result: ChunkResult) -> None:
        waiting, ids = self._disk.undelivered, result.chunk.ids
        its_campaign = result.chunk.campaign_id or run.campaign_id
        failed = {id_digest(ids[failure.index]) for failure in result.failures}
        read_again = {id_digest(record_id) for record_id in ids}
        for campaign_id, digest, run_id in list(waiting):
            superseded = digest in read_again and (run_id != run.id or digest not in failed)
            if campaign_id == its_campaign and superseded:
                del waiting[campaign_id, digest, run_id]
        for digest in failed:
            waiting.setdefault((its_campaign, digest, run.id), run.rejected_bytes)

    def _save(self, run: Run, **changes: Any) -> None:
        self._write("commit")
        stored = self._disk.runs[run.id]
        stored.run = structs.replace(stored.run, **changes)

    def _write(self, what: str) -> None:
        if self.fails == what:
            raise StateFailed("the disk is full")


class FakeJournal:
    """The journal seam of one process: its run is begun or resumed, and results become durable, all in due time."""

    def __init__(
        self,
        disk: Disk,
        rng: Random,
        *,
        fails: bool,
        clock: Callable[[], float],
        in_flight: int,
        campaign_id: str = "camp",
    ) -> None:
        self._journal = MemoryJournal(disk, clock)
        self._disk = disk
        self._rng = rng
        self._fails = fails
        self._at_work = asyncio.Lock()  # one write after another, as in a thread of its own
        self.dead = False
        run = self._journal.unfinished_run("sync")
        if run is None:
            run = Run("run-1", "sync", campaign_id, "2026-11-23T02:00:00.000Z", {})
            self._journal.begin(run)
        else:
            self._journal.resume(run)
        self._in_flight = in_flight
        self.run = run

    def was_alive_at(self, moment: float) -> None:
        """The process is dead, and this is when it has last noted that it lives."""
        stored = self._disk.runs[self.run.id]
        stored.run = structs.replace(stored.run, alive_at=moment)

    def end(
        self, requests: RequestCounts, late_copies: Mapping[int, float], campaigns: Sequence[CampaignRow] = ()
    ) -> None:
        """Write down that the process has ended by itself, and what may still land of what it has sent."""
        self._journal.note_late_copies(self.run, late_copies)
        told = replace(requests)
        self._journal.save(self.run, worked_s=0.0, requests=told, telemetry={}, ended=True, campaigns=campaigns)

    def counts_of_campaigns(self) -> dict[int, ChunkCounts]:
        """Return the sums of what is durable of each campaign, by its number."""
        return self._journal.campaign_counts(self.run)

    def note_sending(self) -> None:
        """Write down how many chunks may be in flight, before the first one is."""
        self._journal.note_sending(self.run, self._in_flight)

    async def record(
        self,
        results: Sequence[ChunkResult],
        requests: RequestCounts,
        late_copies: Mapping[int, float],
        campaigns: Sequence[CampaignRow] = (),
    ) -> None:
        """Make results durable. As with a thread, a caller that is cancelled does not cancel what was begun."""
        await asyncio.shield(asyncio.ensure_future(self._write(results, replace(requests), late_copies, campaigns)))

    async def _write(
        self,
        results: Sequence[ChunkResult],
        requests: RequestCounts,
        late_copies: Mapping[int, float],
        campaigns: Sequence[CampaignRow],
    ) -> None:
        async with self._at_work:
            if not self.dead:
                self._journal.note_late_copies(self.run, late_copies)
            for _ in self._journal.recording(self.run, results, 0.0, requests, (), campaigns):
                await self._step()
            await self._step(may_fail=False)

    async def _step(self, *, may_fail: bool = True) -> None:
        """Take some time, in which the process may die; then nothing more is written."""
        await asyncio.sleep(self._rng.choice((0.0005, 0.002, 0.05)))
        if self.dead:
            raise asyncio.CancelledError
        if may_fail and self._fails and self._rng.random() < 0.2:
            raise StateFailed("the disk is full")
