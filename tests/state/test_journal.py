"""The journal on a real disk: what it called durable is there, whatever happened, or it says that it is damaged."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from engine.state.journal import REJECTED, Journal, Run, id_digest
from engine.state.state_dir import DATABASE, LOCK
from engine.state.thread import OwnThread
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import StateFailed, StateLocked
from engine.values.records import Chunk, ChunkResult, Failure, Outcome, Place, Refusal, Span

CANARY = "Ramesh Kanarienvogel"


def result(seq: int, *ids: str, failed: Sequence[str] = (), refused: int = 0, reason: str = "locked") -> ChunkResult:
    """A result of a chunk in which the `failed` records were rejected."""
    lines = b"\n".join(orjson.dumps({"id": id_, "data": {"name": CANARY, "n": seq}}) for id_ in ids)
    refusals = [Refusal("not valid JSON", Place("f", 100 + n), raw=CANARY) for n in range(refused)]
    chunk = Chunk(seq, list(ids), lines, [Span("f", 1, len(ids))], refusals, superseded=1)
    failures = [Failure(ids.index(id_), Outcome.REJECTED, reason, 207) for id_ in failed]
    return ChunkResult(chunk, failures)


def new_run(number: int = 1, kind: str = "sync", campaign_id: str = "camp") -> Run:
    return Run(f"run-{number}", kind, campaign_id, f"2026-11-{number:02}T02:00:00.000Z", {"api.url": "https://x"})


def requests(sent: int) -> RequestCounts:
    return RequestCounts(sent=sent, succeeded=sent)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def journal(state: Path) -> Iterator[Journal]:
    opened = Journal(state)
    yield opened
    opened.close()


def record(journal: Journal, run: Run, *results: ChunkResult) -> None:
    journal.record(run, results, worked_s=1.0, requests=requests(len(results)))


def reject_ids(journal: Journal, run: Run) -> list[str]:
    text = (journal.run_dir(run.id) / REJECTED).read_bytes()
    return [orjson.loads(line).get("id") for line in text.splitlines()]


def test_what_was_recorded_is_there_after_it_is_opened_again(state: Path) -> None:
    journal, run = Journal(state), new_run()
    journal.begin(run)
    journal.set_fingerprint(run, {"f": {"size": 7}})
    first, second = result(0, "a", "b", failed=["b"]), result(2, "c", refused=2)
    record(journal, run, first, second)
    journal.close()

    journal = Journal(state)
    found = journal.unfinished_run("sync")
    assert found is not None
    assert (found.id, found.fingerprint, found.identity) == (run.id, {"f": {"size": 7}}, run.identity)
    assert found.done == {0: first.chunk.digest(), 2: second.chunk.digest()}
    assert journal.counts(found) == RecordCounts(read=7, invalid=2, superseded=2, updated=2, rejected=1)
    assert [(reason.outcome, reason.reason, reason.count) for reason in journal.reasons(found)] == [
        ("invalid", "not valid JSON", 2),
        ("rejected", "locked", 1),
    ]
    assert reject_ids(journal, found) == ["b", None, None]
    journal.close()


def test_a_finished_run_is_not_resumed_and_a_new_one_gives_up_an_unfinished_one(journal: Journal) -> None:
    first, second = new_run(1), new_run(2)
    journal.begin(first)
    journal.finish(first, finished=True, worked_s=1.0, requests=requests(0), telemetry={})
    assert journal.unfinished_run("sync") is None
    journal.begin(second)
    assert journal.unfinished_run("replay") is None
    journal.begin(new_run(3))
    found = journal.unfinished_run("sync")
    assert found is not None
    assert found.id == "run-3"


def test_a_resumed_run_counts_its_processes_and_what_was_in_flight_as_failed(journal: Journal) -> None:
    run = new_run()
    journal.begin(run)
    journal.record(run, [result(0, "a")], 1.0, RequestCounts(sent=9, succeeded=4, throttled=2, failed=1, split=1))
    for resumes in (1, 2):
        found = journal.unfinished_run("sync")
        assert found is not None
        journal.resume(found)
        assert found.resumes == resumes
        assert found.requests == RequestCounts(sent=9, succeeded=4, throttled=2, failed=3, split=1)


def test_two_results_of_one_chunk_are_a_bug_that_changes_nothing(journal: Journal) -> None:
    run = new_run()
    journal.begin(run)
    record(journal, run, result(0, "a"))
    before = journal.counts(run)
    with pytest.raises(StateFailed):
        record(journal, run, result(1, "b"), result(0, "a"))
    assert journal.counts(run) == before


# The reject file.


def test_reject_lines_that_were_never_committed_are_cut_off(state: Path) -> None:
    journal, run = Journal(state), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    journal.close()
    path = state / "runs" / run.id / REJECTED
    committed = path.read_bytes()
    path.write_bytes(committed + b'{"id":"torn","da')

    journal = Journal(state)
    found = journal.unfinished_run("sync")
    assert found is not None
    journal.resume(found)
    assert path.read_bytes() == committed
    record(journal, found, result(1, "b", failed=["b"]))
    assert reject_ids(journal, found) == ["a", "b"]
    journal.close()


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_a_reject_file_that_lost_lines_is_damage(state: Path, damage: str) -> None:
    journal, run = Journal(state), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    journal.close()
    path = state / "runs" / run.id / REJECTED
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    journal = Journal(state)
    found = journal.unfinished_run("sync")
    assert found is not None
    with pytest.raises(StateFailed, match=r"rejected\.ndjson"):
        journal.resume(found)
    journal.close()


def test_a_planted_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    journal, run = Journal(state), new_run()
    journal.run_dir(run.id).mkdir()
    (journal.run_dir(run.id) / REJECTED).symlink_to(precious)
    with pytest.raises(StateFailed, match=r"rejected\.ndjson"):
        journal.begin(run)
    journal.close()
    assert precious.read_text() == "keep me"


# What was not delivered, and waits.


def waiting(journal: Journal, run: Run, *ids: str) -> list[str]:
    found = journal.undelivered_by(run.id)
    assert found is not None
    return [id_ for id_ in ids if id_digest(id_) in found.first]


def test_what_could_not_be_delivered_waits_until_a_later_run_reads_it_again(journal: Journal) -> None:
    first, second = new_run(1), new_run(2)
    journal.begin(first)
    record(journal, first, result(0, "a", "b", "c", failed=["a", "b"]))
    assert waiting(journal, first, "a", "b", "c") == ["a", "b"]
    assert journal.latest_run_to_replay("camp") == first.id
    journal.begin(second)
    assert journal.latest_run_to_replay("camp") == first.id
    record(journal, second, result(0, "a", "x"), result(1, "b", "y", failed=["b"]))
    assert waiting(journal, first, "a", "b") == []
    assert waiting(journal, second, "a", "b") == ["b"]
    assert journal.latest_run_to_replay("camp") == second.id


def test_what_the_same_run_delivers_later_waits_no_more_also_over_a_crash(state: Path) -> None:
    journal, run = Journal(state), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", "b", "c", failed=["a", "b", "c"]))
    record(journal, run, result(1, "a"))
    assert waiting(journal, run, "a", "b", "c") == ["b", "c"]
    journal.close()
    journal = Journal(state)
    found = journal.unfinished_run("sync")
    assert found is not None
    journal.resume(found)
    record(journal, found, result(2, "b"), result(3, "c", failed=["c"]))
    assert waiting(journal, run, "a", "b", "c") == ["c"]
    journal.close()


def test_only_lines_after_the_latest_delivered_version_count(journal: Journal) -> None:
    run = new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", "b", failed=["a", "b"]))
    length = run.rejected_bytes
    record(journal, run, result(1, "a"))
    record(journal, run, result(2, "a", "b", failed=["a", "b"]))
    found = journal.undelivered_by(run.id)
    assert found is not None
    assert found.first == {id_digest("a"): length, id_digest("b"): 0}
    assert found.file_bytes == run.rejected_bytes


def test_campaigns_do_not_mix(journal: Journal) -> None:
    one, other = new_run(1, campaign_id="one"), new_run(2, campaign_id="other")
    journal.begin(one)
    record(journal, one, result(0, "a", failed=["a"]))
    journal.begin(other)
    record(journal, other, result(0, "a"))
    assert waiting(journal, one, "a") == ["a"]
    assert journal.latest_run_to_replay("one") == "run-1"
    assert journal.latest_run_to_replay("other") == "run-2"
    assert journal.latest_run_to_replay("third") is None
    assert journal.undelivered_by("no such run") is None


def test_what_was_learned_is_kept(journal: Journal) -> None:
    assert journal.learned("pacing") is None
    journal.learn("pacing", {"rate": 7.5})
    journal.learn("pacing", {"rate": 8.5})
    assert journal.learned("pacing") == {"rate": 8.5}


# Privacy.


def test_no_record_data_in_the_database(state: Path) -> None:
    journal, run = Journal(state), new_run()
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
        journal, run = Journal(state), new_run()
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
        Journal(state)
    journal.close()
    Journal(state).close()


HOLD_THE_LOCK = """
import sys, pathlib
from engine.state import Journal
journal = Journal(pathlib.Path(sys.argv[1]))
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
            Journal(state)
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        Journal(state).close()


