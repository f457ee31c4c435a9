"""The results of a run's chunks: what became of their records, and why some of them were not accepted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from engine.state.database import Database
from engine.state.reasons import add_reason, reasons
from engine.values import ChunkCounts, ChunkResult, Reason

COUNTS = tuple(f.name for f in fields(ChunkCounts))
"""What is counted, each in a column of its own; a migration must have added it (see `migrations.py`)."""

_COLUMNS = ("run_id", "seq", "digest", *COUNTS)
_INSERT = f"INSERT INTO chunk ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"  # noqa: S608 - names of ours
_SUMS = f"SELECT {', '.join(f'coalesce(sum({name}), 0) AS {name}' for name in COUNTS)} FROM chunk WHERE run_id = ?"  # noqa: S608 - names of ours


class Results:
    """The tables `chunk` and `reason`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, run_id: str, results: Sequence[ChunkResult]) -> None:
        """Write down the results of chunks that had none."""
        self._db.change(
            _INSERT,
            [
                {"run_id": run_id, "seq": each.chunk.seq, "digest": each.chunk.digest(), **asdict(each.counts)}
                for each in results
            ],
        )
        self._add_reasons(run_id, [reason for each in results for reason in reasons(each)])

    def done(self, run_id: str) -> dict[int, bytes]:
        """Return the seq of each chunk of a run with a result, and its digest."""
        return dict(self._db.rows("SELECT seq, digest FROM chunk WHERE run_id = ?", (run_id,)))

    def counts(self, run_id: str) -> ChunkCounts:
        """Return the sums over all results of a run."""
        [sums] = self._db.rows(_SUMS, (run_id,))
        return ChunkCounts(**dict(sums))

    def reasons(self, run_id: str) -> list[Reason]:
        """Return why records of a run were not accepted, the most frequent first."""
        query = "SELECT outcome, reason, count, example_ids FROM reason WHERE run_id = ? ORDER BY count DESC, reason"
        return [
            Reason(outcome, reason, count, json.loads(example_ids))
            for outcome, reason, count, example_ids in self._db.rows(query, (run_id,))
        ]

    def _add_reasons(self, run_id: str, new: Sequence[Reason]) -> None:
        if not new:
            return
        groups = {(reason.outcome, reason.reason): reason for reason in self.reasons(run_id)}
        for reason in new:
            add_reason(groups, reason)
        self._db.change(
            "INSERT OR REPLACE INTO reason (run_id, outcome, reason, count, example_ids) VALUES (?, ?, ?, ?, ?)",
            [(run_id, r.outcome, r.reason, r.count, json.dumps(r.example_ids)) for r in groups.values()],
        )
