"""Forgetting old runs: their directories, and what the journal knows of them.

Never forgotten are an unfinished run, one with records that still wait to be delivered, and the latest few; and of one
that entries of a ledger name, that it was, and when. A directory
is first taken away from the others as a whole and only then deleted, the rows last, so a crash leaves nothing half that
anybody would look at, and the next time goes on. Symbolic links are not followed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.state.database import Database
from engine.state.state_dir import RUNS

RUNS_KEPT_MIN = 7
"""So many of the latest runs are kept, however old they are."""

DELETING = "deleting"
"""The directory of the run that is being deleted."""

_OLD = """
SELECT id FROM run
WHERE started_at < ? AND finished
AND id NOT IN (SELECT run_id FROM undelivered) AND id NOT IN (SELECT id FROM run ORDER BY rowid DESC LIMIT ?)
ORDER BY rowid
"""

_DELETE_ROWS = (
    "DELETE FROM chunk WHERE run_id = ?",
    "DELETE FROM reason WHERE run_id = ?",
    "DELETE FROM late_copy WHERE run_id = ?",
    "DELETE FROM campaign WHERE run_id = ?",
    "DELETE FROM run WHERE id = ? AND rowid NOT IN "
    "(SELECT each.value FROM ledger, json_each(ledger.value, '$.runs') each)",
)


def forget_old_runs(db: Database, state_dir: Path, started_before: str) -> list[str]:
    """Forget the runs that began before `started_before`; return a sentence for each that cannot be deleted.

    Raises:
        StateFailed: the database can't be used.
    """
    forgotten: list[tuple[str]] = []
    problems: list[str] = []
    for row in db.rows(_OLD, (started_before, RUNS_KEPT_MIN)):
        run_dir = state_dir / RUNS / row["id"]
        try:
            _delete(run_dir, state_dir / DELETING)
        except OSError as error:
            problems.append(f"{run_dir}: cannot be deleted: {error.strerror or error}")
        else:
            forgotten.append((row["id"],))
    if forgotten:
        with db.transaction():
            for statement in _DELETE_ROWS:
                db.change(statement, forgotten)
    return problems


def _delete(run_dir: Path, aside: Path) -> None:
    """Delete a directory, by way of `aside`, and what a crash has left there; one that is gone already is no matter.

    Raises:
        OSError: it can't be deleted, or is no directory but a link to one.
    """
    if aside.exists():
        shutil.rmtree(aside)
    if run_dir.is_symlink():
        raise OSError("it is a symbolic link")
    if run_dir.exists():
        run_dir.rename(aside)
        shutil.rmtree(aside)
