"""What the journal knows of ledgers: which files are theirs, and what has changed since these were written.

What the changes mean is the ledger's business (`engine/ledger`); here they are bytes, kept in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.state.database import Database

VACUUM_FROM_BYTES = 32 << 20
"""So much unused space is given back to the system."""


class Feed(msgspec.Struct, frozen=True):
    """A source that writes to a campaign."""

    bit: int
    """Stands for it in the tags of entries."""
    holds: str
    """As `source.holds`."""
    last_run_at: str
    """When its latest run began, as a report tells times."""
    complete_run: int = 0
    """The number of its last complete run; 0 if there was none."""
    files: int = 0
    """How many files that run has read."""


class LedgerRow(msgspec.Struct, frozen=True):
    """A ledger, as the journal knows it."""

    target: str
    """Url, organisation and campaign, as JSON."""
    key: int
    """The secret that its keys and digests are made with."""
    name: str
    """What the names of its files begin with."""
    mapping: str = ""
    """What stands for the mapping that its digests were made with."""
    digest_version: int = 0
    generation: str = ""
    """Of the files that count; empty before the first."""
    checksum: str = ""
    ids_file: str = ""
    ids_bytes: int = 0
    ids_checksum: str = ""
    records: int = 0
    valid: int = 0
    """How many entries are not void."""
    oldest_run: int = 0
    """The number of the run that acknowledged the oldest of these; 0 without any."""
    runs: tuple[int, ...] = ()
    """The numbers of all runs that entries name."""
    feeds: dict[str, Feed] = {}
    forgotten: str = ""
    """Why the next run sends everything, if a person has asked for it."""
    lacks_run: int = 0
    """The number of the run that had sent some when this ledger was begun: it does not know whom. 0 without any."""


class LedgerRows:
    """The rows of all ledgers of a state directory."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[LedgerRow]:
        """Return all ledgers."""
        rows = self._db.rows("SELECT value FROM ledger ORDER BY target")
        return [_decode(row["value"]) for row in rows]

    def of(self, target: str) -> LedgerRow | None:
        """Return the ledger of a target; None if there is none."""
        row = self._db.row("SELECT value FROM ledger WHERE target = ?", (target,))
        return _decode(row["value"]) if row else None

    def put(self, row: LedgerRow) -> None:
        """Write down a ledger. Must be called in a transaction."""
        self._db.change("INSERT OR REPLACE INTO ledger VALUES (?, ?)", [(row.target, _encode(row).decode())])

    def delete(self, target: str) -> None:
        """Delete a ledger, and all that was to change about it. Must be called in a transaction."""
        self._db.change("DELETE FROM ledger WHERE target = ?", [(target,)])
        self._db.change("DELETE FROM ledger_change WHERE target = ?", [(target,)])

    def add_changes(self, target: str, run: int, changes: Sequence[bytes]) -> None:
        """Write down what has changed, in its order. Must be called in a transaction."""
        rows = [(target, run, change) for change in changes]
        self._db.change("INSERT INTO ledger_change (target, run, change) VALUES (?, ?, ?)", rows)

    def changes(self, target: str) -> Iterator[tuple[int, int, bytes]]:
        """Yield what has changed, in its order: a number that ascends, the number of the run, and the change."""
        number = 0
        query = "SELECT * FROM ledger_change WHERE target = ? AND number > ? ORDER BY number LIMIT 1"
        while row := self._db.row(query, (target, number)):
            number = row["number"]
            yield number, row["run"], row["change"]

    def forget_changes(self, target: str, up_to: int) -> None:
        """Delete changes up to this number: they are merged. Must be called in a transaction."""
        self._db.change("DELETE FROM ledger_change WHERE target = ? AND number <= ?", [(target, up_to)])

    def give_space_back(self, *, all_of_it: bool = False) -> None:
        """Give the space to the system that changes took, where it is much. Must not be called in a transaction.

        With `all_of_it`, nothing that was deleted is left in the database.
        """
        free = self._db.row("PRAGMA freelist_count")[0] * self._db.row("PRAGMA page_size")[0]
        if all_of_it or free > VACUUM_FROM_BYTES:
            self._db.rows("VACUUM")


_decode = msgspec.json.Decoder(LedgerRow).decode
_encode = msgspec.json.encode
