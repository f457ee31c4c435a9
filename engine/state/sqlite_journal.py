"""The journal on a disk: one SQLite database for all runs, a reject file for each, and the kernel's lock on them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.state.campaign_rows import COUNTS, CampaignRow, CampaignRows, counts_of
from engine.state.chunk_rows import ChunkRows
from engine.state.database import Database
from engine.state.journal import LedgerChanges, Run, Undelivered, id_digest
from engine.state.late_copies import LateCopyRows, Left
from engine.state.ledger_rows import LedgerRows
from engine.state.masking import without_record_data
from engine.state.old_runs import forget_old_runs
from engine.state.private_files import make_private_dir
from engine.state.rejects import REJECTED, RejectWriter, add_reason, reasons
from engine.state.sqlite_ledgers import SqliteLedgers
from engine.state.state_dir import LOCK, RUNS, take_lock
from engine.state.undelivered import UndeliveredIds
from engine.values import SEQ_BITS, ChunkCounts, ChunkResult, Reason, RequestCounts

WRITES_EVERY_S = 10.0
"""A run under way writes at least so often that it lives."""

_COLUMNS = ("run_id", "seq", "digest", "settled_at", *COUNTS)
_INSERT = f"INSERT INTO chunk ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - names of ours
_SUMS = f"SELECT {', '.join(f'coalesce(sum({name}), 0) AS {name}' for name in COUNTS)} FROM chunk WHERE run_id = ?"  # noqa: S608 - names of ours


class SqliteJournal(SqliteLedgers):
    """An open state directory, locked for as long as it is open. Its methods are told of in `Journal`.

    Without `reject_data`, reject files get no record data. `mapped` is as that of `Database`.

    Raises:
        StateLocked: another run holds the lock.
        StateFailed: the directory or what is in it can't be used.
    """

    def __init__(
        self,
        state_dir: Path,
        clock: Callable[[], float] = time.time,
        *,
        reject_data: bool = True,
        mapped: bool = False,
    ) -> None:
        make_private_dir(state_dir)
        make_private_dir(state_dir / RUNS)
        self.dir = state_dir
        self._lock = take_lock(state_dir / LOCK)
        try:
            self._db = Database(state_dir, mapped=mapped)
        except BaseException:
            self._lock.close()
            raise
        self._alive_before = os.fstat(self._lock.fileno()).st_mtime
        self._run_of_lock = self._lock.read().decode("ascii", "replace")
        self._late_copies = LateCopyRows(self._db)
        self._ledgers = LedgerRows(self._db)
        self._campaigns = CampaignRows(self._db)
        self.chunk_rows = ChunkRows(self._db)
        """What is kept of chunks, for those who ask about single ones."""
        self._clock = clock
        self._reject_data = reject_data
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
        row = self._db.row("SELECT rowid AS number, * FROM run WHERE kind = ? ORDER BY rowid DESC LIMIT 1", (kind,))
        if row is None or row["finished"]:
            return None
        run = self._run_of(row)
        for chunk in self._db.rows(
            "SELECT seq, digest, read, rejected + unknown AS failures FROM chunk WHERE run_id = ?", (run.id,)
        ):
            run.done[chunk["seq"]] = chunk["digest"]
            run.read[chunk["seq"]] = chunk["read"]
            if not chunk["failures"]:
                run.without_failures.add(chunk["seq"])
        run.late_copies = self._late_copies.of_run(run.id)
        run.campaigns = self._campaigns.of_run(run.id)
        return run

    def latest_runs(self, count: int) -> list[Run]:
        rows = self._db.rows("SELECT rowid AS number, * FROM run ORDER BY rowid DESC LIMIT ?", (count,))
        return [self._run_of(dict(row) | {"telemetry": "{}"}) for row in reversed(rows)]

    def telemetry(self, run: Run) -> Mapping[str, Any]:
        row = self._db.row("SELECT telemetry FROM run WHERE id = ?", (run.id,))
        found: Mapping[str, Any] = json.loads(row["telemetry"]) if row else {}
        return found

    def _run_of(self, row: Mapping[str, Any]) -> Run:
        """Return a run without what is known of its chunks."""
        values = dict(row)
        values |= {name: bool(row[name]) for name in ("finished", "tried")}
        if row["alive_at"] is not None:
            values["alive_at"] = self._last_alive(row["id"], row["alive_at"])
        for name in ("identity", "fingerprint", "requests", "telemetry", "gone", "delta"):
            values[name] = json.loads(values[name] or "null")
        values["requests"] = RequestCounts(**values["requests"])
        return Run(**values)

    def campaigns(self, run: Run) -> dict[str, CampaignRow]:
        return self._campaigns.of_run(run.id)

    def begin(self, run: Run) -> None:
        with self._db.transaction():
            self._close_others(run)
            self._db.change(
                "INSERT INTO run (id, kind, campaign_id, started_at, identity, alive_at) VALUES (?, ?, ?, ?, ?, ?)",
                [(run.id, run.kind, run.campaign_id, run.started_at, json.dumps(run.identity), self._clock())],
            )
            run.number = self._db.row("SELECT rowid FROM run WHERE id = ?", (run.id,))[0]
        self._open(run)

    def resume(self, run: Run) -> None:
        run.resumes += 1
        for requests in (run.requests, *(campaign.requests for campaign in run.campaigns.values())):
            failed = requests.sent - requests.succeeded - requests.throttled
            requests.in_doubt += failed - requests.failed
            requests.failed = failed
        with self._db.transaction():
            self._close_others(run)
            self._write(run, resumes=run.resumes, alive_at=self._clock(), exit_code=None, message="")
        self._open(run)

    def note_sending(self, run: Run, in_flight: int) -> None:
        in_flight = max(run.in_flight, in_flight)
        with self._db.transaction():
            self._write(run, in_flight=in_flight)
        run.in_flight = in_flight

    def set_fingerprint(self, run: Run, fingerprint: Mapping[str, Any]) -> None:
        with self._db.transaction():
            self._write(run, fingerprint=fingerprint)
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
        if self._rejects is None or self._undelivered is None:
            raise RuntimeError("the run was neither begun nor resumed")
        results = [without_record_data(each) for each in results]
        length = self._rejects.append(results, at=run.rejected_bytes)
        with self._db.transaction():
            self._add_results(run, results)
            self._add_reasons(run, results)
            self._undelivered.note(results, from_byte=run.rejected_bytes)
            for each in changes:
                self._ledgers.add_changes(each.target, run.number, each.changes)
            self._campaigns.put(run.id, campaigns)
            now = self._clock()
            self._write(run, rejected_bytes=length, worked_s=worked_s, requests=requests, alive_at=now, progress_at=now)
        run.rejected_bytes = length

    def note_late_copies(self, run: Run, until: Mapping[int, float]) -> None:
        if until:
            with self._db.transaction():
                self._late_copies.note(run.id, until)

    def note_delta(self, run: Run, delta: Mapping[str, Any]) -> None:
        with self._db.transaction():
            self._write(run, delta=delta)
        run.delta = delta

    def note_gone(
        self,
        run: Run,
        gone: Mapping[str, Any],
        changes: LedgerChanges | None = None,
        over: Sequence[str] = (),
        campaign_id: str = "",
    ) -> None:
        with self._db.transaction():
            if campaign_id:
                run.campaigns[campaign_id] = self._campaigns.note_gone(run.id, campaign_id, gone)
            else:
                self._write(run, gone=gone, tried=True)
            if changes is not None:
                self._ledgers.add_changes(changes.target, run.number, changes.changes)
            rows = [(campaign_id or run.campaign_id, id_digest(each)) for each in over]
            self._db.change("DELETE FROM undelivered WHERE campaign_id = ? AND id_digest = ?", rows)
        if not campaign_id:
            run.gone, run.tried = gone, True

    def left_by_others(self, campaign_id: str) -> Left:
        rows = self._db.rows(
            "SELECT id, alive_at FROM run WHERE (? IN (campaign_id, '') OR campaign_id = '') AND alive_at IS NOT NULL",
            (campaign_id,),
        )
        killed_at = max((self._last_alive(row["id"], row["alive_at"]) for row in rows), default=None)
        return Left(self._late_copies.latest_until(campaign_id), killed_at)

    def still_alive(self) -> None:
        with suppress(OSError):
            os.utime(self._lock.fileno())

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
        columns = {"worked_s": worked_s, "requests": requests, "telemetry": telemetry, "finished": finished}
        columns |= {"exit_code": exit_code, "message": message, "alive_at": None if ended else self._clock()}
        columns |= {"tried": True} if tried else {}
        with self._db.transaction():
            self._write(run, **columns)
            self._campaigns.put(run.id, campaigns)

    def counts(self, run: Run) -> ChunkCounts:
        return ChunkCounts(**dict(self._db.row(_SUMS, (run.id,))))

    def campaign_counts(self, run: Run) -> dict[int, ChunkCounts]:
        return self._campaigns.counts(run.id)

    def reasons(self, run: Run, campaign: int | None = None) -> list[Reason]:
        query = "SELECT * FROM reason WHERE run_id = ? AND campaign = coalesce(?, campaign) ORDER BY count DESC, reason"
        groups: dict[tuple[str, str], Reason] = {}
        for row in self._db.rows(query, (run.id, campaign)):
            add_reason(groups, Reason(row["outcome"], row["reason"], row["count"], json.loads(row["example_ids"])))
        return sorted(groups.values(), key=lambda reason: (-reason.count, reason.reason))

    def latest_run_to_replay(self, campaign_id: str) -> str | None:
        row = self._db.row(
            "SELECT id FROM run WHERE campaign_id = ? "
            "ORDER BY id IN (SELECT run_id FROM undelivered) DESC, rowid DESC LIMIT 1",
            (campaign_id,),
        )
        return row["id"] if row else None

    def undelivered_by(self, run_id: str) -> Undelivered | None:
        run = self._db.row("SELECT campaign_id, rejected_bytes FROM run WHERE id = ?", (run_id,))
        rows = self._db.rows("SELECT campaign_id, id_digest, from_byte FROM undelivered WHERE run_id = ?", (run_id,))
        first = {(row["campaign_id"], row["id_digest"]): row["from_byte"] for row in rows}
        return Undelivered(run["campaign_id"], run["rejected_bytes"], first) if run else None

    def forget_old_runs(self, started_before: str) -> list[str]:
        return forget_old_runs(self._db, self.dir, started_before)

    def learned(self, name: str) -> Any:
        row = self._db.row("SELECT value FROM learned WHERE name = ?", (name,))
        return json.loads(row["value"]) if row else None

    def learn(self, name: str, value: Any) -> None:
        with self._db.transaction():
            values = [(name, json.dumps(value))]
            self._db.change("INSERT OR REPLACE INTO learned (name, value) VALUES (?, ?)", values)

    def _last_alive(self, run_id: str, written_at: float) -> float:
        """Until when a process that was killed may have lived.

        The lock tells it of the latest process, to the second, but not after a power cut.
        """
        if run_id == self._run_of_lock:
            return max(written_at, self._alive_before)
        return written_at + WRITES_EVERY_S

    def _close_others(self, run: Run) -> None:
        self._db.change(
            "UPDATE run SET finished = 1, closed_by = :id WHERE finished = 0 AND id != :id "
            "AND (kind = :kind OR :kind = 'sync')",
            [{"id": run.id, "kind": run.kind}],
        )

    def _open(self, run: Run) -> None:
        """Open what results of `run` are written to."""
        self._undelivered = UndeliveredIds(self._db, self._rejects_of, run.campaign_id, run.id)
        if self._rejects is not None:
            self._rejects.close()
        with suppress(OSError):
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(run.id.encode())
            self._lock.flush()
        self._run_of_lock = run.id
        make_private_dir(self.run_dir(run.id))
        path, length = self._rejects_of(run.id), run.rejected_bytes
        is_routed = not run.campaign_id
        self._rejects = RejectWriter(path, length=length, with_data=self._reject_data, tells_campaign=is_routed)

    def _write(self, run: Run, **columns: Any) -> None:
        """Write these columns of a run; mappings and counts as JSON."""
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        values = {name: _stored(value) for name, value in columns.items()}
        self._db.change(f"UPDATE run SET {assignments} WHERE id = :id", [{"id": run.id, **values}])  # noqa: S608 - names of ours

    def _add_results(self, run: Run, results: Sequence[ChunkResult]) -> None:
        now = self._clock()
        rows = [(run.id, each.chunk.seq, each.chunk.digest(), now, *counts_of(each.counts)) for each in results]
        self._db.change(_INSERT, rows)

    def _add_reasons(self, run: Run, results: Sequence[ChunkResult]) -> None:
        new: dict[int, list[Reason]] = {}
        for each in results:
            new.setdefault(each.chunk.seq >> SEQ_BITS, []).extend(reasons(each))
        for campaign, some in new.items():
            if not some:
                continue
            groups = {(reason.outcome, reason.reason): reason for reason in self.reasons(run, campaign)}
            for reason in some:
                add_reason(groups, reason)
            self._db.change(
                "INSERT OR REPLACE INTO reason (run_id, campaign, outcome, reason, count, example_ids) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(run.id, campaign, r.outcome, r.reason, r.count, json.dumps(r.example_ids)) for r in groups.values()],
            )

    def _rejects_of(self, run_id: str) -> Path:
        return self.run_dir(run_id) / REJECTED


def _stored(value: Any) -> Any:
    if isinstance(value, RequestCounts):
        return msgspec.json.encode(value).decode()
    return json.dumps(value) if isinstance(value, dict) else value
