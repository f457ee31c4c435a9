"""A wrong id column is a disaster, and never called a success."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.errors import SourceUntrusted
from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import ndjson_line

MakeEngine = Callable[..., Engine]


def write_loans(path: Path, count: int, names: int) -> None:
    rows = [f"LN-{number},Name {number % names},{number}" for number in range(count)]
    path.write_text("\n".join(["loan_id,first_name,emi", *rows]) + "\n", encoding="utf-8")


def write_ids(path: Path, ids: Iterator[int]) -> None:
    with path.open("wb") as file:
        file.writelines(b'{"id":"LN-%d","data":{"n":1}}\n' % number for number in ids)


@pytest.mark.parametrize("mode", ["off", "changed"])
def test_it_stops_before_anything_is_sent(mode: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_loans(engine.home / "loans.csv", 30_000, 50)
    engine.configure(source={"path": "loans.csv", "id": "first_name"}, delta={"mode": mode})
    done = engine.run("sync")
    assert done.exit_code == 65, done.err
    assert "29,950 of 30,000 records have an id that comes again later in the source: 50 different ids" in done.out
    assert engine.server.requests() == []
    engine.configure(source={"id": "loan_id"})  # nothing was sent: nothing has to be resumed
    mended = engine.run("sync")
    assert (mended.exit_code, mended.out.splitlines()[0]) == (0, "All 30,000 records were delivered.")


def test_if_it_is_meant_the_headline_counts_ids(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_loans(engine.home / "loans.csv", 30_000, 50)
    engine.configure(source={"path": "loans.csv", "id": "first_name"})
    engine.env["ENGINE_GUARD__MAX_SUPERSEDED"] = "100%"
    done = engine.run("sync")
    assert (done.exit_code, done.out.splitlines()[0]) == (0, "All 30,000 records (50 ids) were delivered.")
    assert "! 29,950 of 30,000 records have an id that comes again later in the source" in done.out
    assert len(engine.server.state()) == 50


def test_ids_that_come_again_in_later_chunks_count(make_engine: MakeEngine) -> None:
    """Three exports of one portfolio, each of which is fine."""
    engine = make_engine()
    for night in range(3):
        write_ids(engine.home / f"night{night}.ndjson", iter(range(2_000)))
    engine.configure(source={"path": "night*.ndjson"}, upload={"batch_size": 500})
    done = engine.sync()
    assert (done.exit_code, done.report["requests"]["sent"]) == (65, 0)
    assert "4,000 of 6,000 records have an id that comes again" in done.report["message"]


def test_a_few_are_a_doubt(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ids(engine.home / "loans.ndjson", iter([*range(1_000), *range(20)]))
    engine.configure(upload={"batch_size": 500})
    done = engine.sync()
    assert (done.exit_code, done.report["ids"]) == (0, 1_000)
    [doubt] = done.report["doubts"]
    assert doubt.startswith("20 of 1,020 records have an id that comes again")


def test_standard_input_is_judged_when_it_was_read(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.configure(source={"path": "-", "format": "ndjson"})
    done = engine.sync(stdin=b"\n".join(ndjson_line(f"LN-{number % 5}", {"n": number}) for number in range(100)))
    assert done.exit_code == 65
    assert "95 of 100 records" in done.report["message"]


def test_what_only_looks_wrong_at_first_is_counted_and_sent(make_engine: MakeEngine) -> None:
    engine = make_engine(count_only=True)
    write_ids(engine.home / "loans.ndjson", iter([*[number % 10 for number in range(100_000)], *range(120_000)]))
    done = engine.sync()
    assert (done.exit_code, done.report["ids"]) == (0, 120_000)


def test_what_looks_right_at_first_ends_as_untrusted(make_engine: MakeEngine) -> None:
    engine = make_engine(count_only=True)
    write_ids(engine.home / "loans.ndjson", iter([*range(110_000), *[number % 10 for number in range(150_000)]]))
    done = engine.sync()
    assert done.exit_code == 65
    assert done.report["requests"]["sent"] > 0
    assert engine.sync().exit_code == 65


def test_check_crosses_it_out_and_dry_run_says_it(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_loans(engine.home / "loans.csv", 3_000, 50)
    engine.configure(source={"path": "loans.csv", "id": "first_name"})
    checked = engine.run("check")
    assert checked.exit_code == 65
    [line] = [line for line in checked.out.splitlines() if line.startswith("  ✗ ids")]
    assert "2,950 of 3,000 records" in line
    assert "most often 'Name 0' (60 times), 'Name 1' (60 times), 'Name 2' (60 times)" in line
    dry = engine.run("sync", "--dry-run")
    assert (dry.exit_code, "3,000 records (50 different ids)" in dry.out) == (65, True)
    assert engine.run("sync", "--dry-run", "--limit", "12").exit_code == 0


def test_a_push_is_judged_as_well(make_engine: MakeEngine) -> None:
    engine_ = make_engine()
    records = [(f"LN-{number % 5}", {"n": number}) for number in range(100)]
    address: dict[str, Any] = {
        "url": engine_.server.url,
        "campaign_id": engine_.server.campaign_id,
        "token": engine_.server.token,
    }
    report = asyncio.run(engine.push(records, **address, state_dir=engine_.home / "list"))
    assert (report.exit_code, report.requests.sent) == (SourceUntrusted.exit_code, 0)
    report = asyncio.run(engine.push(iter(records), **address, state_dir=engine_.home / "iterator"))
    assert report.exit_code == SourceUntrusted.exit_code
    accepted = asyncio.run(engine.push(records, **address, state_dir=engine_.home / "meant", max_superseded="100%"))
    assert (accepted.exit_code, accepted.ids) == (0, 5)
