"""What runs could not deliver, until a later run reads it again or the same run delivers a later version of it.

The database holds only digests of the ids; the ids stand in the reject files of those runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from engine.state.database import Database
from engine.state.journal import id_digest
from engine.state.rejects import read_reject_ids
from engine.values import ChunkResult

WAITING_IDS_MAX = 1_000_000
"""So many undelivered ids of earlier runs are looked out for; beyond that, a replay may send a record twice."""


class UndeliveredIds:
    """The table `undelivered`, as run `run_id` of the campaign changes it. `rejects_of` tells a run's reject file."""

    def __init__(self, db: Database, rejects_of: Callable[[str], Path], campaign_id: str, run_id: str) -> None:
        self._db = db
        self._campaign_id = campaign_id
        self._run_id = run_id
        self._waiting: set[str] = set()  # ids that could not be delivered, and may turn up again
        query = "SELECT DISTINCT run_id FROM undelivered WHERE campaign_id = ?"
        for row in db.rows(query, (campaign_id,)):
            ids = read_reject_ids(rejects_of(row["run_id"]))
            self._waiting.update(islice(ids, WAITING_IDS_MAX - len(self._waiting)))

    def note(self, results: Sequence[ChunkResult], *, from_byte: int) -> None:
        """Write down who waits from now on, and who waits no more; `from_byte` is where the reject file goes on.

        What other runs could not deliver was read again: the newer version counts, delivered or not. What this run
        could not deliver waits until a later version of it is delivered.
        """
        failed = {each.chunk.ids[failure.index] for each in results for failure in each.failures}
        if not failed and not self._waiting:
            return
        read_again = {record_id for each in results for record_id in self._waiting.intersection(each.chunk.ids)}
        its_rows = "DELETE FROM undelivered WHERE campaign_id = ? AND id_digest = ? AND run_id"
        self._db.change(f"{its_rows} <> ?", map(self._key, read_again))
        self._db.change(f"{its_rows} = ?", map(self._key, read_again - failed))
        self._db.change(
            "INSERT OR IGNORE INTO undelivered (campaign_id, id_digest, run_id, from_byte) VALUES (?, ?, ?, ?)",
            [(*self._key(record_id), from_byte) for record_id in failed],
        )
        if len(self._waiting) < WAITING_IDS_MAX:
            self._waiting |= failed

    def _key(self, record_id: str) -> tuple[str, bytes, str]:
        return self._campaign_id, id_digest(record_id), self._run_id
