"""The journal: the truth about every run, in one SQLite database.

A chunk is done when its validated result is durable here, never before; the report is derived from here, so a killed
run reports the same as an unbroken one. One connection, used by one thread at a time, `synchronous=FULL`: a commit that
returned survives a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous). Holds counts, ids and reasons,
never record data; that goes to the reject file beside it, which counts up to the length that was committed here.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from engine.state.private_files import make_private_dir
from engine.state.reasons import add_reason, reasons
from engine.state.rejects import read_reject_ids, reject_lines
from engine.state.state_dir import DATABASE, LOCK, RUNS, open_database, take_lock, translated
from engine.values import ChunkResult, Outcome, Reason, RecordCounts, RequestCounts, StateFailed

REJECTED = "rejected.ndjson"

WAITING_IDS_MAX = 1_000_000
"""So many undelivered ids of earlier runs are looked out for; beyond that, a replay may send a record twice."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a run could not deliver: so many bytes of its reject file count, and in them, lines of the ids in `first`.

    `first` maps the digest of an id to the byte from which its lines count: what stands before is of older versions.
    """

    campaign_id: str
    file_bytes: int
    first: Mapping[bytes, int]


@dataclass(slots=True)
class Run:
    """A run as the journal knows it. `done` maps the seq of each chunk with a durable result to its digest."""

    id: str
    kind: str
    campaign_id: str
    started_at: str
    identity: Mapping[str, Any]
    fingerprint: Mapping[str, Any] | None = None
    resumes: int = 0
    worked_s: float = 0.0
    rejected_bytes: int = 0
    requests: RequestCounts = field(default_factory=RequestCounts)
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    done: dict[int, bytes] = field(default_factory=dict)


def id_digest(record_id: str) -> bytes:
    """Return what stands for an id in the table of the undelivered: short, and not the id itself."""
    return blake2b(record_id.encode("utf-8", "replace"), digest_size=16).digest()


class Journal:
    """An open state directory. Holds the kernel's lock on it for as long as it is open.

    Raises (every method):
        StateFailed: the database or the reject file can't be read or made durable.
    """

    def __init__(self, state_dir: Path) -> None:
        make_private_dir(state_dir)
        make_private_dir(state_dir / RUNS)
        self.dir = state_dir
        self._lock = take_lock(state_dir / LOCK)
        self._rejects: BinaryIO | None = None
        self._waiting: set[str] = set()  # ids that could not be delivered, and may turn up again
        try:
            with translated(state_dir / DATABASE):
                self._db = open_database(state_dir)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close the files and give the lock back. What did not fit on a full disk never counted and is left behind."""
        for file in (self._rejects, self._db, self._lock):
            if file is not None:
                with suppress(OSError, sqlite3.Error):
                    file.close()

    def run_dir(self, run_id: str) -> Path:
        """Where the files of a run are."""
        return self.dir / RUNS / run_id

    def unfinished_run(self, kind: str) -> Run | None:
        """Return the latest run of this kind if it was not finished."""
        with translated(self.dir / DATABASE):
            query = "SELECT * FROM run WHERE kind = ? ORDER BY rowid DESC LIMIT 1"
            row = self._db.execute(query, (kind,)).fetchone()
            if row is None or row["finished"]:
                return None
            done = self._db.execute("SELECT seq, digest FROM chunk WHERE run_id = ?", (row["id"],))
            return Run(
                id=row["id"],
                kind=row["kind"],
                campaign_id=row["campaign_id"],
                started_at=row["started_at"],
                identity=json.loads(row["identity"]),
                fingerprint=json.loads(row["fingerprint"]) if row["fingerprint"] else None,
                resumes=row["resumes"],
                worked_s=row["worked_s"],
                rejected_bytes=row["rejected_bytes"],
                requests=RequestCounts(**json.loads(row["requests"])),
                telemetry=json.loads(row["telemetry"]),
                done=dict(done.fetchall()),
            )

    def begin(self, run: Run) -> None:
        """Write down a new run, and open its reject file. An unfinished one of its kind is given up for it."""
        with self._transaction() as db:
            db.execute("UPDATE run SET finished = 1 WHERE finished = 0 AND kind = ?", (run.kind,))
            db.execute(
                "INSERT INTO run (id, kind, campaign_id, started_at, identity) VALUES (?, ?, ?, ?, ?)",
                (run.id, run.kind, run.campaign_id, run.started_at, json.dumps(run.identity)),
            )
        self._open_run(run)

    def resume(self, run: Run) -> None:
        """Write down that `run` goes on, and open its reject file at the length that counts."""
        run.resumes += 1
        requests = run.requests  # what was in flight when a process was killed is lost with it: it went, nothing came
        requests.failed = requests.sent - requests.succeeded - requests.throttled
        with self._transaction() as db:
            db.execute("UPDATE run SET resumes = ? WHERE id = ?", (run.resumes, run.id))
        self._open_run(run)

    def set_fingerprint(self, run: Run, fingerprint: Mapping[str, Any]) -> None:
        """Write down what the source's content is. Must be durable before the first result is."""
        with self._transaction() as db:
            db.execute("UPDATE run SET fingerprint = ? WHERE id = ?", (json.dumps(fingerprint), run.id))
        run.fingerprint = fingerprint

    def record(self, run: Run, results: Sequence[ChunkResult], worked_s: float, requests: RequestCounts) -> None:
        """Make results durable: their reject lines first, then the rest in one transaction.

        `worked_s` and `requests` are the totals of the run so far, over all its processes.
        """
        rejected_before = run.rejected_bytes
        self._append_rejects(run, results)
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [_chunk_row(run, result) for result in results]
            )
            self._add_reasons(db, run, results)
            self._note_undelivered(db, run, results, from_byte=rejected_before)
            db.execute(
                "UPDATE run SET rejected_bytes = ?, worked_s = ?, requests = ? WHERE id = ?",
                (run.rejected_bytes, worked_s, json.dumps(asdict(requests)), run.id),
            )

    def finish(
        self, run: Run, *, finished: bool, worked_s: float, requests: RequestCounts, telemetry: Mapping[str, Any]
    ) -> None:
        """Write down the end of a process; `finished` if the run needs no other one."""
        with self._transaction() as db:
            db.execute(
                "UPDATE run SET finished = ?, worked_s = ?, requests = ?, telemetry = ? WHERE id = ?",
                (int(finished), worked_s, json.dumps(asdict(requests)), json.dumps(telemetry), run.id),
            )

    def save_telemetry(
        self, run: Run, *, worked_s: float, requests: RequestCounts, telemetry: Mapping[str, Any]
    ) -> None:
        """Write down how the run looks from outside, so that a killed process loses little of it."""
        with self._transaction() as db:
            db.execute(
                "UPDATE run SET worked_s = ?, requests = ?, telemetry = ? WHERE id = ?",
                (worked_s, json.dumps(asdict(requests)), json.dumps(telemetry), run.id),
            )

    def counts(self, run: Run) -> RecordCounts:
        """Return the sums over all chunks of `run` with a durable result."""
        names = ("read", "invalid", "superseded", "updated", "rejected", "unknown")
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
        with translated(self.dir / DATABASE):
            row = self._db.execute(f"SELECT {sums} FROM chunk WHERE run_id = ?", (run.id,)).fetchone()  # noqa: S608 - constants
        return RecordCounts(**dict(zip(names, row, strict=True)))

    def reasons(self, run: Run) -> list[Reason]:
        """Return why records of `run` were not accepted, the most frequent first."""
        query = "SELECT outcome, reason, count, example_ids FROM reason WHERE run_id = ? ORDER BY count DESC, reason"
        with translated(self.dir / DATABASE):
            return [
                Reason(outcome, reason, count, json.loads(example_ids))
                for outcome, reason, count, example_ids in self._db.execute(query, (run.id,))
            ]

    def latest_run_to_replay(self, campaign_id: str) -> str | None:
        """Return the latest run with records that still wait to be delivered, else the latest run, None without any."""
        waiting = "SELECT DISTINCT run_id FROM undelivered"
        query = f"SELECT id FROM run WHERE campaign_id = ? ORDER BY id IN ({waiting}) DESC, rowid DESC LIMIT 1"  # noqa: S608 - constants
        with translated(self.dir / DATABASE):
            row = self._db.execute(query, (campaign_id,)).fetchone()
        return row[0] if row else None

    def undelivered_by(self, run_id: str) -> Undelivered | None:
        """Return what this run could not deliver and nobody has since; None if there is no such run."""
        with translated(self.dir / DATABASE):
            run = self._db.execute("SELECT campaign_id, rejected_bytes FROM run WHERE id = ?", (run_id,)).fetchone()
            if run is None:
                return None
            rows = self._db.execute("SELECT id_digest, from_byte FROM undelivered WHERE run_id = ?", (run_id,))
            return Undelivered(run["campaign_id"], run["rejected_bytes"], dict(rows.fetchall()))

    def _ids_waiting(self, run: Run) -> set[str]:
        """Return the ids, as far as they fit, that runs of the campaign could not deliver, this one included.

        The database holds only digests; the ids stand in the reject files of those runs.
        """
        query = "SELECT DISTINCT run_id FROM undelivered WHERE campaign_id = ?"
        with translated(self.dir / DATABASE):
            run_ids = [row[0] for row in self._db.execute(query, (run.campaign_id,))]
        waiting: set[str] = set()
        for run_id in run_ids:
            waiting.update(islice(read_reject_ids(self.run_dir(run_id) / REJECTED), WAITING_IDS_MAX - len(waiting)))
        return waiting

    def learned(self, name: str) -> Any:
        """Return what an earlier run has learned under `name`, or None."""
        with translated(self.dir / DATABASE):
            row = self._db.execute("SELECT value FROM learned WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def learn(self, name: str, value: Any) -> None:
        """Keep `value` for later runs."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO learned VALUES (?, ?)", (name, json.dumps(value)))

    def _append_rejects(self, run: Run, results: Sequence[ChunkResult]) -> None:
        path = self.run_dir(run.id) / REJECTED
        if self._rejects is None:
            raise RuntimeError("the run was neither begun nor resumed")
        with translated(path):
            written = sum(self._rejects.write(line + b"\n") for result in results for line in reject_lines(result))
            if written:
                self._rejects.flush()
                os.fsync(self._rejects.fileno())
                run.rejected_bytes += written

    def _add_reasons(self, db: sqlite3.Connection, run: Run, results: Sequence[ChunkResult]) -> None:
        new = [reason for result in results for reason in reasons(result)]
        if not new:
            return
        groups = {(reason.outcome, reason.reason): reason for reason in self.reasons(run)}
        for reason in new:
            add_reason(groups, reason)
        rows = [(run.id, r.outcome, r.reason, r.count, json.dumps(r.example_ids)) for r in groups.values()]
        db.executemany("INSERT OR REPLACE INTO reason VALUES (?, ?, ?, ?, ?)", rows)

    def _note_undelivered(
        self, db: sqlite3.Connection, run: Run, results: Sequence[ChunkResult], *, from_byte: int
    ) -> None:
        """Write down who waits from now on, and who waits no more.

        What other runs could not deliver was read again: the newer version counts, delivered or not. What this run
        could not deliver waits until a later version of it is delivered.
        """
        failed = {result.chunk.ids[failure.index] for result in results for failure in result.failures}
        if not failed and not self._waiting:
            return
        read_again = [record_id for result in results for record_id in self._waiting.intersection(result.chunk.ids)]
        of_others = [(run.campaign_id, id_digest(record_id), run.id) for record_id in read_again]
        db.executemany("DELETE FROM undelivered WHERE campaign_id = ? AND id_digest = ? AND run_id <> ?", of_others)
        delivered = [
            (run.campaign_id, id_digest(record_id), run.id) for record_id in read_again if record_id not in failed
        ]
        db.executemany("DELETE FROM undelivered WHERE campaign_id = ? AND id_digest = ? AND run_id = ?", delivered)
        waiting = [(run.campaign_id, id_digest(record_id), run.id, from_byte) for record_id in failed]
        db.executemany("INSERT OR IGNORE INTO undelivered VALUES (?, ?, ?, ?)", waiting)
        if len(self._waiting) < WAITING_IDS_MAX:
            self._waiting |= failed

    def _open_run(self, run: Run) -> None:
        self._waiting = self._ids_waiting(run)
        self._open_rejects(run)

    def _open_rejects(self, run: Run) -> None:
        """Open the reject file, cut to the length that was committed: what is behind it never counted."""
        path = self.run_dir(run.id) / REJECTED
        make_private_dir(path.parent)
        with translated(path):
            if self._rejects is not None:
                self._rejects.close()
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
            os.fchmod(file.fileno(), 0o600)
            length = file.seek(0, os.SEEK_END)
            if length < run.rejected_bytes:
                file.close()
                raise StateFailed(f"{path} is shorter than the journal says: the state directory is damaged")
            file.truncate(run.rejected_bytes)
            file.seek(run.rejected_bytes)
            self._rejects = file

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(self.dir / DATABASE):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise


def _chunk_row(run: Run, result: ChunkResult) -> tuple[str | int | bytes, ...]:
    chunk = result.chunk
    invalid, rejected, unknown = (
        result.count(outcome) for outcome in (Outcome.INVALID, Outcome.REJECTED, Outcome.UNKNOWN)
    )
    return (run.id, chunk.seq, chunk.digest(), chunk.read, invalid, chunk.superseded, result.updated, rejected, unknown)
