"""The list of who is gone: one line each, also of those who have moved, and of those who were told before a crash."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.run.gone_file import GoneId, gone_lines, told_before


def test_each_has_a_line_with_what_became_of_it() -> None:
    listed = [GoneId("a", "run_1", True), GoneId("b", "run_1", False), GoneId("m", "run_2", True)]
    moved = {"m": ("run_2", "camp_b"), "n": ("run_1", "camp_c")}
    outcomes = {"a": ("updated", ""), "b": ("rejected", "no such loan")}
    before = {"x": b'{"id":"x","campaign_id":"camp_a","last_run":"run_0"}', "a": b"{}", "n": b"{}"}
    lines = [orjson.loads(line) for line in gone_lines("camp_a", listed, moved, outcomes, before)]
    its = {"campaign_id": "camp_a"}
    assert lines == [
        {"id": "x", **its, "last_run": "run_0", "outcome": "updated", "reason": None},
        {"id": "a", **its, "last_run": "run_1", "outcome": "updated", "reason": None},
        {"id": "b", **its, "last_run": "run_1", "outcome": "rejected", "reason": "no such loan"},
        {"id": "m", **its, "last_run": "run_2", "moved_to": "camp_b"},
        {"id": "n", **its, "last_run": "run_1", "moved_to": "camp_c"},
    ]


def test_the_same_id_of_two_campaigns_is_two(tmp_path: Path) -> None:
    path = tmp_path / "gone.ndjson"
    assert told_before(path) == {}
    lines = [b'{"id":"a","campaign_id":"camp_a","last_run":null}', b'{"id":"a","campaign_id":"camp_b","last_run":null}']
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert told_before(path) == {("camp_a", "a"): lines[0], ("camp_b", "a"): lines[1]}
