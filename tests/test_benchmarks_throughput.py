"""The contest of the engine with others: who takes part, what is counted, what the tables say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import engine_runs, results
from benchmarks.__main__ import main
from benchmarks.contests import ENGINE, PURE_ENGINE, Contest, Contestant, print_contests
from benchmarks.measure import Measured
from benchmarks.peers.catalog import USUAL
from engine.sources.ndjson import acceleration

TAKES = ("throughput", "--records", "20", "--runs", "1")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go, and where inputs are kept, for the time of one test."""
    monkeypatch.setattr(results, "DIRECTORY", tmp_path / "results")
    monkeypatch.setattr("benchmarks.inputs.tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path / "results"


def never() -> Measured:
    raise AssertionError("nobody runs here")


def contest(kind: str, kept: int = 1_000_000, **clients: tuple[float, int, int]) -> Contest:
    """Return one that is over: for each client, the seconds it took, what it delivered, and its exit code."""
    labels = {"engine": ENGINE, "pure": PURE_ENGINE, "script": USUAL.label}
    contestants = [
        Contestant(labels[name], never, [Measured(wall_s, wall_s * 1.5, 100.0, exit_code, "", "")], [delivered])
        for name, (wall_s, delivered, exit_code) in clients.items()
    ]
    return Contest(kind, 1_000_000, kept, contestants)


def test_each_client_gets_a_row_beside_the_usual_script(capsys: pytest.CaptureFixture[str]) -> None:
    print_contests([contest("ndjson", engine=(0.5, 1_000_000, 0), script=(2.0, 999_999, 0))])
    _, _, engine, script = [[cell.strip() for cell in line.split("|")] for line in printed(capsys)]
    assert engine[3:9] == ["2,000,000", "4.00", "0.75", "0.25", "100", "keeps accounts"]
    assert script[3:9] == ["500,000", "1.00", "3.00", "1.00", "100", "delivered 999,999 of 1,000,000"]


def test_several_kinds_of_the_engine_and_the_script_get_a_row_each(capsys: pytest.CaptureFixture[str]) -> None:
    print_contests(
        [
            contest("flat-gaps", engine=(0.5, 1_000_000, 0), pure=(1.0, 1_000_000, 0), script=(2.0, 1_000_000, 0)),
            contest("flat-where", 500_000, engine=(1.0, 500_000, 0), script=(1.0, 1_000_000, 0)),
            contest("csv", engine=(1.0, 1_000_000, 3), script=(1.0, 1_000_000, 0)),
        ]
    )
    header, _, gaps, where, _, *complaints = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in printed(capsys)
    ]
    assert header[1:6] == ["engine, M/s", "pure, M/s", "script, M/s", "engine × script", "pure × script"]
    assert gaps == ["flat: missing and extra keys", "2.00", "1.00", "0.50", "4.00", "2.00", "0.75", "1.50", "3.00"]
    assert where[1:6] == ["1.00", "–", "1.00", "1.00", "–"]
    assert complaints == [
        [f"flat: where (half of the rows): {USUAL.label} delivered 1,000,000 of 500,000"],
        ["CSV, all text: engine ended with exit code 3"],
    ]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line]


def test_what_is_delivered_is_compared_with_what_the_kind_lets_through(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TAKES, "--kinds", "flat-where,flat-integer-ids,csv", "--peers", "usual", "--pure"]) == 0
    assert "delivered" not in capsys.readouterr().out
    written = json.loads((directory / "throughput.json").read_text(encoding="utf-8"))["results"]["contestants"]
    assert {(one["kind"], one["client"], one["to_deliver"], *one["delivered"]) for one in written} == {
        ("flat-where", ENGINE, 10, 10),
        ("flat-where", PURE_ENGINE, 10, 10),
        ("flat-where", USUAL.label, 10, 10),
        ("flat-integer-ids", ENGINE, 20, 20),
        ("flat-integer-ids", PURE_ENGINE, 20, 20),
        ("flat-integer-ids", USUAL.label, 20, 20),
        ("csv", ENGINE, 20, 20),
        ("csv", USUAL.label, 20, 20),
    }


def test_pure_means_that_the_engine_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str | None] = []

    def look(_command: object, env: dict[str, str]) -> Measured:
        told.append(env.get("ENGINE_PURE"))
        return Measured(1.0, 1.0, 1.0, 0, "", "")

    monkeypatch.setattr(engine_runs, "measure", look)
    monkeypatch.setattr("benchmarks.throughput.measure", look)
    assert main([*TAKES, "--kinds", "ndjson", "--peers", "usual", "--pure"]) == 0
    assert told == [None, "1", None]


@pytest.mark.parametrize(("kind", "is_said"), [("ndjson", True), ("csv", False)])
def test_an_engine_without_its_accelerator_is_said_to_be_so(
    kind: str, is_said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(acceleration, "why_pure", "for this test")
    assert main([*TAKES, "--kinds", kind, "--peers", "none"]) == 0
    assert ("absent: the accelerator (for this test)" in capsys.readouterr().out) is is_said
