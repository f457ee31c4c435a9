"""What a journal on a disk knows of ledgers, and of the runs that their entries name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.state.database import Database
from engine.state.journal import Journal, LedgerChanges, Run
from engine.state.ledger_rows import LedgerRow, LedgerRows
from engine.values import SEQ_BITS


class SqliteLedgers(Journal):
    """A part of `SqliteJournal`. Its methods are told of in `Journal`."""

    _db: Database
    _ledgers: LedgerRows

    def ledgers(self) -> list[LedgerRow]:
        return self._ledgers.all()

    def ledger(self, target: str) -> LedgerRow | None:
        return self._ledgers.of(target)

    def put_ledger(self, row: LedgerRow, changes: Sequence[bytes] = (), *, run: int = 0) -> None:
        with self._db.transaction():
            self._ledgers.put(row)
            self._ledgers.add_changes(row.target, run, changes)

    def delete_ledger(self, target: str) -> None:
        with self._db.transaction():
            self._ledgers.delete(target)

    def change_ledger(self, changes: LedgerChanges, run: int) -> None:
        with self._db.transaction():
            self._ledgers.add_changes(changes.target, run, changes.changes)

    def ledger_changes(self, target: str) -> Iterator[tuple[int, int, bytes]]:
        return self._ledgers.changes(target)

    def replace_ledger(self, row: LedgerRow, merged_to: int, *, erase: bool = False) -> None:
        with self._db.transaction():
            self._ledgers.put(row)
            self._ledgers.forget_changes(row.target, merged_to)
        self._ledgers.give_space_back(all_of_it=erase)

    def take_back_unchanged(self, run: Run, campaign: int = 0) -> None:
        query = f"DELETE FROM chunk WHERE run_id = ? AND unchanged > 0 AND seq >> {SEQ_BITS} = ?"  # noqa: S608 - a number
        with self._db.transaction():
            self._db.change(query, [(run.id, campaign)])

    def started_at(self, run: int) -> str | None:
        row = self._db.row("SELECT started_at FROM run WHERE rowid = ?", (run,))
        return row["started_at"] if row else None

    def run_id(self, run: int) -> str | None:
        row = self._db.row("SELECT id FROM run WHERE rowid = ?", (run,))
        return row["id"] if row else None

    def first_run_since(self, moment: str) -> int:
        query = (
            "SELECT coalesce((SELECT min(rowid) FROM run WHERE started_at >= ?), (SELECT max(rowid) + 1 FROM run), 1)"
        )
        number: int = self._db.row(query, (moment,))[0]
        return number
