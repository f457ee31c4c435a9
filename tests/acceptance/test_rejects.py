"""What was not accepted, as people and programs find it the morning after."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import ndjson_line

MakeEngine = Callable[..., Engine]

REJECTED = ["LN-2", "LN-4"]
LINES = {f"LN-{number}": {"phone": f"098765432{number}", "note": "=1+1", "emi": 10.50} for number in range(1, 6)}


def prepared(engine: Engine, **state: bool) -> Engine:
    lines = [ndjson_line(record_id, data) for record_id, data in LINES.items()]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join([*lines, b'{"id":"LN-6"', b""]))
    engine.configure(
        source={"path": "loans.ndjson"}, guard={"max_rejected": "100%", "max_invalid": "100%"}, state=state
    )
    return engine


def run_dir(engine: Engine) -> Path:
    [only] = (engine.home / "engine-state" / "runs").iterdir()
    return only


def table_of(directory: Path) -> list[dict[str, str]]:
    with (directory / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_rejects_stand_in_a_table_for_spreadsheets(make_engine: MakeEngine) -> None:
    engine = prepared(make_engine(reject=REJECTED))
    done = engine.run("sync")
    assert done.exit_code == 3, done.err
    found = run_dir(engine)
    assert str(Path("engine-state", "runs", found.name, "rejected.csv")) in done.out
    rows = table_of(found)
    assert [(row["id"], row["outcome"], row["file"], row["row"]) for row in rows] == [
        ("", "invalid", "loans.ndjson", "6"),
        ("LN-2", "rejected", "loans.ndjson", "2"),
        ("LN-4", "rejected", "loans.ndjson", "4"),
    ]
    assert rows[0]["raw"] == '{"id":"LN-6"'
    assert [rows[1][name] for name in ("http_status", "phone", "note", "emi")] == [
        "200",
        '="0987654322"',
        "'=1+1",
        "10.5",
    ]
    assert rows[1]["reason"] == engine.rejects()[1]["reason"]
    assert stat.S_IMODE((found / "rejected.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize("how", ["the command", "the configuration"])
def test_without_data_it_is_said_which_and_why_but_not_what(how: str, make_engine: MakeEngine) -> None:
    engine = prepared(make_engine(reject=REJECTED), **({} if how == "the command" else {"reject_data": False}))
    done = engine.run("sync", *(["--no-data"] if how == "the command" else []))
    assert done.exit_code == 3, done.err
    assert "replay" not in done.out
    rejects = engine.rejects()
    assert [reject.get("id") for reject in rejects] == [None, "LN-2", "LN-4"]
    assert {*rejects[1]} == {"id", "outcome", "reason", "http_status", "source"}
    assert {*rejects[0]} == {"outcome", "reason", "http_status", "source"}
    assert [*table_of(run_dir(engine))[0]] == ["id", "outcome", "reason", "http_status", "file", "row"]
    left = b"".join(path.read_bytes() for path in (engine.home / "engine-state").rglob("*") if path.is_file())
    assert b"098765432" not in left
    refused = engine.run("replay")
    assert refused.exit_code == 2
    [line] = refused.err.strip().splitlines()
    assert "holds no record data (state.reject_data = false, or --no-data)" in line
    assert engine.run("status").exit_code == 0


def test_what_was_delivered_since_needs_no_data_to_be_replayed(make_engine: MakeEngine) -> None:
    engine = prepared(make_engine(reject=REJECTED))
    assert engine.run("sync", "--no-data").exit_code == 3
    first = run_dir(engine).name
    engine.server.change(reject=[])
    assert engine.run("sync").exit_code == 3  # one line is still torn
    replayed = engine.run("replay", first)
    assert "holds no record data" not in replayed.err
    assert replayed.exit_code == 0, replayed.err


def test_a_table_that_a_killed_process_left_out_is_made_by_the_next_one(make_engine: MakeEngine) -> None:
    engine = prepared(make_engine(reject=REJECTED))
    assert engine.run("sync").exit_code == 3
    found = run_dir(engine)
    before = (found / "rejected.csv").read_bytes()
    for name in ("rejected.csv", "report.json"):
        (found / name).unlink()
    assert engine.run("sync").exit_code == 3
    assert (found / "rejected.csv").read_bytes() == before
    assert orjson.loads((found / "report.json").read_bytes())["rejects_hold_data"] is True


def test_a_resumed_run_goes_on_with_the_table(make_engine: MakeEngine) -> None:
    engine = prepared(make_engine(reject=REJECTED, fault=["503:after=1"]))
    engine.configure(upload={"batch_size": 2, "concurrency": 1, "retry_window_s": 0.3})
    assert engine.run("sync").exit_code == 75
    found = run_dir(engine)
    assert [row["id"] for row in table_of(found)] == ["LN-2"]
    engine.server.change(fault=[])
    done = engine.sync("--no-data")
    assert (done.exit_code, done.report["resumes"], done.report["rejects_hold_data"]) == (3, 1, False)
    assert [(row["id"], row["emi"]) for row in table_of(found)] == [("LN-2", "10.5"), ("LN-4", ""), ("", "")]
    assert engine.run("replay").exit_code == 2
