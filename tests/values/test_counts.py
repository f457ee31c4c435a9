"""The accounts: they add up, they balance, and nobody else names the states of a record."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from engine.state.migrations import FORMAT
from engine.values import Chunk, ChunkResult, Failure, JoinedLines, Outcome, Place, Refusal, Span
from engine.values.counts import NOT_ACCEPTED, STATE_MEANINGS, ChunkCounts, RecordCounts
from engine.values.errors import AccountsDoNotBalance

ROOT = Path(__file__).parent.parent.parent


def test_counts_add_up() -> None:
    parts = [ChunkCounts(read=3, updated=2, invalid=1), ChunkCounts(read=4, unchanged=4), ChunkCounts()]
    assert sum(parts, ChunkCounts()) == ChunkCounts(read=7, updated=2, invalid=1, unchanged=4)
    assert RecordCounts(read=1, pending=1) + RecordCounts(read=1, updated=1) == RecordCounts(2, updated=1, pending=1)


@pytest.mark.parametrize("state", RecordCounts().states)
def test_each_state_is_in_the_equation(state: str) -> None:
    RecordCounts(**{"read": 7, state: 7}).check()
    with pytest.raises(AccountsDoNotBalance, match=f"read 7 is not .*{state} 8.* a bug"):
        RecordCounts(**{"read": 7, state: 8}).check()
    other = "invalid" if state == "updated" else "updated"
    with pytest.raises(AccountsDoNotBalance):
        RecordCounts(**{"read": 0, state: -1, other: 1}).check()


def test_what_is_pending_was_read() -> None:
    counts = RecordCounts.of(ChunkCounts(read=5, updated=3, superseded=2), pending=4)
    assert counts == RecordCounts(read=9, updated=3, superseded=2, pending=4)
    counts.check()


def test_a_result_counts_every_record_that_its_chunk_accounts_for() -> None:
    refusals = [Refusal("not valid JSON", Place("f", row), raw="?") for row in (4, 5)]
    chunk = Chunk(0, ["a", "b", "c", "d"], JoinedLines(b""), [Span("f", 1, 4)], refusals, superseded=3)
    failures = [Failure(0, Outcome.REJECTED, "locked"), Failure(2, Outcome.UNKNOWN, "HTTP 500")]
    counts = ChunkResult(chunk, failures).counts
    assert counts == ChunkCounts(read=9, invalid=2, superseded=3, updated=2, rejected=1, unknown=1)
    counts.check()
    assert (counts.sent, counts.not_accepted) == (4, 4)


def test_the_reject_file_holds_what_is_not_accepted() -> None:
    assert set(NOT_ACCEPTED) == set(Outcome)


def test_reports_and_people_are_told_in_the_order_that_was_promised() -> None:
    """The order of `report.json` is that of the contract; people read first what went well."""
    contract = ["invalid", "superseded", "unchanged", "updated", "rejected", "unknown", "pending"]
    assert [f.name for f in fields(RecordCounts)] == ["read", "filtered", *contract]
    assert list(RecordCounts().states) == contract
    told = ["updated", "unchanged", "superseded", "invalid", "rejected", "unknown", "pending"]
    assert list(STATE_MEANINGS) == told


# Nobody else names them.

ONE_BY_ONE_MAX = 3
"""A function may deal with a few states by name. With more of them it is a list, which somebody forgets to extend."""


def test_no_other_file_spells_the_list() -> None:
    states = set(RecordCounts().states)
    for path in sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]):
        if path.name == "counts.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.Assign | ast.List | ast.Tuple | ast.Dict | ast.Set):
                spelled = states & set(_names_in(node))
                assert len(spelled) <= ONE_BY_ONE_MAX, f"{path.relative_to(ROOT)}:{node.lineno} spells {spelled}"


def _names_in(node: ast.AST) -> list[str]:
    """Return the names that stand in a piece of code, as text, keyword or attribute."""
    found = []
    for each in ast.walk(node):
        match each:
            case ast.Constant(value=str(name)) | ast.keyword(arg=str(name)) | ast.Attribute(attr=name):
                found.append(name)
    return found


A_NEW_STATE = '    held: int = _state("kept for tomorrow", told=3, accepted=False)\n'
ITS_COLUMN = f'    {FORMAT + 1}: "ALTER TABLE chunk ADD COLUMN held INTEGER NOT NULL DEFAULT 0;",\n'

TELL_OF_IT = """
import json, sys
from pathlib import Path
from engine.outlets.health_check import short_summary
from engine.outlets.prometheus import MetricValues, render_metrics
from engine.report import Report, RunStatus, from_json, render_summary, to_json
from engine.report.page import render_page
from engine.state import Run, SqliteJournal
from engine.values import Chunk, ChunkCounts, ChunkResult, JoinedLines, RecordCounts, RequestCounts

class Held(ChunkResult):
    counts = ChunkCounts(read=5, updated=2, held=3)

journal, run = SqliteJournal(Path(sys.argv[1])), Run("run-1", "sync", "camp", "", {})
journal.begin(run)
journal.record(run, [Held(Chunk(0, [], JoinedLines(b""), []))], 0.0, RequestCounts())
counts = RecordCounts.of(journal.counts(run), pending=0)
counts.check()
assert counts == RecordCounts(read=5, updated=2, held=3), counts
assert counts.not_accepted == 3

report = Report(run_id="run-1", status=RunStatus.PARTIAL, exit_code=3, records=counts)
assert json.loads(to_json(report))["records"]["held"] == 3
assert from_json(to_json(report)) == report
assert "held        3  kept for tomorrow" in render_summary(report, run_dir=Path("."), config_path="")
assert "3 of 5 records were not accepted" in short_summary(report)
assert "read 5, updated 2, held 3" in short_summary(report)
page = render_page(report)
assert "</span>held</th><td class=num>3</td>" in page and "kept for tomorrow" in page
assert "invalid, held, rejected or unknown" in page or "invalid, rejected, unknown or held" in page
metrics = render_metrics(MetricValues(campaign_id="c", records=counts, requests=RequestCounts(), duration_s=1.0))
assert 'outcome="held"} 3' in metrics
"""


def test_a_new_state_is_one_line_and_a_column(tmp_path: Path) -> None:
    """In a copy of the package: one line in `ChunkCounts`, and the migration that it asks for."""
    shutil.copytree(ROOT / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    _insert(tmp_path / "engine/values/counts.py", A_NEW_STATE, before="\n    def __add__(self, other: Self)")
    _insert(tmp_path / "engine/state/migrations.py", ITS_COLUMN, before="}\n\nFORMAT")
    told = subprocess.run(
        [sys.executable, "-c", TELL_OF_IT, str(tmp_path / "state")], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr


def _insert(path: Path, line: str, *, before: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, line + before), encoding="utf-8")
