"""What is kept of requests whose end is unknown: until when the records that they held may still be applied.

Moments are of the wall clock, in seconds since 1970: they have to mean something to a later process.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from engine.state.database import Database


class Left(Struct, frozen=True):
    """What all runs of a campaign have left that may still land."""

    until: float | None
    """Until when a request of known time may; None without any."""
    killed_at: float | None
    """Until when the latest process that was killed may have lived, with requests open; None if none was."""


class LateCopyRows:
    """The rows of all runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, run_id: str, until: Mapping[int, float]) -> None:
        """Write down until when copies of these chunks, by seq, may land. Must be called in a transaction."""
        self._db.change(
            "INSERT OR REPLACE INTO late_copy (run_id, seq, until) VALUES (?, ?, ?)",
            [(run_id, seq, moment) for seq, moment in until.items()],
        )

    def of_run(self, run_id: str) -> dict[int, float]:
        """Return until when copies of chunks of this run may land, by seq."""
        return dict(self._db.rows("SELECT seq, until FROM late_copy WHERE run_id = ?", (run_id,)))

    def latest_until(self, campaign_id: str) -> float | None:
        """Return until when copies of any run of a campaign may land; None if there is nothing of the kind.

        An empty id stands for many campaigns, which may be any.
        """
        row = self._db.row(
            "SELECT max(until) AS until FROM late_copy "
            "WHERE run_id IN (SELECT id FROM run WHERE ? IN (campaign_id, '') OR campaign_id = '')",
            (campaign_id,),
        )
        return row["until"] if row else None
