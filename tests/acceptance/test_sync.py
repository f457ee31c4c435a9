"""The main job, as a user runs it: real files in, real requests out, and the state on the server compared."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.engine_process import Engine, balanced
from tests.acceptance.portfolios import Portfolio, ndjson_line, portfolio, write_csv, write_ndjson, write_parquet

MakeEngine = Callable[..., Engine]

FORMATS: dict[str, Callable[[Path, Portfolio], None]] = {
    "loans.ndjson": write_ndjson,
    "loans.csv": write_csv,
    "loans.parquet": write_parquet,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_portfolio_arrives_whole_in_five_requests(name: str, make_engine: MakeEngine) -> None:
    engine, records = make_engine(), portfolio(45_000)
    FORMATS[name](engine.home / name, records)
    flat = {} if name == "loans.ndjson" else {"id": "loan_id"}
    typed = {"types": {"emi_amount": "integer"}} if name == "loans.csv" else {}
    engine.configure(source={"path": name, **flat, **typed})
    done = engine.sync()
    assert done.exit_code == 0, done.err
    assert done.records == {"read": 45_000, "updated": 45_000}
    assert done.report["requests"] == {"sent": 5, "succeeded": 5, "throttled": 0, "failed": 0, "split": 0}
    assert engine.server.state() == records


def test_chunks_fill_across_compressed_files(make_engine: MakeEngine) -> None:
    engine, records = make_engine(), portfolio(21_000)
    pairs = list(records.items())
    for part in range(3):
        lines = b"".join(ndjson_line(*pair) + b"\n" for pair in pairs[part * 7_000 : (part + 1) * 7_000])
        (engine.home / f"part{part}.ndjson.gz").write_bytes(gzip.compress(lines))
    engine.configure(source={"path": "part*.ndjson.gz"})
    done = engine.sync()
    assert (done.exit_code, done.report["requests"]["sent"]) == (0, 3)
    assert engine.server.state() == records


def test_standard_input(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.configure(source={"path": "-", "format": "ndjson"})
    done = engine.sync(stdin=ndjson_line("a", {"x": 1}) + b"\n" + ndjson_line("b", {"x": None}))
    assert (done.exit_code, done.records) == (0, {"read": 2, "updated": 2})
    assert engine.server.state() == {"a": {"x": 1}, "b": {"x": None}}


def test_csv_text_is_never_altered(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "loans.csv").write_text(
        "id,code,amount,phone,empty\n00123,1e5,007,+9198,\n00124, x ,1.10,,\n", encoding="utf-8"
    )
    engine.configure(source={"path": "loans.csv", "id": "id"})
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {
        "00123": {"code": "1e5", "amount": "007", "phone": "+9198"},
        "00124": {"code": " x ", "amount": "1.10"},
    }


def test_bad_records_are_invalid_with_their_row_and_the_run_goes_on(make_engine: MakeEngine) -> None:
    engine = make_engine()
    lines = [ndjson_line("a", {"x": 1}), b"{not json", b"", b'{"id":7,"data":{"x":1}}', ndjson_line("b", {"x": 2})]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines))
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 4, "invalid": 2, "updated": 2})
    assert [(r["outcome"], r["source"]["row"]) for r in engine.rejects()] == [("invalid", 2), ("invalid", 4)]
    assert engine.server.state() == {"a": {"x": 1}, "b": {"x": 2}}


def test_the_same_id_in_neighbouring_chunks_ends_with_the_later_values(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_ms=20)
    pairs = [(f"id{number % 7}", {"a": number, f"k{number % 3}": number}) for number in range(100)]
    write_ndjson(engine.home / "loans.ndjson", pairs)
    engine.configure(upload={"batch_size": 5}, guard={"max_superseded": "100%"})
    done = engine.sync()
    expected: Portfolio = {}
    for record_id, data in pairs:
        expected.setdefault(record_id, {}).update(data)
    assert (done.exit_code, engine.server.state()) == (0, expected)
    assert engine.server.stats()["overlaps"] == 0
    assert balanced(done.report["records"])


def test_dry_run_sends_nothing_and_shows_the_first_payload(make_engine: MakeEngine) -> None:
    engine, records = make_engine(), portfolio(25)
    write_ndjson(engine.home / "loans.ndjson", records)
    engine.configure(upload={"batch_size": 10})
    shown = engine.run("sync", "--dry-run")
    assert shown.exit_code == 0
    assert "25 records" in shown.out
    assert "3 requests" in shown.out
    assert "loan_000000" in shown.out
    assert engine.server.stats()["requests"] == 0


def test_limit_sends_only_the_first_records(make_engine: MakeEngine) -> None:
    engine, records = make_engine(), portfolio(50)
    write_ndjson(engine.home / "loans.ndjson", records)
    done = engine.sync("--limit", "7")
    assert (done.exit_code, done.records) == (0, {"read": 7, "updated": 7})
    assert done.report["limit"] == 7  # such a run is none that the next night's size is compared with
    assert engine.server.state() == dict(list(records.items())[:7])


def test_without_json_the_verdict_comes_first(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    done = engine.run("sync")
    assert done.out.startswith("All 3 records were delivered.")
    assert all(json.loads(line)["run_id"] for line in done.err.splitlines())


def test_all_mistakes_of_a_configuration_are_named_at_once(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "config.toml").write_text(
        '[api]\nurl = "http://example.com"\ntokn_env = "X"\n[source]\n[upload]\nbatch_size = 0\nconcurrency = "many"\n',
        encoding="utf-8",
    )
    done = engine.run("sync")
    assert done.exit_code == 2
    for key in ("api.url", "api.tokn_env", "api.campaign_id", "source.path", "upload.batch_size", "upload.concurrency"):
        assert key in done.err
    assert engine.server.stats()["requests"] == 0


def test_a_wrong_token_stops_with_77_and_rejects_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    engine.env["TIMEPAY_TOKEN"] = "wrong"
    done = engine.sync()
    assert (done.exit_code, done.records) == (77, {"read": 3, "pending": 3})
    assert engine.rejects() == []
    engine.env.clear()
    assert engine.sync().records == {"read": 3, "updated": 3}


def test_a_wrong_campaign_stops_with_77(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    engine.configure(api={"campaign_id": "camp_other"})
    assert engine.sync().exit_code == 77


def test_a_missing_or_empty_source_is_66(make_engine: MakeEngine) -> None:
    engine = make_engine()
    missing = engine.sync()
    assert (missing.exit_code, "loans.ndjson" in missing.err) == (66, True)
    (engine.home / "loans.ndjson").write_bytes(b"\n\n")
    assert engine.sync().exit_code == 66


def test_files_are_private_whatever_the_umask(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "loans.ndjson").write_bytes(b"broken\n" + ndjson_line("a", {"x": 1}))
    assert engine.sync(preexec_fn=lambda: os.umask(0)).exit_code == 3
    state = engine.home / "engine-state"
    for path in (state, *state.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_it_runs_without_home_terminal_or_locale(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    engine.env |= {"LANG": "C", "HOME": "/nonexistent", "PYTHONUTF8": "0"}
    assert engine.sync(stderr=subprocess.DEVNULL, close_fds=True).exit_code == 0


def test_check_proves_the_night_without_sending(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    good = engine.run("check")
    assert (good.exit_code, good.out.count("✗")) == (0, 0), good.out
    assert "3 records" in good.out
    engine.configure(api={"campaign_id": "camp_other"})
    assert engine.run("check").exit_code == 77
    engine.env["TIMEPAY_TOKEN"] = "wrong"
    assert engine.run("check").exit_code == 77
    assert engine.server.stats()["requests"] == 0
