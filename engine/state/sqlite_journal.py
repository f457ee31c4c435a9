"""The journal on a disk: one SQLite database for all runs, a reject file for each, and the kernel's lock on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.state.database import Database
from engine.state.journal import Journal, Run, Undelivered
from engine.state.learned import Learned
from engine.state.private_files import make_private_dir
from engine.state.rejects import REJECTED, RejectWriter
from engine.state.results import Results
from engine.state.runs import Runs
from engine.state.state_dir import LOCK, RUNS, take_lock
from engine.state.undelivered import UndeliveredIds, latest_run_to_replay, undelivered_by
from engine.values import ChunkCounts, ChunkResult, Reason, RequestCounts


class SqliteJournal(Journal):
    """An open state directory, locked for as long as it is open. Its methods are told of in `Journal`.

    Raises:
        StateLocked: another run holds the lock.
        StateFailed: the directory or what is in it can't be used.
    """

    def __init__(self, state_dir: Path) -> None:
        make_private_dir(state_dir)
        make_private_dir(state_dir / RUNS)
        self.dir = state_dir
        self._lock = take_lock(state_dir / LOCK)
        try:
            self._db = Database(state_dir)
        except BaseException:
            self._lock.close()
            raise
        self._runs = Runs(self._db)
        self._results = Results(self._db)
        self._learned = Learned(self._db)
        self._rejects: RejectWriter | None = None
        self._undelivered: UndeliveredIds | None = None

    def close(self) -> None:
        if self._rejects is not None:
            self._rejects.close()
        self._db.close()
        with suppress(OSError):
            self._lock.close()

    def run_dir(self, run_id: str) -> Path:
        return self.dir / RUNS / run_id

    def unfinished_run(self, kind: str) -> Run | None:
        run = self._runs.unfinished(kind)
        if run is not None:
            run.done = self._results.done(run.id)
        return run

    def begin(self, run: Run) -> None:
        with self._db.transaction():
            self._runs.begin(run)
        self._open(run)

    def resume(self, run: Run) -> None:
        run.resumes += 1
        requests = run.requests
        requests.failed = requests.sent - requests.succeeded - requests.throttled
        self._save(run, resumes=run.resumes)
        self._open(run)

    def set_fingerprint(self, run: Run, fingerprint: Mapping[str, Any]) -> None:
        self._save(run, fingerprint=fingerprint)
        run.fingerprint = fingerprint

    def record(self, run: Run, results: Sequence[ChunkResult], worked_s: float, requests: RequestCounts) -> None:
        if self._rejects is None or self._undelivered is None:
            raise RuntimeError("the run was neither begun nor resumed")
        length = self._rejects.append(results, at=run.rejected_bytes)
        with self._db.transaction():
            self._results.add(run.id, results)
            self._undelivered.note(results, from_byte=run.rejected_bytes)
            self._runs.save(run.id, rejected_bytes=length, worked_s=worked_s, requests=requests)
        run.rejected_bytes = length

    def finish(
        self, run: Run, *, finished: bool, worked_s: float, requests: RequestCounts, telemetry: Mapping[str, Any]
    ) -> None:
        self._save(run, finished=finished, worked_s=worked_s, requests=requests, telemetry=telemetry)

    def save_telemetry(
        self, run: Run, *, worked_s: float, requests: RequestCounts, telemetry: Mapping[str, Any]
    ) -> None:
        self._save(run, worked_s=worked_s, requests=requests, telemetry=telemetry)

    def counts(self, run: Run) -> ChunkCounts:
        return self._results.counts(run.id)

    def reasons(self, run: Run) -> list[Reason]:
        return self._results.reasons(run.id)

    def latest_run_to_replay(self, campaign_id: str) -> str | None:
        return latest_run_to_replay(self._db, campaign_id)

    def undelivered_by(self, run_id: str) -> Undelivered | None:
        return undelivered_by(self._db, run_id)

    def learned(self, name: str) -> Any:
        return self._learned.get(name)

    def learn(self, name: str, value: Any) -> None:
        with self._db.transaction():
            self._learned.put(name, value)

    def _save(self, run: Run, **columns: Any) -> None:
        with self._db.transaction():
            self._runs.save(run.id, **columns)

    def _open(self, run: Run) -> None:
        """Open what results of `run` are written to."""
        self._undelivered = UndeliveredIds(self._db, self._rejects_of, run.campaign_id, run.id)
        if self._rejects is not None:
            self._rejects.close()
        make_private_dir(self.run_dir(run.id))
        self._rejects = RejectWriter(self._rejects_of(run.id), length=run.rejected_bytes)

    def _rejects_of(self, run_id: str) -> Path:
        return self.run_dir(run_id) / REJECTED
