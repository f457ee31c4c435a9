"""The window in which a run may be started again before its deadline."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest

from engine.commands.service.facts import Facts


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        (time(2, 0), time(6, 30), ["0200", "0459", "0629"], ["0159", "0630", "0831", "1200"]),
        (time(22, 0), time(6, 30), ["2200", "2359", "0000", "0629"], ["0630", "1200", "2159"]),
    ],
)
def test_the_window_before_the_deadline(
    facts: Facts, tmp_path: Path, begin: time, end: time, inside: list[str], outside: list[str]
) -> None:
    test = replace(facts, start_at=begin, deadline=end).window_test
    assert test
    date = tmp_path / "date"  # stands in for date(1), so that the test runs at any hour
    for clock, expected in [(c, 0) for c in inside] + [(c, 1) for c in outside]:
        date.write_text(f"#!/bin/sh\necho {clock}\n", encoding="utf-8")
        date.chmod(0o755)
        result = subprocess.run(["/bin/sh", "-c", test], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False)
        assert result.returncode == expected, clock


def test_the_window_has_a_length(facts: Facts) -> None:
    assert facts.window_s is None
    assert replace(facts, deadline=time(6, 30)).window_s == 4.5 * 3600
    assert replace(facts, start_at=time(22, 0), deadline=time(6, 30)).window_s == 8.5 * 3600
