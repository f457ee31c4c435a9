"""Forgetting old runs on a real disk: links, files that cannot be deleted, and a crash at any step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.state.old_runs import DELETING, RUNS_KEPT_MIN
from engine.state.sqlite_journal import SqliteJournal
from tests.state.results import new_run, record, requests, result

LATER = "2027"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """A journal with three runs more than are kept."""
    journal = SqliteJournal(tmp_path / "state")
    for number in range(1, RUNS_KEPT_MIN + 4):
        run = new_run(number)
        journal.begin(run)
        record(journal, run, result(0, "a", refused=1))
        journal.save(run, finished=True, worked_s=1.0, requests=requests(0), telemetry={})
        (journal.run_dir(run.id) / "report.json").write_text("{}")
    yield journal
    journal.close()


def left(journal: SqliteJournal) -> list[str]:
    """The old runs of which there is still a directory or a row."""
    old = [new_run(number) for number in range(1, 4)]
    return [
        run.id
        for run in old
        if os.path.lexists(journal.run_dir(run.id))
        or journal.undelivered_by(run.id) is not None
        or journal.counts(run).read
        or journal.reasons(run)
    ]


def test_nothing_of_an_old_run_is_left(journal: SqliteJournal) -> None:
    assert journal.forget_old_runs(LATER) == []
    assert left(journal) == []
    assert len(list((journal.dir / "runs").iterdir())) == RUNS_KEPT_MIN
    assert not (journal.dir / DELETING).exists()
    assert journal.forget_old_runs(LATER) == []


def test_a_directory_that_is_gone_already_is_no_matter(journal: SqliteJournal) -> None:
    shutil.rmtree(journal.run_dir("run-1"))
    assert journal.forget_old_runs(LATER) == []
    assert left(journal) == []


def test_links_are_not_followed(journal: SqliteJournal, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("keep me")
    (journal.run_dir("run-1") / "link").symlink_to(elsewhere)
    shutil.rmtree(journal.run_dir("run-2"))
    journal.run_dir("run-2").symlink_to(elsewhere)
    [problem] = journal.forget_old_runs(LATER)
    assert problem.endswith("run-2: cannot be deleted: it is a symbolic link")
    assert left(journal) == ["run-2"]
    assert (elsewhere / "precious").read_text() == "keep me"


def test_what_cannot_be_deleted_is_said_and_the_others_go(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "run-1":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    [problem] = journal.forget_old_runs(LATER)
    assert problem.endswith("run-1: cannot be deleted: Permission denied")
    assert left(journal) == ["run-1"]


@pytest.mark.parametrize("steps", range(9))
def test_a_crash_at_any_step_leaves_whole_runs_and_the_next_time_goes_on(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    class Killed(BaseException):
        pass

    done = 0

    def counted(function: Callable[..., None]) -> Callable[..., None]:
        def step(*args: object) -> None:
            nonlocal done
            if done == steps:
                raise Killed
            done += 1
            function(*args)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
        patch.setattr(journal._db, "change", counted(journal._db.change))
        with pytest.raises(Killed):
            journal.forget_old_runs(LATER)
    for run_dir in (journal.dir / "runs").iterdir():
        assert (run_dir / "report.json").exists()
    assert journal.forget_old_runs(LATER) == []
    assert left(journal) == []
    assert not (journal.dir / DELETING).exists()
