"""The schema of the journal, as the numbered steps that led to it: a new database takes all, an older one the rest.

The format of a database is SQLite's `user_version`: the number of the last step it took. A step that was released is
never changed. All that an older database has to take, it takes in one transaction, so a crash leaves it as it was.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.values import StateFailed

MIGRATIONS = {
    # Version 0.1 of the program.
    1: """
CREATE TABLE run (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, campaign_id TEXT NOT NULL, started_at TEXT NOT NULL,
    identity TEXT NOT NULL,           -- the settings that decide what is sent, as JSON
    fingerprint TEXT,                 -- of the source's content, as JSON; NULL until it is known
    finished INTEGER NOT NULL DEFAULT 0,
    resumes INTEGER NOT NULL DEFAULT 0,
    worked_s REAL NOT NULL DEFAULT 0,
    rejected_bytes INTEGER NOT NULL DEFAULT 0,
    requests TEXT NOT NULL DEFAULT '{}',
    telemetry TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TABLE chunk (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL,
    read INTEGER NOT NULL, invalid INTEGER NOT NULL, superseded INTEGER NOT NULL,
    updated INTEGER NOT NULL, rejected INTEGER NOT NULL, unknown INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE reason (
    run_id TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    count INTEGER NOT NULL, example_ids TEXT NOT NULL,
    PRIMARY KEY (run_id, outcome, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE undelivered (            -- what runs could not deliver, until a later run does
    campaign_id TEXT NOT NULL, id_digest BLOB NOT NULL, run_id TEXT NOT NULL,
    from_byte INTEGER NOT NULL,       -- of the run's reject file: lines before it are of versions delivered since
    PRIMARY KEY (campaign_id, id_digest, run_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE learned (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
""",
    # A column for each state of `ChunkCounts`.
    2: """
ALTER TABLE chunk ADD COLUMN unchanged INTEGER NOT NULL DEFAULT 0;
""",
    # Rows that `source.where` leaves out.
    3: """
ALTER TABLE chunk ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0;
""",
    # Late copies: requests whose end is unknown, and processes that were killed. Which run a command continues.
    4: """
CREATE TABLE late_copy (              -- chunks of which a copy may still be applied by the server
    run_id TEXT NOT NULL, seq INTEGER NOT NULL,
    until REAL NOT NULL,              -- seconds since 1970
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
-- alive_at: when its process last wrote, in seconds since 1970; NULL once that has ended
ALTER TABLE run ADD COLUMN alive_at REAL;
-- sending: whether a request may have left
ALTER TABLE run ADD COLUMN sending INTEGER NOT NULL DEFAULT 1;
-- progress_at: when its last result became durable, in seconds since 1970; NULL before the first
ALTER TABLE run ADD COLUMN progress_at REAL;
-- closed_by: the run that was begun instead of going on with it
ALTER TABLE run ADD COLUMN closed_by TEXT;
-- exit_code, message: how its latest process ended; NULL and empty before that, and if it was killed
ALTER TABLE run ADD COLUMN exit_code INTEGER;
ALTER TABLE run ADD COLUMN message TEXT NOT NULL DEFAULT '';
""",
    # Ledgers: which files hold them, and what is not merged into these yet.
    5: """
CREATE TABLE ledger (
    target TEXT PRIMARY KEY,          -- url, organisation and campaign, as JSON
    value TEXT NOT NULL               -- a `LedgerRow`, as JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    run INTEGER NOT NULL,             -- the rowid of the run that it came of
    change BLOB NOT NULL
) STRICT;
CREATE INDEX ledger_change_of ON ledger_change (target, number);
-- gone: what became of ids that the source holds no more, as JSON
ALTER TABLE run ADD COLUMN gone TEXT NOT NULL DEFAULT '{}';
-- delta: how it was compared with the ledger when it began, as JSON
ALTER TABLE run ADD COLUMN delta TEXT NOT NULL DEFAULT '{}';
-- tried: whether the source was read to its end, and every record tried
ALTER TABLE run ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
""",
    # When the API had answered for a chunk: "did loan X arrive?"
    6: """
-- settled_at: when its result became durable, in seconds since 1970; NULL where an earlier version noted it
ALTER TABLE chunk ADD COLUMN settled_at REAL;
""",
    # Many campaigns in one run: their numbers, and why records of each were not accepted.
    7: """
CREATE TABLE campaign (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,          -- above the lowest 40 bits of the seq of its chunks
    id TEXT NOT NULL,
    value TEXT NOT NULL,              -- a `CampaignRow`, as JSON
    PRIMARY KEY (run_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE reason_of_campaign (
    run_id TEXT NOT NULL,
    campaign INTEGER NOT NULL,        -- its number; 0 where there is only one, and for rows that are for none
    outcome TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, example_ids TEXT NOT NULL,
    PRIMARY KEY (run_id, campaign, outcome, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO reason_of_campaign SELECT run_id, 0, outcome, reason, count, example_ids FROM reason;
DROP TABLE reason;
ALTER TABLE reason_of_campaign RENAME TO reason;
""",
    # How many chunks a process that was killed may have had in flight, whatever `upload.concurrency` is now.
    8: """
-- in_flight: so many chunks at the most its processes may have had in flight at once; 0 before a request could leave
ALTER TABLE run ADD COLUMN in_flight INTEGER NOT NULL DEFAULT 0;
UPDATE run SET in_flight = 1000 WHERE sending;  -- the most that could be configured
ALTER TABLE run DROP COLUMN sending;
""",
}

FORMAT = max(MIGRATIONS)
"""The format that this program reads and writes."""


def migrate(db: sqlite3.Connection, *, done: int = 0) -> None:
    """Take every step after the `done` first ones, all of them in one transaction.

    Raises:
        sqlite3.Error: nothing has changed once `db` is closed.
    """
    steps = "".join(MIGRATIONS[number] for number in range(done + 1, FORMAT + 1))
    db.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {FORMAT}; COMMIT;")


def upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Bring the open database at `path` to the format of this program.

    Raises:
        StateFailed: a newer program wrote it, or none.
        sqlite3.Error: as for `migrate`.
    """
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StateFailed(
            f"{path} has format {found}, a newer version of this program wrote it (this one knows formats up to "
            f"{FORMAT}); use that version, or another state.dir"
        )
    if found < 1:
        raise StateFailed(f"{path} has format {found}, no version of this program wrote it; use another state.dir")
    if found < FORMAT:
        migrate(db, done=found)
