"""Guards: too many rejects, too few records, too much of a shrink; each says the figure and the way to override it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.report.report import Report, RunStatus, to_json
from engine.run.guards import REJECTS_JUDGED_FROM, GuardWords, InvalidGuard, check_age, check_size, rejects_exceeded
from engine.settings.tables import GuardTable
from engine.values import Block, Chunk, Place, Refusal
from engine.values.counts import RecordCounts
from engine.values.errors import ExitCode, SourceUntrusted
from tests.fakes import chunk_of
from tests.run.runs import settings_of

SYNC = GuardWords("sync", "my night.toml")


def guard(**keys: object) -> GuardTable:
    return settings_of(Path("state"), guard=keys).guard


def counts(updated: int, rejected: int, unknown: int = 0) -> RecordCounts:
    return RecordCounts(updated=updated, rejected=rejected, unknown=unknown)


@pytest.mark.parametrize(
    ("limit", "updated", "rejected", "unknown", "expected", "stops"),
    [
        ("5%", 190, 10, 0, None, False),
        ("5%", 189, 11, 0, None, True),
        ("5%", 189, 5, 6, None, True),  # what is unknown counts, too
        ("5%", 0, 0, 0, None, False),
        ("0", 1_000_000, 1, 0, 1_000_000, True),
        ("10", 90, 10, 0, None, False),
        ("10", 0, 11, 0, 1_000_000, True),  # a count is a count from the first record on
        ("100%", 0, 1_000, 0, None, False),
        ("0%", 1_000, 9, 0, 1_000, False),  # fewer than ten are no share
        ("0%", 1_000, 10, 0, 1_000, True),
        ("5%", 9, 1, 0, None, False),
        # A share of a large portfolio is not judged by its first records,
        ("5%", 0, 4_000, 0, 1_000_000, False),
        ("5%", 0, 5_001, 0, 1_000_000, True),
        # a share of a small one by the whole of it.
        ("5%", 10, 10, 0, 200, False),
        ("5%", 10, 11, 0, 200, True),
        ("5%", 1_000_000, 50_000, 0, 1_000_000, False),
        ("5%", 1_000_000, 60_000, 0, 1_000_000, True),
    ],
)
def test_too_many_rejects(
    limit: str, updated: int, rejected: int, unknown: int, expected: int | None, stops: bool
) -> None:
    tripped = rejects_exceeded(counts(updated, rejected, unknown), guard(max_rejected=limit), expected, SYNC)
    assert (tripped is not None) == stops


def test_rejects_say_how_many_and_how_to_go_on() -> None:
    tripped = rejects_exceeded(counts(REJECTS_JUDGED_FROM, 9_000, 1_000), guard(max_rejected="5%"), None, SYNC)
    assert tripped is not None
    assert tripped.exit_code == ExitCode.SOURCE_UNTRUSTED
    for part in ("10,000 of 110,000", "guard.max_rejected (5%)", "ENGINE_GUARD__MAX_REJECTED=100%", "rejected.ndjson"):
        assert part in str(tripped)


def test_a_push_is_told_of_its_arguments() -> None:
    tripped = rejects_exceeded(counts(0, 10), guard(), None, GuardWords("push"))
    assert str(tripped) == (
        "the API did not accept 10 of 10 records, more than max_rejected (5%) allows; look at rejected.ndjson, then "
        "call push again to go on, with a higher limit for this run: max_rejected='100%'"
    )


# Invalid records.


def invalid(count: int, valid: int = 0, reason: str = "not a date") -> Chunk:
    chunk = chunk_of(*map(str, range(valid)))
    chunk.refusals = [Refusal(reason, Place("f", row), raw="") for row in range(1, count + 1)]
    return chunk


def passed(limit: str, *chunks: Chunk) -> int:
    """How many of the chunks pass the guard."""
    left = iter(chunks)
    with suppress(SourceUntrusted):
        for _ in InvalidGuard(guard(max_invalid=limit).max_invalid, SYNC).inspected(left):
            pass
        return len(chunks)
    return len(chunks) - 1 - len(list(left))


@pytest.mark.parametrize(
    ("limit", "chunks", "passes"),
    [
        ("5%", [invalid(1_000), invalid(1_000)], 0),
        ("5%", [invalid(0, 9_500), invalid(500), invalid(1)], 2),  # exactly the limit is not above it
        ("5%", [invalid(999), invalid(1)], 1),  # too few to judge them yet
        ("5%", [invalid(60, 940)], 0),
        ("5%", [invalid(60, 939)], 1),
        ("0%", [invalid(9, 10_000), invalid(1)], 1),
        ("10", [invalid(10, 10_000), invalid(1)], 1),
        ("100%", [invalid(1_000)] * 3, 3),
    ],
)
def test_too_many_invalid_records_do_not_pass(limit: str, chunks: list[Chunk], passes: int) -> None:
    assert passed(limit, *chunks) == passes


def test_invalid_records_say_how_many_why_and_how_to_go_on() -> None:
    judge = InvalidGuard(guard().max_invalid, SYNC)
    assert judge.exceeded() is None
    list(judge.inspected([invalid(20, 470), invalid(10, 0, "id is empty")]))
    tripped = judge.exceeded()
    assert tripped is not None
    assert tripped.exit_code == ExitCode.SOURCE_UNTRUSTED
    assert str(tripped) == (
        "30 of the 500 records read are invalid, more than guard.max_invalid (5%) allows; 20 of them: not a date; mend "
        "the source or how it is read (python -m engine check -c 'my night.toml' shows where), or accept it for this "
        "run: ENGINE_GUARD__MAX_INVALID=100%"
    )


def test_a_command_that_shows_more_is_named_only_where_there_is_another_one() -> None:
    assert GuardWords("sync").check_shows("where") == "", "check itself, or a library"
    assert GuardWords("push", "config.toml").check_shows("where") == ""


# The size of the source.


@dataclass
class Records:
    """A source of some records, one of them refused."""

    count: int
    label: str = "portfolio.csv"
    paths: tuple[str, ...] = ("portfolio.csv",)
    modified: float | None = None

    def size(self) -> int | None:
        return None

    def sizes(self) -> dict[str, int]:
        return {}

    def digests(self) -> dict[str, str]:
        return {}

    def modified_at(self) -> float | None:
        return self.modified

    def blocks(self) -> Iterator[Block]:
        yield Block(["a"] * (self.count - 1), b"", [], [Refusal("bad", Place("f", 1))] if self.count else [])


def night(
    state: Path,
    number: int,
    read: int,
    status: RunStatus = RunStatus.SUCCEEDED,
    kind: str = "sync",
    limit: int | None = None,
) -> None:
    """Leave the report of a night behind."""
    run_dir = state / "runs" / f"2026112{number}T020000Z-000000"
    run_dir.mkdir(parents=True)
    records = RecordCounts(read=read)
    report = Report(run_id=run_dir.name, status=status, exit_code=0, kind=kind, limit=limit, records=records)
    (run_dir / "report.json").write_bytes(to_json(report))


def check(
    state: Path,
    count: int,
    *,
    least: int | None = None,
    shrink: str | None = None,
    limit: int | None = None,
    kind: str = "sync",
) -> None:
    guard = {name: value for name, value in (("min_records", least), ("max_shrink", shrink)) if value is not None}
    check_size(Records(count), settings_of(state, guard=guard), kind, limit)


def test_too_few_records(tmp_path: Path) -> None:
    check(tmp_path, 100, least=100)
    with pytest.raises(SourceUntrusted, match=r"99 records.*\(100\).*ENGINE_GUARD__MIN_RECORDS=99"):
        check(tmp_path, 99, least=100)


def test_too_much_of_a_shrink_against_the_last_complete_run(tmp_path: Path) -> None:
    check(tmp_path, 1, shrink="50%")  # the first night
    night(tmp_path, 1, 500)
    night(tmp_path, 2, 1_000, RunStatus.PARTIAL)
    night(tmp_path, 3, 10, RunStatus.INTERRUPTED)
    night(tmp_path, 4, 10, RunStatus.FAILED)
    night(tmp_path, 5, 10, kind="replay")
    night(tmp_path, 6, 10, limit=10)
    (tmp_path / "runs" / "20261127T020000Z-000000").mkdir()
    (tmp_path / "runs" / "20261127T020000Z-000000" / "report.json").write_bytes(b"{torn")
    check(tmp_path, 500, shrink="50%")
    check(tmp_path, 5_000, shrink="50%")
    with pytest.raises(SourceUntrusted, match=r"499 records.*read 1,000.*50%.*ENGINE_GUARD__MAX_SHRINK=100%"):
        check(tmp_path, 499, shrink="50%")
    check(tmp_path, 10, shrink="50%", limit=10)  # --limit is meant
    check(tmp_path, 1, shrink="100%")


def test_nine_records_less_are_no_shrink(tmp_path: Path) -> None:
    night(tmp_path, 1, 10)
    check(tmp_path, 1, shrink="5%")


def test_a_push_is_compared_with_pushes(tmp_path: Path) -> None:
    night(tmp_path, 1, 1_000)
    check(tmp_path, 10, shrink="50%", kind="push")
    night(tmp_path, 2, 100, kind="push")
    with pytest.raises(SourceUntrusted, match=r"10 records.*read 100.*max_shrink='100%'"):
        check(tmp_path, 10, shrink="50%", kind="push")


def check_age_of(state: Path, hours: float | None, max_age: str | None) -> None:
    settings = settings_of(state, guard={"max_age": max_age} if max_age else {})
    check_age(Records(1, modified=None if hours is None else time.time() - hours * 3600), settings)


def test_a_source_that_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(SourceUntrusted) as caught:
        check_age_of(tmp_path, 26, "20h")
    for part in ("nothing was sent", "portfolio.csv", "26.0 hours ago", "allows 20.0", "ENGINE_GUARD__MAX_AGE=28h"):
        assert part in str(caught.value)
    check_age_of(tmp_path, 26, "28h")  # as it says itself


@pytest.mark.parametrize(("hours", "max_age"), [(19, "20h"), (-1, "20h"), (None, "20h"), (1000, None)])
def test_a_source_that_is_new_enough_or_has_no_age(tmp_path: Path, hours: float | None, max_age: str | None) -> None:
    check_age_of(tmp_path, hours, max_age)
