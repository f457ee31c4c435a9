"""State directories of earlier versions are upgraded at once and whole, or left as they were."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.state.campaign_rows import COUNTS
from engine.state.migrations import FORMAT, MIGRATIONS, migrate
from engine.state.sqlite_journal import SqliteJournal
from engine.state.state_dir import DATABASE
from engine.values.counts import ChunkCounts, RequestCounts
from engine.values.errors import ExitCode, StateFailed

WRITTEN_BY_0_1 = Path(__file__).parent / "fixtures" / "state-0.1" / "engine-state"
"""Two runs of version 0.1 (commit 6c2452d) over the 30 records beside it, the second one killed (SIGKILL) in mid-run.

Made with `simulate --port 8787 --latency-ms 300` and the flags `--reject loan_07 --reject loan_22 --reject loan_28`.
"""

FINISHED, INTERRUPTED = "20261128T052604Z-3ca498", "20261128T052608Z-0c4496"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return copied(tmp_path / "state")


def copied(to: Path) -> Path:
    """Copy the state of 0.1, with the modes that it had."""
    shutil.copytree(WRITTEN_BY_0_1, to)
    for path in [to, *to.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return to


def found_in(state: Path) -> tuple[int, list[tuple[str, str]]]:
    """Return the format of a database and its schema, read as it lies there."""
    with closing(sqlite3.connect(state / DATABASE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [version] = db.execute("PRAGMA user_version").fetchone()
        return version, db.execute("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name").fetchall()


def made_by(steps: range) -> list[tuple[str, str]]:
    """Return the schema that these steps make."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript("".join(MIGRATIONS[number] for number in steps))
        return db.execute("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name").fetchall()


def check_that_all_is_there(state: Path) -> None:
    """What 0.1 has written, its interrupted run included, is what the journal tells of."""
    with closing(SqliteJournal(state)) as journal:
        run = journal.unfinished_run("sync")
        assert run is not None
        assert (run.id, list(run.done), run.rejected_bytes) == (INTERRUPTED, [0, 1, 2], 524)
        assert run.requests == RequestCounts(sent=3, succeeded=3)
        assert run.fingerprint == {"loans.ndjson": [2771, "51eea6074611a87a06debcb2a35520a1"]}
        assert journal.counts(run) == ChunkCounts(read=18, invalid=2, superseded=1, updated=14, rejected=1)
        assert [(reason.outcome, reason.count) for reason in journal.reasons(run)] == [
            ("invalid", 1), ("invalid", 1), ("rejected", 1),
        ]  # fmt: skip
        waiting = {id_: journal.undelivered_by(id_) for id_ in (FINISHED, INTERRUPTED)}
        assert [(each.file_bytes, len(each.first)) for each in waiting.values() if each] == [(966, 2), (524, 1)]
        journal.resume(run)
        assert (journal.run_dir(run.id) / "rejected.ndjson").stat().st_size == run.rejected_bytes


# The steps.


def test_the_steps_are_numbered_and_the_first_one_is_what_0_1_made(state: Path) -> None:
    assert list(MIGRATIONS) == list(range(1, FORMAT + 1))
    version, schema = found_in(state)
    assert version == 1
    assert schema == made_by(range(1, 2)), "a step that was released was changed"


def test_a_new_database_and_one_of_0_1_come_to_the_same_schema(state: Path, tmp_path: Path) -> None:
    for each in (state, tmp_path / "new"):
        SqliteJournal(each).close()
    assert found_in(state) == found_in(tmp_path / "new") == (FORMAT, made_by(range(1, FORMAT + 1)))


def test_every_state_of_a_record_has_its_column() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        migrate(db)
        columns = {row[1] for row in db.execute("PRAGMA table_info(chunk)")}
    missing = [name for name in COUNTS if name not in columns]
    assert not missing, "ChunkCounts has new fields: add to MIGRATIONS a step with " + " ".join(
        f"ALTER TABLE chunk ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0;" for name in missing
    )