def test_a_lock_that_is_a_planted_link_is_refused(state: Path, tmp_path: Path) -> None:
    Journal(state).close()
    (state / LOCK).unlink()
    (state / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateFailed, match="lock"):
        Journal(state)
    assert not (tmp_path / "elsewhere").exists()


# Damage.


def some_history(state: Path) -> list[RecordCounts]:
    """Write a run in several transactions; return the sums after each of them."""
    journal, run = Journal(state), new_run()
    states = [RecordCounts()]
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


def opened_counts(state: Path) -> RecordCounts | None:
    """What a resumed run finds; None if it is refused with the name of the file."""
    try:
        journal = Journal(state)
    except StateFailed as error:
        if DATABASE not in str(error):
            raise
        return None
    try:
        run = journal.unfinished_run("sync")
        if run is None:
            return RecordCounts()
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
    Journal(state).close()  # takes the log into the database
    whole = (state / DATABASE).read_bytes()
    assert len(whole) > 5 * 4096
    for length in cuts_of(len(whole)):
        torn = tmp_path / "torn"
        shutil.copytree(state, torn)
        os.truncate(torn / DATABASE, length)
        assert opened_counts(torn) is None, length
        assert (torn / DATABASE).stat().st_size == length  # left as it is, for whoever can mend it
        shutil.rmtree(torn)


