"""Guards: too many rejects, too few records, too much of a shrink; each says the figure and the way to override it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.report.report import Report, RunStatus, to_json
from engine.run.guards import REJECTS_JUDGED_FROM, check_size, rejects_exceeded
from engine.sources.stored.fingerprint import FileFingerprint
from engine.values.counts import RecordCounts
from engine.values.errors import ExitCode, SourceUntrusted
from engine.values.records import Block, Place, Refusal
from tests.run.runs import settings_of


def counts(updated: int, rejected: int, unknown: int = 0) -> RecordCounts:
    return RecordCounts(updated=updated, rejected=rejected, unknown=unknown)


@pytest.mark.parametrize(
    ("limit", "updated", "rejected", "unknown", "expected", "stops"),
    [
        ("5%", 95, 5, 0, None, False),
        ("5%", 94, 6, 0, None, True),
        ("5%", 94, 3, 3, None, True),  # what is unknown counts, too
        ("5%", 0, 0, 0, None, False),
        ("0", 1_000_000, 1, 0, 1_000_000, True),
        ("10", 90, 10, 0, None, False),
        ("10", 0, 11, 0, 1_000_000, True),  # a count is a count from the first record on
        ("100%", 0, 1_000, 0, None, False),
        ("0%", 1_000, 1, 0, 1_000, True),
        # A share of a large portfolio is not judged by its first records,
        ("5%", 0, 4_000, 0, 1_000_000, False),
        ("5%", 0, 5_001, 0, 1_000_000, True),
        # a share of a small one by the whole of it.
        ("5%", 10, 5, 0, 100, False),
        ("5%", 10, 6, 0, 100, True),
        ("5%", 1_000_000, 50_000, 0, 1_000_000, False),
        ("5%", 1_000_000, 60_000, 0, 1_000_000, True),
    ],
)
def test_too_many_rejects(
    limit: str, updated: int, rejected: int, unknown: int, expected: int | None, stops: bool
) -> None:
    settings = settings_of(Path("state"), guard={"max_rejected": limit})
    tripped = rejects_exceeded(counts(updated, rejected, unknown), settings, expected)
    assert (tripped is not None) == stops


def test_rejects_say_how_many_and_how_to_go_on() -> None:
    settings = settings_of(Path("state"), guard={"max_rejected": "5%"})
    tripped = rejects_exceeded(counts(REJECTS_JUDGED_FROM, 9_000, 1_000), settings, None)
    assert tripped is not None
    assert tripped.exit_code == ExitCode.SOURCE_UNTRUSTED
    for part in ("10,000 of 110,000", "guard.max_rejected (5%)", "ENGINE_GUARD__MAX_REJECTED=100%", "rejected.ndjson"):
        assert part in str(tripped)


@dataclass
class Records:
    """A source of some records, one of them refused."""

    count: int
    label: str = "portfolio.csv"
    paths: tuple[str, ...] = ("portfolio.csv",)

    def size(self) -> int | None:
        return None

    def fingerprint(self) -> dict[str, FileFingerprint]:
        return {}

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
    state: Path, count: int, *, least: int | None = None, shrink: str | None = None, limit: int | None = None
) -> None:
    guard = {name: value for name, value in (("min_records", least), ("max_shrink", shrink)) if value is not None}
    check_size(Records(count), settings_of(state, guard=guard), limit)


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
