"""The database of a state directory: durable at each commit, all or nothing, and errors that name its file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.state.database import Database
from engine.state.private_files import make_private_dir
from engine.state.state_dir import DATABASE, RUNS
from engine.values.errors import StateFailed

LEARN = "INSERT INTO learned (name, value) VALUES (?, ?)"
LEARNED = "SELECT name, value FROM learned ORDER BY name"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    make_private_dir(tmp_path / RUNS)
    with closing(Database(tmp_path)) as opened:
        yield opened


def test_a_commit_that_returned_is_on_the_disk(db: Database) -> None:
    full = 2  # https://www.sqlite.org/pragma.html#pragma_synchronous
    assert tuple(db.row("PRAGMA synchronous")) == (full,)
    assert tuple(db.row("PRAGMA journal_mode")) == ("wal",)


def test_nobody_else_can_open_it_while_it_is_open(db: Database, tmp_path: Path) -> None:
    with pytest.raises(StateFailed, match=rf"{DATABASE}: the state can't be used \(database is locked\)"):
        Database(tmp_path)


def test_rows_come_by_name_and_in_order(db: Database) -> None:
    with db.transaction():
        db.change(LEARN, [("a", "1"), ("b", "2")])
    assert [tuple(row) for row in db.rows(LEARNED)] == [("a", "1"), ("b", "2")]
    assert db.row(LEARNED)["value"] == "1"
    assert db.row("SELECT name FROM learned WHERE value = ?", ("3",)) is None


def test_a_block_that_raises_changes_nothing_and_the_next_one_may_begin(db: Database) -> None:
    def fail_halfway() -> None:
        with db.transaction():
            db.change(LEARN, [("a", "1")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert db.rows(LEARNED) == []
    with db.transaction():
        db.change(LEARN, [("b", "2")])
    assert [row["name"] for row in db.rows(LEARNED)] == ["b"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda db: db.rows("SELECT * FROM nowhere"),
        lambda db: db.row("SELECT * FROM nowhere"),
        lambda db: db.change("DELETE FROM nowhere WHERE name = ?", [("a",)]),
        lambda db: db.transaction().__enter__(),
    ],
    ids=["rows", "row", "change", "transaction"],
)
def test_what_fails_names_the_file(db: Database, ask: Callable[[Database], object], tmp_path: Path) -> None:
    with db.transaction(), pytest.raises(StateFailed, match=rf"^{tmp_path / DATABASE}: the state can't be used"):
        ask(db)


async def test_threads_may_use_it_one_after_another(db: Database) -> None:
    assert await asyncio.to_thread(db.rows, LEARNED) == []
