"""What the journal keeps of chunks, for somebody who asks about single ones: never their records."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from engine.state.database import Database
from engine.state.journal import id_digest
from engine.values import ChunkCounts


class ChunkRow(msgspec.Struct, frozen=True):
    """A chunk with a durable result."""

    seq: int
    digest: bytes
    """As `Chunk.digest`."""
    settled_at: float | None
    """When its result became durable, in seconds since 1970; None if that was not noted."""
    counts: ChunkCounts


class ChunkRows:
    """The chunks of all runs of a state directory, and which records wait to be delivered.

    Raises (every method):
        StateFailed: the journal can't be read.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def at(self, run_id: str, seq: int) -> ChunkRow | None:
        """Return the chunk of a run that has this seq, or else the last one before it; None if there is none."""
        query = "SELECT * FROM chunk WHERE run_id = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
        row = self._db.row(query, (run_id, seq))
        if row is None:
            return None
        counts = ChunkCounts(**{name: row[name] for name in ChunkCounts.__dataclass_fields__})
        return ChunkRow(row["seq"], row["digest"], row["settled_at"], counts)

    def waiting(self, ids: Collection[str]) -> dict[str, dict[str, dict[str, int]]]:
        """Return which of these ids still wait to be delivered: for each its campaigns, and for each of these its runs.

        With each run stands the byte from which its lines of that id count.
        """
        by_digest = {id_digest(each): each for each in ids}
        found: dict[str, dict[str, dict[str, int]]] = {}
        for row in self._db.rows("SELECT campaign_id, id_digest, run_id, from_byte FROM undelivered"):
            record_id = by_digest.get(row["id_digest"])
            if record_id is not None:
                found.setdefault(record_id, {}).setdefault(row["campaign_id"], {})[row["run_id"]] = row["from_byte"]
        return found

    def numbers_of_campaigns(self) -> dict[str, dict[str, int]]:
        """Return the number of each campaign in each run that has many: by its id, and then by that of the run."""
        found: dict[str, dict[str, int]] = {}
        for row in self._db.rows("SELECT run_id, id, number FROM campaign"):
            found.setdefault(row["id"], {})[row["run_id"]] = row["number"]
        return found
