"""The journal on a real disk: what it called durable is there, whatever happened, or it says that it is damaged."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.state.database import PAGE_BYTES
from engine.state.journal import Journal, Run, id_digest
from engine.state.rejects import REJECTED
from engine.state.sqlite_journal import WRITES_EVERY_S, SqliteJournal
from engine.state.state_dir import DATABASE, LOCK
from engine.values.counts import ChunkCounts
from engine.values.errors import StateFailed, StateLocked
from tests.state.results import CANARY, new_run, record, requests, result


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def journal(state: Path) -> Iterator[Journal]:
    opened = SqliteJournal(state)
    yield opened
    opened.close()


def reject_ids(journal: Journal, run: Run) -> list[str]:
    text = (journal.run_dir(run.id) / REJECTED).read_bytes()
    return [orjson.loads(line).get("id") for line in text.splitlines()]


# Links that were planted.


def test_a_planted_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me", encoding="utf-8")
    journal, run = SqliteJournal(state), new_run()
    journal.run_dir(run.id).mkdir()
    (journal.run_dir(run.id) / REJECTED).symlink_to(precious)
    with pytest.raises(StateFailed, match=r"rejected\.ndjson"):
        journal.begin(run)
    journal.close()
    assert precious.read_text(encoding="utf-8") == "keep me"


# Privacy.


def test_no_record_data_in_the_database(state: Path) -> None:
    journal, run = SqliteJournal(state), new_run()
    journal.begin(run)
    said = f"name {CANARY} of loan a-1 is invalid, phone 9876543210 too"
    record(journal, run, result(0, "a-1", "b-2", failed=["a-1"], refused=1, reason=said))
    found = b"".join(path.read_bytes() for path in state.glob("journal*"))
    assert b"a-1" in found  # it is an example id
    assert b"name \xe2\x80\xa6 of loan" in found
    for canary in (CANARY, "Ramesh", "Kanarienvogel", "9876543210"):
        assert canary.encode() not in found
    journal.close()
    assert CANARY.encode() in (state / "runs" / run.id / REJECTED).read_bytes()


def test_nobody_else_may_look_whatever_the_umask(state: Path) -> None:
    before = os.umask(0)
    try:
        journal, run = SqliteJournal(state), new_run()
        journal.begin(run)
        record(journal, run, result(0, "a", failed=["a"]))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [state, *state.rglob("*")]}
        journal.close()
    finally:
        os.umask(before)
    assert len(modes) >= 6
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}


# The lock.


def test_a_second_run_is_kept_out(state: Path, journal: Journal) -> None:
    with pytest.raises(StateLocked, match="another run"):
        SqliteJournal(state)
    journal.close()
    SqliteJournal(state).close()


HOLD_THE_LOCK = """
import sys, pathlib
from engine.state import SqliteJournal
journal = SqliteJournal(pathlib.Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_lock_does_not_survive_its_process(state: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StateLocked):
            SqliteJournal(state)
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        SqliteJournal(state).close()


def test_a_lock_that_is_a_planted_link_is_refused(state: Path, tmp_path: Path) -> None:
    SqliteJournal(state).close()
    (state / LOCK).unlink()
    (state / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateFailed, match="lock"):
        SqliteJournal(state)
    assert not (tmp_path / "elsewhere").exists()


# Misuse.


def test_only_a_run_that_was_begun_or_resumed_has_results(state: Path) -> None:
    first, run = SqliteJournal(state), new_run()
    first.begin(run)
    first.close()
    journal = SqliteJournal(state)
    with pytest.raises(RuntimeError, match="neither begun nor resumed"):
        record(journal, run, result(0, "a", failed=["a"]))
    assert journal.counts(run) == ChunkCounts()
    journal.close()


# What waits to be delivered.


def waiting(journal: Journal, run: Run, *ids: str) -> list[str]:
    found = journal.undelivered_by(run.id)
    assert found is not None
    return [id_ for id_ in ids if (run.campaign_id, id_digest(id_)) in found.first]


def test_only_so_many_ids_are_looked_out_for(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.state.undelivered.WAITING_IDS_MAX", 3)
    first, second, third = new_run(1), new_run(2), new_run(3)
    journal.begin(first)
    record(journal, first, result(0, "a", "b", failed=["a", "b"]))
    journal.begin(second)
    record(journal, second, result(0, "c", "d", "e", failed=["c", "d", "e"]))
    journal.begin(third)
    record(journal, third, result(0, "a", "b", "c", "d", "e"))
    left = waiting(journal, first, "a", "b") + waiting(journal, second, "c", "d", "e")
    assert len(left) == 5 - 3
    record(journal, third, result(1, "f", failed=["f"]))
    record(journal, third, result(2, "f"))
    assert waiting(journal, third, "f") == ["f"]


# Damage.


def some_history(state: Path) -> list[ChunkCounts]:
    """Write a run in several transactions; return the sums after each of them."""
    journal, run = SqliteJournal(state), new_run()
    states = [ChunkCounts()]
    journal.begin(run)
    for seq in range(4):
        record(journal, run, result(seq, f"a{seq}", f"b{seq}", failed=[f"b{seq}"], reason=f"reason {seq}"))
        states.append(journal.counts(run))
    copy = state.with_name("copy")
    shutil.copytree(state, copy)  # as a crash leaves it: with the write-ahead log beside it
    journal.close()
    shutil.rmtree(state)
    copy.rename(state)
    return states


def opened_counts(state: Path) -> ChunkCounts | None:
    """What a resumed run finds; None if it is refused with the name of the file."""
    try:
        journal = SqliteJournal(state)
    except StateFailed as error:
        if DATABASE not in str(error):
            raise
        return None
    try:
        run = journal.unfinished_run("sync")
        if run is None:
            return ChunkCounts()
        journal.resume(run)
        counts = journal.counts(run)
        counts.check()
        assert len(reject_ids(journal, run)) == counts.rejected == sum(reason.count for reason in journal.reasons(run))
        assert sum(1 for _ in run.done) * 3 == counts.read
        return counts
    finally:
        journal.close()


def cuts_of(length: int) -> list[int]:
    """Every byte of what comes first, and now and then one of the rest, page edges included."""
    return sorted({*range(min(length, 120)), *range(0, length, 509), *range(0, length + 1, 4096)} - {length})


def test_a_log_cut_at_any_byte_opens_as_an_earlier_state(state: Path, tmp_path: Path) -> None:
    states = some_history(state)
    log = (state / f"{DATABASE}-wal").read_bytes()
    found = []
    for length in [*cuts_of(len(log)), len(log)]:
        torn = tmp_path / "torn"
        shutil.copytree(state, torn)
        os.truncate(torn / f"{DATABASE}-wal", length)
        counts = opened_counts(torn)
        assert counts in states, length
        found.append(states.index(counts))
        shutil.rmtree(torn)
    assert found == sorted(found)
    assert found[0] == 0
    assert set(found) == set(range(len(states)))


def test_a_log_with_a_flipped_byte_opens_as_an_earlier_state(state: Path, tmp_path: Path) -> None:
    states = some_history(state)
    log = bytearray((state / f"{DATABASE}-wal").read_bytes())
    for position in range(0, len(log), 701):
        torn = tmp_path / "torn"
        shutil.copytree(state, torn)
        flipped = log.copy()
        flipped[position] ^= 0x10
        (torn / f"{DATABASE}-wal").write_bytes(flipped)
        assert opened_counts(torn) in states, position
        shutil.rmtree(torn)


def test_a_database_cut_at_any_byte_is_refused(state: Path, tmp_path: Path) -> None:
    some_history(state)
    SqliteJournal(state).close()  # takes the log into the database
    whole = (state / DATABASE).read_bytes()
    assert len(whole) > 5 * 4096
    for length in cuts_of(len(whole)):
        torn = tmp_path / "torn"
        shutil.copytree(state, torn)
        os.truncate(torn / DATABASE, length)
        assert opened_counts(torn) is None, length
        assert (torn / DATABASE).stat().st_size == length  # left as it is, for whoever can mend it
        shutil.rmtree(torn)


def test_a_database_with_a_damaged_page_is_refused(state: Path) -> None:
    some_history(state)
    SqliteJournal(state).close()  # takes the log into the database
    whole = (state / DATABASE).read_bytes()
    for at in range(PAGE_BYTES, len(whole), PAGE_BYTES):
        (state / DATABASE).write_bytes(whole[:at] + b"\xff" * PAGE_BYTES + whole[at + PAGE_BYTES :])
        assert opened_counts(state) is None, at


NO_DATABASES = [b"", b"\0" * 4096, b"SQLite format 3\0" + b"\xff" * 8176, bytes(range(256)) * 80, b"{}"]


@pytest.mark.parametrize("content", NO_DATABASES)
def test_something_else_in_place_of_the_database_is_refused_and_left_alone(state: Path, content: bytes) -> None:
    SqliteJournal(state).close()
    (state / DATABASE).write_bytes(content)
    with pytest.raises(StateFailed, match=DATABASE):
        SqliteJournal(state)
    assert (state / DATABASE).read_bytes() == content


def test_a_database_of_another_version_is_refused(state: Path) -> None:
    SqliteJournal(state).close()
    with sqlite3.connect(state / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateFailed, match=rf"{DATABASE} has format 99"):
        SqliteJournal(state)


def test_a_missing_database_is_damage_once_there_were_runs(state: Path) -> None:
    SqliteJournal(state).close()
    (state / DATABASE).unlink()
    journal = SqliteJournal(state)  # nothing is lost: there never was a run
    journal.begin(new_run())
    journal.close()
    (state / DATABASE).unlink()
    with pytest.raises(StateFailed, match="missing"):
        SqliteJournal(state)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_database_that_is_a_planted_link_is_not_written_through(state: Path, tmp_path: Path, dangling: bool) -> None:
    SqliteJournal(state).close()
    elsewhere = tmp_path / "elsewhere"
    (state / DATABASE).rename(elsewhere)
    if dangling:
        elsewhere.unlink()
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    (state / DATABASE).symlink_to(elsewhere)
    if dangling:
        SqliteJournal(state).close()  # replaced by a database of our own
        assert not (state / DATABASE).is_symlink()
    else:
        with pytest.raises(StateFailed, match="symbolic link"):
            SqliteJournal(state)
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


def test_what_is_left_of_a_database_half_made_is_cleared_away(state: Path) -> None:
    state.mkdir()
    for name in ("journal.new", "journal.new-wal", "journal.new-shm"):
        (state / name).write_bytes(b"half")
    SqliteJournal(state).close()
    assert not list(state.glob("*.new*"))


# A disk that fails.

FILL_THE_DISK = """
import json, resource, signal, sys
from pathlib import Path
from tests.state.test_sqlite_journal import *

state, which = Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, run = SqliteJournal(state), new_run()
journal.begin(run)
record(journal, run, result(0, "a", failed=["a"]))
sizes = {path.name: path.stat().st_size for path in state.rglob("*") if path.is_file()}
largest = sizes["rejected.ndjson"] if which == "rejects" else sizes["journal.sqlite3-wal"]
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 100, resource.RLIM_INFINITY))
durable = 1
try:
    for seq in range(1, 500):
        failed = [f"b{seq}"] if which == "rejects" else []
        record(journal, run, result(seq, f"b{seq}", failed=failed))
        durable += 1
except StateFailed as error:
    print(json.dumps([durable, str(error)]))
finally:
    journal.close()
"""


@pytest.mark.parametrize("which", ["rejects", "database"])
def test_a_full_disk_stops_the_run_and_loses_nothing_that_was_durable(state: Path, which: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(state), which],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    durable, message = json.loads(done.stdout)
    assert done.stderr == ""
    assert (REJECTED if which == "rejects" else DATABASE) in message
    assert "free space" in message
    journal = SqliteJournal(state)
    run = journal.unfinished_run("sync")
    assert run is not None
    journal.resume(run)
    assert len(run.done) == durable
    assert journal.counts(run).updated + journal.counts(run).rejected == durable
    assert len(reject_ids(journal, run)) == journal.counts(run).rejected
    record(journal, run, result(1_000, "z", failed=["z"]))  # there is room again
    journal.close()


def test_a_disk_that_cannot_sync_makes_nothing_durable(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    journal.begin(run)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StateFailed, match="Input/output error"):
        record(journal, run, result(0, "a", failed=["a"]))
    assert journal.counts(run) == ChunkCounts()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StateFailed, match="state"):
            SqliteJournal(tmp_path / "state")
    finally:
        tmp_path.chmod(0o700)


def test_a_killed_process_lived_no_longer_than_the_lock_says_and_later_ones_change_nothing_of_that(
    tmp_path: Path,
) -> None:
    state, now = tmp_path / "state", time.time()
    killed = SqliteJournal(state, clock=lambda: now - 1_000.0)
    killed.begin(new_run(1))
    os.utime(state / "lock", (now - 990.0, now - 990.0))
    killed.close()
    with closing(SqliteJournal(state)) as journal:
        assert journal.left_by_others("camp").killed_at == pytest.approx(now - 990.0)
        run = new_run(2)
        journal.begin(run)
        journal.still_alive()
        journal.save(run, worked_s=1.0, requests=requests(1), telemetry={}, ended=True, finished=True)
    with closing(SqliteJournal(state)) as journal:
        assert journal.left_by_others("camp").killed_at == pytest.approx(now - 1_000.0 + WRITES_EVERY_S)
