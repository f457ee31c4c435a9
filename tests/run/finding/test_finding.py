"""What all that is known of an id comes to."""

from __future__ import annotations

from pathlib import Path

from engine.run.finding.finding import find
from engine.run.finding.found import Answer
from tests.run.finding.settings_of import settings_of


def test_without_a_run_the_source_alone_speaks(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("id,amount\na,1\nb,x\n", encoding="utf-8")
    settings = settings_of(tmp_path, {"path": str(path), "id": "id", "types": {"amount": "integer"}})
    found = find(settings, ["b", "c", "a"])
    assert [(each.id, each.answer) for each in found] == [
        ("b", Answer.NOT_ACCEPTED),
        ("c", Answer.UNKNOWN),
        ("a", Answer.NOT_SENT),
    ]
    assert found[2].notes == ["no run of this campaign that read the source is known"]


def test_what_was_not_looked_at_is_told(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, {"path": str(tmp_path / "loans.csv"), "id": "id"})
    assert find(settings, ["a"], reads_source=False)[0].notes == ["today's source was not read (--no-source)"]