NO_DATABASES = [b"", b"\0" * 4096, b"SQLite format 3\0" + b"\xff" * 8176, bytes(range(256)) * 80, b"{}"]


@pytest.mark.parametrize("content", NO_DATABASES)
def test_something_else_in_place_of_the_database_is_refused_and_left_alone(state: Path, content: bytes) -> None:
    Journal(state).close()
    (state / DATABASE).write_bytes(content)
    with pytest.raises(StateFailed, match=DATABASE):
        Journal(state)
    assert (state / DATABASE).read_bytes() == content


def test_a_database_of_another_version_is_refused(state: Path) -> None:
    Journal(state).close()
    with sqlite3.connect(state / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateFailed, match="format 99"):
        Journal(state)


def test_a_missing_database_is_damage_once_there_were_runs(state: Path) -> None:
    Journal(state).close()
    (state / DATABASE).unlink()
    journal = Journal(state)  # nothing is lost: there never was a run
    journal.begin(new_run())
    journal.close()
    (state / DATABASE).unlink()
    with pytest.raises(StateFailed, match="missing"):
        Journal(state)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_database_that_is_a_planted_link_is_not_written_through(state: Path, tmp_path: Path, dangling: bool) -> None:
    Journal(state).close()
    elsewhere = tmp_path / "elsewhere"
    (state / DATABASE).rename(elsewhere)
    if dangling:
        elsewhere.unlink()
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    (state / DATABASE).symlink_to(elsewhere)
    if dangling:
        Journal(state).close()  # replaced by a database of our own
        assert not (state / DATABASE).is_symlink()
    else:
        with pytest.raises(StateFailed, match="symbolic link"):
            Journal(state)
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


def test_what_is_left_of_a_database_half_made_is_cleared_away(state: Path) -> None:
    state.mkdir()
    for name in ("journal.new", "journal.new-wal", "journal.new-shm"):
        (state / name).write_bytes(b"half")
    Journal(state).close()
    assert not list(state.glob("*.new*"))


# A disk that fails.

FILL_THE_DISK = """
import json, resource, signal, sys
from pathlib import Path
from tests.state.test_journal import *

state, which = Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, run = Journal(state), new_run()
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
        timeout=60,
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    durable, message = json.loads(done.stdout)
    assert done.stderr == ""
    assert (REJECTED if which == "rejects" else DATABASE) in message
    assert "free space" in message
    journal = Journal(state)
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
    assert journal.counts(run) == RecordCounts()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StateFailed, match="state"):
            Journal(tmp_path / "state")
    finally:
        tmp_path.chmod(0o700)


# Its own thread.


async def test_everything_happens_in_one_other_thread() -> None:
    threads: list[int] = []

    def note(value: str) -> str:
        threads.append(threading.get_ident())
        return value

    async with OwnThread(lambda: note("made"), lambda value: threads.append(threading.get_ident())) as thread:
        assert thread.value == "made"
        assert await asyncio.gather(*(thread.call(note, str(n)) for n in range(5))) == ["0", "1", "2", "3", "4"]
    assert len(threads) == 7
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_what_was_begun_is_brought_to_its_end_when_its_caller_is_cancelled() -> None:
    began, go_on, done = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        go_on.wait(10)
        done.append("work")

    async with OwnThread(lambda: None, lambda _: done.append("closed")) as thread:
        call = asyncio.ensure_future(thread.call(work))
        await asyncio.to_thread(began.wait, 10)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert done == []
        go_on.set()
    assert done == ["work", "closed"]


async def test_errors_come_out_and_what_could_not_be_made_needs_no_closing() -> None:
    closed: list[object] = []

    def fail() -> None:
        raise StateLocked("another run")

    with pytest.raises(StateLocked):
        async with OwnThread(fail, closed.append):
            raise AssertionError("never entered")
    assert closed == []
    async with OwnThread(lambda: None, closed.append) as thread:
        with pytest.raises(StateLocked):
            await thread.call(fail)
    assert closed == [None]