# The upgrade.


def test_what_0_1_has_written_goes_on(state: Path) -> None:
    assert (state / f"{DATABASE}-wal").exists()  # the process was killed
    check_that_all_is_there(state)
    assert found_in(state)[0] == FORMAT
    check_that_all_is_there(state)


UPGRADE_AND_DIE = """
import os, signal, sqlite3, sys
from pathlib import Path
from engine.state import SqliteJournal

def traced(*args, **options):
    db = connect(*args, **options)
    db.set_trace_callback(die_at)
    return db

def die_at(statement):
    if statement.strip().startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

connect, sqlite3.connect = sqlite3.connect, traced
SqliteJournal(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("statement", ["BEGIN", "ALTER TABLE", "PRAGMA user_version =", "COMMIT", "no statement"])
def test_a_process_that_is_killed_in_mid_upgrade_leaves_the_old_format(
    state: Path, tmp_path: Path, statement: str
) -> None:
    died = subprocess.run([sys.executable, "-c", UPGRADE_AND_DIE, str(state), statement])
    assert died.returncode == -signal.SIGKILL
    version = FORMAT if statement == "no statement" else 1
    assert found_in(shutil.copytree(state, tmp_path / "seen")) == (version, made_by(range(1, version + 1)))
    check_that_all_is_there(state)
    assert found_in(state)[0] == FORMAT


def test_an_upgrade_torn_at_any_byte_is_the_old_format_or_the_new(state: Path, tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", UPGRADE_AND_DIE, str(state), "no statement"])
    assert died.returncode == -signal.SIGKILL
    written = (state / f"{DATABASE}-wal").stat().st_size
    before = (WRITTEN_BY_0_1 / f"{DATABASE}-wal").stat().st_size
    formats = []
    for length in [*range(before, written, 499), written]:
        torn = shutil.copytree(state, tmp_path / f"torn at {length}")
        os.truncate(torn / f"{DATABASE}-wal", length)
        version, schema = found_in(torn)
        formats.append(version)
        assert schema == made_by(range(1, version + 1)), length
        check_that_all_is_there(torn)
        shutil.rmtree(torn)
    assert formats == sorted(formats)
    assert set(formats) == {1, FORMAT}


UPGRADE_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from engine.state import SqliteJournal
from engine.values import StateFailed

log = Path(sys.argv[1], "journal.sqlite3-wal")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100, resource.RLIM_INFINITY))
try:
    SqliteJournal(Path(sys.argv[1]))
except StateFailed as error:
    print(error)
"""


def test_an_upgrade_that_does_not_fit_changes_nothing(state: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", UPGRADE_ON_A_FULL_DISK, str(state)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert DATABASE in done.stdout
    assert "free space" in done.stdout
    assert found_in(shutil.copytree(state, tmp_path / "seen")) == (1, made_by(range(1, 2)))
    check_that_all_is_there(state)  # there is room again


@pytest.mark.parametrize("version", [FORMAT + 1, 99])
def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    SqliteJournal(tmp_path / "state").close()
    with closing(sqlite3.connect(tmp_path / "state" / DATABASE)) as db:
        db.execute(f"PRAGMA user_version = {version}")
    before = (tmp_path / "state" / DATABASE).read_bytes()
    with pytest.raises(StateFailed, match=f"format {version}, a newer version .* up to {FORMAT}") as refused:
        SqliteJournal(tmp_path / "state")
    assert refused.value.exit_code is ExitCode.STATE_FAILED
    assert (tmp_path / "state" / DATABASE).read_bytes() == before


def test_a_database_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "state").close()
    with closing(sqlite3.connect(tmp_path / "state" / DATABASE)) as db:
        db.execute("PRAGMA user_version = 0")
    with pytest.raises(StateFailed, match="format 0, no version of this program"):
        SqliteJournal(tmp_path / "state")
