"""What runs could not deliver, until a later run reads it again or the same run delivers a later version of it.

The database holds only digests of the ids; the ids stand in the reject files of those runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from engine.state.database import Database
from engine.state.journal import id_digest
from engine.state.rejects import read_reject_ids
from engine.values import ChunkResult

WAITING_IDS_MAX = 1_000_000
"""So many undelivered ids of earlier runs are looked out for; beyond that, a replay may send a record twice."""


class UndeliveredIds:
    """The table `undelivered`, as run `run_id` of the campaign changes it. `rejects_of` tells a run's reject file.

    An empty `campaign_id` stands for many: each chunk says then which one it is of.
    """

    def __init__(self, db: Database, rejects_of: Callable[[str], Path], campaign_id: str, run_id: str) -> None:
        self._db = db
        self._campaign_id = campaign_id
        self._run_id = run_id
        self._waiting: dict[str, set[str]] = {}  # by campaign: ids that could not be delivered, and may turn up again
        self._count = 0
        query = (
            "SELECT DISTINCT run_id, run.campaign_id FROM undelivered JOIN run ON run.id = run_id "
            "WHERE ? IN (undelivered.campaign_id, '')"
        )
        for row in db.rows(query, (campaign_id,)):
            for record_id, its_campaign in read_reject_ids(rejects_of(row["run_id"])):
                if self._count >= WAITING_IDS_MAX:
                    return
                self._wait(its_campaign or row["campaign_id"], [record_id])

    def note(self, results: Sequence[ChunkResult], *, from_byte: int) -> None:
        """Write down who waits from now on, and who waits no more; `from_byte` is where the reject file goes on.

        What other runs could not deliver was read again: the newer version counts, delivered or not. What this run
        could not deliver waits until a later version of it is delivered.
        """
        by_campaign: dict[str, list[ChunkResult]] = {}
        for each in results:
            by_campaign.setdefault(each.chunk.campaign_id or self._campaign_id, []).append(each)
        for campaign_id, some in by_campaign.items():
            self._note(campaign_id, some, from_byte)

    def _note(self, campaign_id: str, results: Sequence[ChunkResult], from_byte: int) -> None:
        failed = {each.chunk.ids[failure.index] for each in results for failure in each.failures}
        waiting = self._waiting.get(campaign_id, set())
        if not failed and not waiting:
            return
        read_again = {record_id for each in results for record_id in waiting.intersection(each.chunk.ids)}
        its_rows = "DELETE FROM undelivered WHERE campaign_id = ? AND id_digest = ? AND run_id"
        self._db.change(f"{its_rows} <> ?", self._keys(campaign_id, read_again))
        self._db.change(f"{its_rows} = ?", self._keys(campaign_id, read_again - failed))
        self._db.change(
            "INSERT OR IGNORE INTO undelivered (campaign_id, id_digest, run_id, from_byte) VALUES (?, ?, ?, ?)",
            [(*key, from_byte) for key in self._keys(campaign_id, failed)],
        )
        self._wait(campaign_id, failed)

    def _wait(self, campaign_id: str, ids: Iterable[str]) -> None:
        waiting = self._waiting.setdefault(campaign_id, set())
        before = len(waiting)
        waiting.update(islice(ids, max(0, WAITING_IDS_MAX - self._count)))
        self._count += len(waiting) - before

    def _keys(self, campaign_id: str, ids: Iterable[str]) -> list[tuple[str, bytes, str]]:
        return [(campaign_id, id_digest(record_id), self._run_id) for record_id in ids]
