"""What the journal keeps of chunks, for somebody who asks about single ones: never their records."""

from __future__ import annotations

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

    def waits_from(self, campaign_id: str, record_id: str) -> dict[str, int]:
        """Return the runs by which an id still waits to be delivered, each with the byte from which its lines count."""
        query = "SELECT run_id, from_byte FROM undelivered WHERE campaign_id = ? AND id_digest = ?"
        return dict(self._db.rows(query, (campaign_id, id_digest(record_id))))
