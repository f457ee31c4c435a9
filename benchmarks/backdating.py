"""Runs that were made now become those of earlier nights: what five nights leave can be had in a minute."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.report import REPORT_JSON, latest_report, read_report, write_report

MOMENT = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z"')
"""A moment as a report writes it."""

TABLES_OF_RUNS = """
SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'run_id'
"""


def begun_at(run_id: str) -> datetime:
    """Return when a run began, to the second, as its id says."""
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def put_back(state: Path, by: timedelta) -> str:
    """Make the latest run of a state directory one that was so much earlier; return its new id.

    Its report, if it left one, is written anew as of then. No run may be under way.
    """
    run_dir = max((state / "runs").iterdir())
    run_id = f"{begun_at(run_dir.name) - by:%Y%m%dT%H%M%SZ}{run_dir.name[16:]}"
    with closing(sqlite3.connect(state / "journal.sqlite3")) as journal:
        _put_back_rows(journal, run_dir.name, run_id, by)
        journal.commit()
    new_dir = run_dir.rename(run_dir.with_name(run_id))
    report = new_dir / REPORT_JSON
    if report.exists():
        text = report.read_bytes().replace(run_dir.name.encode(), run_id.encode())
        report.write_bytes(MOMENT.sub(lambda moment: f'"{earlier(moment[1].decode(), by)}"'.encode(), text))
        told = read_report(report)
        assert told
        before = latest_report(state / "runs", lambda other: other.run_id < run_id)
        write_report(told, new_dir, previous=before)
    return run_id


def _put_back_rows(journal: sqlite3.Connection, old_id: str, new_id: str, by: timedelta) -> None:
    [(started_at,)] = journal.execute("SELECT started_at FROM run WHERE id = ?", (old_id,))
    for (table,) in journal.execute(TABLES_OF_RUNS).fetchall():
        journal.execute(f"UPDATE {table} SET run_id = ? WHERE run_id = ?", (new_id, old_id))  # noqa: S608 - names of ours
    seconds = by.total_seconds()
    journal.execute("UPDATE chunk SET settled_at = settled_at - ? WHERE run_id = ?", (seconds, new_id))
    journal.execute(
        "UPDATE run SET id = ?, started_at = ?, alive_at = alive_at - ?, progress_at = progress_at - ? WHERE id = ?",
        (new_id, earlier(started_at.removesuffix("Z"), by), seconds, seconds, old_id),
    )


def earlier(moment: str, by: timedelta) -> str:
    """Return an ISO 8601 moment in UTC, without its `Z`, as another with it."""
    then = datetime.fromisoformat(moment).replace(tzinfo=UTC) - by
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
