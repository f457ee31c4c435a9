"""The runs of the journal: when they began and with what, how far they got, and whether they came to their end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from engine.state.database import Database
from engine.state.journal import Run
from engine.values import RequestCounts


class Runs:
    """The table `run`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def unfinished(self, kind: str) -> Run | None:
        """Return the latest run of this kind if it was not finished, without the chunks that are done."""
        row = self._db.row("SELECT * FROM run WHERE kind = ? ORDER BY rowid DESC LIMIT 1", (kind,))
        if row is None or row["finished"]:
            return None
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
        )

    def begin(self, run: Run) -> None:
        """Write down a new run; an unfinished one of its kind is given up for it."""
        self._db.change("UPDATE run SET finished = 1 WHERE finished = 0 AND kind = ?", [(run.kind,)])
        self._db.change(
            "INSERT INTO run (id, kind, campaign_id, started_at, identity) VALUES (?, ?, ?, ?, ?)",
            [(run.id, run.kind, run.campaign_id, run.started_at, json.dumps(run.identity))],
        )

    def save(self, run_id: str, **columns: Any) -> None:
        """Write these columns of a run; mappings and counts as JSON."""
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        values = {name: _stored(value) for name, value in columns.items()}
        self._db.change(f"UPDATE run SET {assignments} WHERE id = :id", [{"id": run_id, **values}])  # noqa: S608 - names of ours


def _stored(value: Any) -> Any:
    if isinstance(value, RequestCounts):
        value = asdict(value)
    return json.dumps(value) if isinstance(value, Mapping) else value
