from __future__ import annotations

from pathlib import Path

from engine.run.publishing import files_to_publish


def test_rejects_leave_only_if_that_is_wanted(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "r1"
    run_dir.mkdir(parents=True)
    for name in ("report.json", "report.html", "rejected.ndjson", "rejected.csv", "gone.ndjson"):
        (run_dir / name).write_bytes(b"x")
    (tmp_path / "index.html").write_bytes(b"x")
    told = {"runs/r1/report.json", "runs/r1/report.html", "index.html"}
    assert files_to_publish(tmp_path, run_dir, with_records=False).keys() == told
    rejects = {"runs/r1/rejected.ndjson", "runs/r1/rejected.csv", "runs/r1/gone.ndjson"}
    assert files_to_publish(tmp_path, run_dir, with_records=True).keys() == told | rejects


def test_what_is_not_there_is_not_copied(tmp_path: Path) -> None:
    assert files_to_publish(tmp_path, tmp_path / "runs" / "r1", with_records=True) == {}
