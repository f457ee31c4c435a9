"""What every journal promises: the real one on a real disk, and the one of the simulation, which is only made up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Protocol

import orjson
import pytest

from engine.state.journal import Journal, Run, id_digest
from engine.state.late_copies import Left
from engine.state.old_runs import RUNS_KEPT_MIN
from engine.state.rejects import REJECTED
from engine.state.sqlite_journal import SqliteJournal
from engine.values import ChunkResult
from engine.values.counts import ChunkCounts, RequestCounts
from engine.values.errors import StateFailed
from tests.simulation.storage import Disk, MemoryJournal
from tests.state.results import new_run, record, requests, result

MOMENT = 4e9
"""The time on all clocks, in seconds since 1970: later than any file can have been written."""


class Place(Protocol):
    """Where journals are kept: one after another, as processes come and go."""

    def open(self) -> Journal:
        """Open the journal in a new process; the one before is gone, without a word."""
        ...

    def fail(self, what: str) -> None:
        """From now on, in this process, the `rejects` or the `commit` can't be written."""

    def rejects(self, run_id: str) -> bytes:
        """Return the reject file, with whatever is behind the length that counts."""
        ...

    def set_rejects(self, run_id: str, content: bytes) -> None:
        """Let the reject file be as a crash or a mishap leaves it."""


class OnDisk:
    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self._state = home / "state"
        self._patch = patch
        self._journal: SqliteJournal | None = None

    def open(self) -> Journal:
        self.close()
        self._journal = SqliteJournal(self._state, clock=lambda: MOMENT)
        return self._journal

    def close(self) -> None:
        self._patch.undo()
        if self._journal is not None:
            self._journal.close()

    def fail(self, what: str) -> None:
        assert self._journal is not None
        if what == "commit":
            self._journal._db.rows("PRAGMA query_only = ON")
        else:
            self._patch.setattr("os.fsync", _cannot_sync)

    def rejects(self, run_id: str) -> bytes:
        return (self._state / "runs" / run_id / REJECTED).read_bytes()

    def set_rejects(self, run_id: str, content: bytes) -> None:
        (self._state / "runs" / run_id / REJECTED).write_bytes(content)


