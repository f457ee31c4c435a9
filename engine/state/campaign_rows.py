"""What the journal keeps of the campaigns of a routed run, beside their chunks: each has a number there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgspec

from engine.state.database import Database
from engine.values import SEQ_BITS, ChunkCounts, RequestCounts

COUNTS = tuple(f.name for f in fields(ChunkCounts))
"""What is counted, each in a column of its own; a migration must have added it (see `migrations.py`)."""

counts_of = attrgetter(*COUNTS)
"""Returns the values of these columns."""

_SUMS = (
    f"SELECT seq >> {SEQ_BITS} AS campaign, {', '.join(f'sum({name}) AS {name}' for name in COUNTS)} "  # noqa: S608 - names of ours
    "FROM chunk WHERE run_id = ? GROUP BY campaign"
)


class CampaignRow(msgspec.Struct, frozen=True):
    """A campaign of a run."""

    id: str
    number: int
    """Stands above the seq of its chunks."""
    requests: RequestCounts
    gone: Mapping[str, Any] = {}
    """What became of ids that the source holds no more."""
    exit_code: int | None = None
    """With which its part ended; None as long as nothing has stopped it."""
    message: str = ""
    """Why it was stopped, in one sentence."""


class CampaignRows:
    """The rows of all runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, run_id: str, rows: Iterable[CampaignRow]) -> None:
        """Write down campaigns of a run. Must be called in a transaction."""
        self._db.change(
            "INSERT OR REPLACE INTO campaign (run_id, number, id, value) VALUES (?, ?, ?, ?)",
            [(run_id, row.number, row.id, _encode(row).decode()) for row in rows],
        )

    def note_gone(self, run_id: str, campaign_id: str, gone: Mapping[str, Any]) -> CampaignRow:
        """Write down what became of gone ids of a campaign that is known. Must be called in a transaction."""
        row = self._db.row("SELECT value FROM campaign WHERE run_id = ? AND id = ?", (run_id, campaign_id))
        known = msgspec.structs.replace(_decode(row["value"]), gone=gone)
        self.put(run_id, [known])
        return known

    def counts(self, run_id: str) -> dict[int, ChunkCounts]:
        """Return the sums over the chunks of each campaign of a run, by its number; 0 is that of rows for none."""
        rows = self._db.rows(_SUMS, (run_id,))
        return {row["campaign"]: ChunkCounts(**{name: row[name] for name in COUNTS}) for row in rows}

    def of_run(self, run_id: str) -> dict[str, CampaignRow]:
        """Return the campaigns of a run, by their ids, in the order of their numbers."""
        rows = self._db.rows("SELECT value FROM campaign WHERE run_id = ? ORDER BY number", (run_id,))
        found = (_decode(row["value"]) for row in rows)
        return {row.id: row for row in found}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CampaignRow).decode