def _cannot_sync(_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class InMemory:
    def __init__(self) -> None:
        self._disk = Disk()
        self._journal = MemoryJournal(self._disk, clock=lambda: MOMENT)

    def open(self) -> Journal:
        self._journal = MemoryJournal(self._disk, clock=lambda: MOMENT)
        return self._journal

    def close(self) -> None:
        pass

    def fail(self, what: str) -> None:
        self._journal.fails = what

    def rejects(self, run_id: str) -> bytes:
        return bytes(self._disk.runs[run_id].rejects)

    def set_rejects(self, run_id: str, content: bytes) -> None:
        self._disk.runs[run_id].rejects[:] = content


@pytest.fixture(params=["on disk", "in memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made: OnDisk | InMemory = OnDisk(tmp_path, monkeypatch) if request.param == "on disk" else InMemory()
    yield made
    made.close()


def unfinished(journal: Journal) -> Run:
    found = journal.unfinished_run("sync")
    assert found is not None
    return found


def ids_in(content: bytes) -> list[str]:
    return [orjson.loads(line).get("id") for line in content.splitlines()]


# Runs.


def test_what_was_recorded_is_there_after_it_is_opened_again(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    journal.set_fingerprint(run, {"f": {"size": 7}})
    first, second = result(0, "a", "b", failed=["b"]), result(2, "c", refused=2)
    record(journal, run, first, second)
    assert run.fingerprint == {"f": {"size": 7}}

    journal = place.open()
    found = unfinished(journal)
    assert (found.id, found.fingerprint, found.identity) == (run.id, {"f": {"size": 7}}, run.identity)
    assert (found.worked_s, found.requests, found.rejected_bytes) == (1.0, requests(2), run.rejected_bytes)
    assert found.done == {0: first.chunk.digest(), 2: second.chunk.digest()}
    assert journal.counts(found) == ChunkCounts(read=7, invalid=2, superseded=2, updated=2, rejected=1)
    assert [(reason.outcome, reason.reason, reason.count) for reason in journal.reasons(found)] == [
        ("invalid", "not valid JSON", 2),
        ("rejected", "locked", 1),
    ]
    assert ids_in(place.rejects(run.id)) == ["b", None, None]


def test_a_finished_run_is_not_resumed_and_a_new_one_gives_up_an_unfinished_one(place: Place) -> None:
    journal, first, second = place.open(), new_run(1), new_run(2)
    assert journal.unfinished_run("sync") is None
    journal.begin(first)
    journal.save(first, finished=True, worked_s=1.0, requests=requests(0), telemetry={})
    assert journal.unfinished_run("sync") is None
    journal.begin(second)
    assert journal.unfinished_run("replay") is None
    journal.begin(new_run(3))
    assert unfinished(journal).id == "run-3"
    journal.begin(new_run(4, kind="replay"))
    assert unfinished(journal).id == "run-3"


def test_how_a_run_looks_from_outside_is_kept_for_the_next_process(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    seen: dict[str, Any] = {"worked_s": 12.5, "requests": requests(3), "telemetry": {"statuses": {"200": 3}}}
    journal.save(run, **seen, finished=False)
    seen["requests"].sent += 1  # the run goes on with its own counts
    found = unfinished(place.open())
    assert (found.worked_s, found.requests, found.telemetry) == (12.5, requests(3), {"statuses": {"200": 3}})


def test_how_any_run_looked_can_be_asked_for(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    journal.save(run, worked_s=1.0, requests=requests(1), telemetry={"quiet_s": 2.5})
    [found] = place.open().latest_runs(1)
    assert place.open().telemetry(found) == {"quiet_s": 2.5}


def test_a_resumed_run_counts_its_processes_and_what_was_in_flight_as_failed(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    journal.record(run, [result(0, "a")], 1.0, RequestCounts(sent=9, succeeded=4, throttled=2, failed=1, split=1))
    for resumes in (1, 2):
        found = unfinished(journal)
        journal.resume(found)
        assert found.resumes == resumes
        assert found.requests == RequestCounts(sent=9, succeeded=4, throttled=2, failed=3, split=1, in_doubt=2)


def test_what_may_still_land_is_kept_by_chunk_until_it_is_later(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    journal.note_late_copies(run, {0: MOMENT + 5, 3: MOMENT + 60})
    journal.note_late_copies(run, {3: MOMENT + 90})
    journal.note_late_copies(run, {})
    found = unfinished(place.open())
    assert found.late_copies == {0: MOMENT + 5, 3: MOMENT + 90}
    left = place.open().left_by_others("camp")
    assert (left.until, left.killed_at) == (MOMENT + 90, MOMENT)
    assert place.open().left_by_others("another") == Left(None, None)


def test_a_process_that_was_killed_is_told_from_one_that_has_ended(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    assert unfinished(place.open()).alive_at == MOMENT
    journal = place.open()
    journal.save(run, worked_s=1.0, requests=requests(1), telemetry={}, ended=True)
    assert unfinished(place.open()).alive_at is None
    assert place.open().left_by_others("camp") == Left(None, None)
    journal = place.open()
    journal.resume(unfinished(journal))
    assert unfinished(place.open()).alive_at == MOMENT


def test_the_chunks_in_which_all_was_updated_are_known(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", "b"), result(1, "c", "d", failed=["c"]), result(2, "e", refused=1))
    assert unfinished(place.open()).without_failures == {0, 2}


def test_runs_have_directories_of_their_own(place: Place) -> None:
    journal = place.open()
    assert journal.run_dir("run-1").name == "run-1"
    assert journal.run_dir("run-1").parent == journal.run_dir("run-2").parent


def test_a_sync_closes_what_is_unfinished_and_says_so(place: Place) -> None:
    journal = place.open()
    first, replaying, second = new_run(1), new_run(2, kind="replay"), new_run(3)
    journal.begin(first)
    journal.begin(replaying)
    assert [run.closed_by for run in journal.latest_runs(9)] == [None, None]  # a replay closes no sync
    journal.begin(second)
    found = place.open().latest_runs(9)
    assert [(run.id, run.finished, run.closed_by) for run in found] == [
        (first.id, True, second.id),
        (replaying.id, True, second.id),
        (second.id, False, None),
    ]
    assert [run.id for run in place.open().latest_runs(2)] == [replaying.id, second.id]


def test_a_sync_that_goes_on_closes_what_was_begun_beside_it(place: Place) -> None:
    journal = place.open()
    sync, replaying = new_run(1), new_run(2, kind="replay")
    journal.begin(sync)
    journal.begin(replaying)
    journal = place.open()
    journal.resume(unfinished(journal))
    assert place.open().unfinished_run("replay") is None
    assert unfinished(place.open()).id == sync.id


def test_it_is_known_whether_anything_was_sent_and_when_the_last_result_came(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    assert (unfinished(place.open()).sending, unfinished(place.open()).progress_at) == (False, None)
    journal = place.open()
    journal.note_sending(run, 8)
    assert (run.sending, unfinished(place.open()).sending) == (True, True)
    journal = place.open()
    run = unfinished(journal)
    journal.resume(run)
    record(journal, run, result(0, "a"))
    assert unfinished(place.open()).progress_at == MOMENT


def test_the_most_that_any_of_its_processes_had_in_flight_is_kept(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    for in_flight, most in ((8, 8), (32, 32), (2, 32)):
        journal.note_sending(run, in_flight)
        assert (run.in_flight, unfinished(place.open()).in_flight) == (most, most)
        journal = place.open()
        run = unfinished(journal)
        journal.resume(run)


def test_how_a_process_has_ended_is_kept_until_the_next_goes_on(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    seen: dict[str, Any] = {"worked_s": 1.0, "requests": requests(1), "telemetry": {}}
    journal.save(run, **seen, ended=True, exit_code=75, message="the deadline has come")
    found = unfinished(place.open())
    assert (found.exit_code, found.message, found.finished) == (75, "the deadline has come", False)
    journal = place.open()
    journal.resume(unfinished(journal))
    assert (unfinished(place.open()).exit_code, unfinished(place.open()).message) == (None, "")


def test_old_runs_are_forgotten_but_for_the_latest_and_those_that_somebody_needs(place: Place) -> None:
    journal = place.open()
    rejecting, replaying = new_run(1), new_run(2, kind="replay")
    journal.begin(rejecting)
    record(journal, rejecting, result(0, "a", failed=["a"]))
    others = [new_run(number) for number in range(3, 3 + RUNS_KEPT_MIN + 3)]
    for run in others:
        journal.begin(run)
        record(journal, run, result(0, "b", refused=1))
        journal.save(run, finished=True, worked_s=1.0, requests=requests(1), telemetry={})
    journal.begin(replaying)  # and never finished
    assert journal.forget_old_runs(others[2].started_at) == []
    journal = place.open()
    known = [run for run in (rejecting, replaying, *others) if journal.undelivered_by(run.id) is not None]
    assert known == [rejecting, replaying, *others[2:]]  # none that began later, and
    assert journal.forget_old_runs("2027") == []
    known = [run for run in (rejecting, replaying, *others) if journal.undelivered_by(run.id) is not None]
    assert known == [rejecting, replaying, *others[1 - RUNS_KEPT_MIN :]]  # none of the latest
    assert journal.counts(others[-1]) == ChunkCounts(read=3, invalid=1, superseded=1, updated=1)
    assert waiting(journal, rejecting, "a") == ["a"]


# Reject lines first, then everything else at once.


def test_two_results_of_one_chunk_are_a_bug_that_changes_nothing(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a"))
    before = journal.counts(run)
    with pytest.raises(StateFailed):
        record(journal, run, result(1, "b", failed=["b"]), result(0, "a"))
    assert journal.counts(run) == before
    assert journal.reasons(run) == []
    assert waiting(journal, run, "b") == []
    assert unfinished(journal).done.keys() == {0}


def test_reject_lines_are_written_before_the_commit_and_do_not_count_without_it(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    before, committed = journal.counts(run), place.rejects(run.id)
    place.fail("commit")
    with pytest.raises(StateFailed):
        record(journal, run, result(1, "b", failed=["b"]))
    assert ids_in(place.rejects(run.id)) == ["a", "b"]
    assert (journal.counts(run), run.rejected_bytes) == (before, len(committed))

    journal = place.open()
    found = unfinished(journal)
    assert found.done.keys() == {0}
    assert waiting(journal, run, "a", "b") == ["a"]
    journal.resume(found)
    assert place.rejects(run.id) == committed


def test_without_the_reject_lines_nothing_is_committed(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    place.fail("rejects")
    with pytest.raises(StateFailed):
        record(journal, run, result(0, "a", failed=["a"]))
    journal = place.open()
    found = unfinished(journal)
    assert (found.done, journal.counts(found), journal.reasons(found)) == ({}, ChunkCounts(), [])
    assert waiting(journal, run, "a") == []


def test_lines_without_a_commit_give_way_to_the_next_ones(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    with pytest.raises(StateFailed):
        record(journal, run, result(0, "b", "c", failed=["b", "c"]))
    record(journal, run, result(1, "d", failed=["d"]))
    assert ids_in(place.rejects(run.id)) == ["a", "d"]
    assert run.rejected_bytes == len(place.rejects(run.id))


def test_reject_lines_that_were_never_committed_are_cut_off(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    committed = place.rejects(run.id)
    place.set_rejects(run.id, committed + b'{"id":"torn","da')

    journal = place.open()
    found = unfinished(journal)
    journal.resume(found)
    assert place.rejects(run.id) == committed
    record(journal, found, result(1, "b", failed=["b"]))
    assert ids_in(place.rejects(run.id)) == ["a", "b"]


@pytest.mark.parametrize("lost", [1, None])
def test_a_reject_file_that_lost_lines_is_damage(place: Place, lost: int | None) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", failed=["a"]))
    place.set_rejects(run.id, place.rejects(run.id)[:-lost] if lost else b"")
    journal = place.open()
    found = unfinished(journal)
    with pytest.raises(StateFailed, match=r"rejected\.ndjson"):
        journal.resume(found)


def test_the_sums_are_those_of_the_results(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    results = [result(seq, f"a{seq}", f"b{seq}", failed=[f"a{seq}"][: seq % 2], refused=seq) for seq in range(4)]
    record(journal, run, *results[:3])
    record(journal, run, *results[3:])
    journal.counts(run).check()
    assert journal.counts(run) == sum((each.counts for each in results), ChunkCounts())


# What was not delivered, and waits.


def waiting(journal: Journal, run: Run, *ids: str) -> list[str]:
    found = journal.undelivered_by(run.id)
    assert found is not None
    return [id_ for id_ in ids if (run.campaign_id, id_digest(id_)) in found.first]


def test_what_could_not_be_delivered_waits_until_a_later_run_reads_it_again(place: Place) -> None:
    journal, first, second = place.open(), new_run(1), new_run(2)
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


def test_what_the_same_run_delivers_later_waits_no_more_also_over_a_crash(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", "b", "c", failed=["a", "b", "c"]))
    record(journal, run, result(1, "a"))
    assert waiting(journal, run, "a", "b", "c") == ["b", "c"]
    journal = place.open()
    found = unfinished(journal)
    journal.resume(found)
    record(journal, found, result(2, "b"), result(3, "c", failed=["c"]))
    assert waiting(journal, run, "a", "b", "c") == ["c"]


def test_only_lines_after_the_latest_delivered_version_count(place: Place) -> None:
    journal, run = place.open(), new_run()
    journal.begin(run)
    record(journal, run, result(0, "a", "b", failed=["a", "b"]))
    length = run.rejected_bytes
    record(journal, run, result(1, "a"))
    record(journal, run, result(2, "a", "b", failed=["a", "b"]))
    found = journal.undelivered_by(run.id)
    assert found is not None
    assert found.first == {("camp", id_digest("a")): length, ("camp", id_digest("b")): 0}
    assert found.file_bytes == run.rejected_bytes


def test_what_stands_for_an_id_is_the_same_in_every_version() -> None:
    """Else what waits in a database would be forgotten by the next version."""
    assert id_digest("кредит-7").hex() == "c113350b79d38588f2d6efcf0b2a7c19"


def test_campaigns_do_not_mix(place: Place) -> None:
    journal, one, other = place.open(), new_run(1, campaign_id="one"), new_run(2, campaign_id="other")
    journal.begin(one)
    record(journal, one, result(0, "a", failed=["a"]))
    journal.begin(other)
    record(journal, other, result(0, "a"))
    assert waiting(journal, one, "a") == ["a"]
    assert journal.latest_run_to_replay("one") == "run-1"
    assert journal.latest_run_to_replay("other") == "run-2"
    assert journal.latest_run_to_replay("third") is None
    assert journal.undelivered_by("no such run") is None


def test_what_was_learned_is_kept(place: Place) -> None:
    journal = place.open()
    assert journal.learned("pacing") is None
    journal.learn("pacing", {"rate": 7.5})
    journal.learn("pacing", {"rate": 8.5})
    assert place.open().learned("pacing") == {"rate": 8.5}


# The same to everybody: random histories, told by both.


@pytest.mark.parametrize("seed", range(10))
def test_both_tell_the_same_history(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = OnDisk(tmp_path, monkeypatch)
    try:
        assert history(real, Random(seed)) == history(InMemory(), Random(seed))
    finally:
        real.close()


def history(place: Place, dice: Random) -> list[object]:
    """Let runs begin, go on, fail and end, and return all that can be asked after each step."""
    journal, run, seq, told = place.open(), new_run(0), 0, list[object]()
    journal.begin(run)
    for number in range(1, 60):
        match dice.choice(["begin", "crash", "finish", "fail", "record", "record", "record", "record"]):
            case "begin":
                run, seq = new_run(number, campaign_id=dice.choice(["camp", "other"])), 0
                journal.begin(run)
            case "crash":
                journal = place.open()
                left = journal.unfinished_run("sync")
                run = left or new_run(number)
                (journal.resume if left else journal.begin)(run)
                seq = max(run.done, default=-1) + 1
            case "finish":
                journal.save(run, finished=dice.random() < 0.5, worked_s=9.0, requests=requests(9), telemetry={})
            case "fail" if seq:
                with pytest.raises(StateFailed):
                    record(journal, run, a_result(dice, seq), a_result(dice, 0))
            case _:
                record(journal, run, a_result(dice, seq))
                seq += 1
        told += [journal.unfinished_run("sync"), journal.counts(run), journal.reasons(run), place.rejects(run.id)]
        told += [(journal.latest_run_to_replay(name), journal.undelivered_by(run.id)) for name in ("camp", "other")]
    return told


def a_result(dice: Random, seq: int) -> ChunkResult:
    ids = dice.sample("abcdefghij", dice.randint(1, 4))
    failed = [each for each in ids if dice.random() < 0.3]
    return result(seq, *ids, failed=failed, refused=dice.choice([0, 0, 1]), reason=dice.choice(["locked", "gone"]))
