"""What a run leaves is said, with the command that goes on with it; whatever is said to be typed works."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.engine_process import WAIT_S, Engine, Outcome, wait_until_it_says
from tests.acceptance.portfolios import NOTHING_HELD_BACK, portfolio, write_ndjson

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]

RECORDS = 2_000
WORKERS = 2


def interrupted(make_engine: MakeEngine, *flags: str, **server: str) -> tuple[Engine, Outcome]:
    """Leave a run in which two of many chunks were delivered; return how it ended."""
    engine = make_engine(hold="before-reply", **server)
    write_ndjson(engine.home / "loans.ndjson", portfolio(RECORDS))
    engine.configure(upload={"batch_size": 10, "concurrency": WORKERS}, guard=NOTHING_HELD_BACK)
    process = engine.start("sync", *flags, "--json")
    engine.server.wait(held=WORKERS)
    process.send_signal(signal.SIGINT)
    wait_until_it_says(process, b'"stopping"')
    engine.server.change(hold="nothing")
    engine.server.release()
    return engine, engine.outcome(process)


def command_in(text: str) -> list[str]:
    """Return the arguments of the last command that stands in a text."""
    [*_, command] = re.findall(r"python -m engine ([^\n]+)", text)
    return shlex.split(command)


def test_an_interrupted_run_says_what_it_has_not_read(make_engine: MakeEngine) -> None:
    engine, ended = interrupted(make_engine)
    report = ended.report
    size = (engine.home / "loans.ndjson").stat().st_size
    [read] = report["inputs"]
    assert (ended.exit_code, read["bytes"], read["rows"]) == (75, size, None)
    assert report["unread"]["rows"] is None  # nobody has counted them
    left_share = report["unread"]["bytes"] / size
    assert abs(left_share - (1 - report["records"]["read"] / RECORDS)) < 0.02

    summary = engine.run("status", report["run_id"]).out
    [about] = re.findall(r"not read +about ([\d,]+) records \(", summary)
    left = RECORDS - report["records"]["read"]
    assert abs(int(about.replace(",", "")) - left) < 0.06 * RECORDS
    assert f"not read: about {about} records" in " ".join(engine.run("status").out.split())
    page = (engine.home / "engine-state" / "runs" / report["run_id"] / "report.html").read_text(encoding="utf-8")
    assert f"about {about} records" in page
    assert 'class=s-unread style="flex-grow:' in page

    done = engine.sync()
    assert (done.exit_code, done.report["unread"]) == (0, {"rows": 0, "bytes": 0})
    [read] = done.report["inputs"]
    assert (read["rows"], len(read["fingerprint"])) == (RECORDS, 32)


def test_the_first_records_only_are_called_so_and_compared_with_no_whole_night(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(500))
    engine.configure(upload={"batch_size": 10}, guard={"max_shrink": "10%"})
    whole = engine.sync()
    first = engine.run("sync", "--limit", "20")
    assert first.out.startswith("First 20 records only. All 20 records were delivered.")
    assert "not read    about 480 records" in first.out
    [run_id] = re.findall(r"runs/([^/]+)/report.html", first.out)
    page = (engine.home / "engine-state" / "runs" / run_id / "report.html").read_text(encoding="utf-8")
    assert "No earlier run has left a report here." in page
    again = engine.sync()  # no shrink from 20, no growth to 500
    page = (engine.home / "engine-state" / "runs" / again.report["run_id"] / "report.html").read_text(encoding="utf-8")
    assert f"Compared with run {whole.report['run_id']}" in page
    assert [again.report["unread"], again.report["limit"]] == [{"rows": 0, "bytes": 0}, None]


def test_a_run_that_was_begun_with_flags_is_gone_on_with_by_the_command_that_status_says(
    make_engine: MakeEngine,
) -> None:
    engine, ended = interrupted(make_engine, "--limit", "500")
    said = command_in(engine.run("status").out)
    assert said == ["sync", "--limit", "500", "-c", "config.toml"]
    assert command_in(engine.run("status", ended.report["run_id"]).out) == said
    checked = engine.run("check")
    assert checked.exit_code == 65  # a plain sync would be refused
    assert "to resume it: python -m engine sync --limit 500 -c config.toml" in checked.out
    refused = engine.run("sync")
    assert refused.exit_code == 65
    assert "was begun with --limit 500; give that again to resume it" in refused.err
    done = engine.run(*said, "--json")
    assert (done.exit_code, done.report["run_id"]) == (0, ended.report["run_id"])
    assert done.records == {"read": 500, "updated": 500}


def test_a_run_that_cannot_be_resumed_as_things_are_is_not_said_to_be(make_engine: MakeEngine) -> None:
    engine, _ = interrupted(make_engine)
    engine.configure(upload={"batch_size": 20})
    out = engine.run("status").out
    assert "Not resumable as it is: " in out
    assert "(upload.batch_size)" in out
    assert command_in(out) == ["sync", "--fresh", "-c", "config.toml"]
    engine.configure(upload={"batch_size": 10})
    assert command_in(engine.run("status").out) == ["sync", "-c", "config.toml"]
    with (engine.home / "loans.ndjson").open("a", encoding="utf-8") as file:
        file.write('{"id":"loan_more","data":{"a":1}}\n')
    out = engine.run("status").out
    assert "loans.ndjson grew from" in out
    done = engine.run(*command_in(out), "--json")
    assert (done.exit_code, done.records["updated"]) == (0, RECORDS + 1)


def test_status_without_its_source_says_so(make_engine: MakeEngine) -> None:
    engine, _ = interrupted(make_engine)
    (engine.home / "loans.ndjson").unlink()
    shown = engine.run("status")
    assert shown.exit_code == 0
    assert "loans.ndjson" in shown.out.partition("Not resumable as it is: ")[2]


def test_a_replay_is_offered_for_what_it_can_send_and_leaves_no_run_if_that_is_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "loans.ndjson").write_text(
        '{"id":"loan_1","data":{"a":1}}\nno JSON\n{"id":"loan_2","data":{}}\n', encoding="utf-8"
    )
    engine.configure(guard={"max_invalid": "100%"})
    ended = engine.run("sync")
    assert ended.exit_code == 3
    assert "replay" not in ended.out
    replayed = engine.run("replay")
    assert (replayed.exit_code, replayed.err) == (0, "")
    assert replayed.out.startswith("Nothing to send. No rejected or unproven record waits in ")
    as_json = engine.run("replay", "--json")
    assert (as_json.exit_code, as_json.report["records"]["read"]) == (0, 0)
    assert len(json.loads(engine.run("status", "--json").out)["runs"]) == 1
    assert len(list((engine.home / "engine-state" / "runs").iterdir())) == 1


def test_a_replay_is_offered_for_what_the_api_did_not_accept(make_engine: MakeEngine) -> None:
    engine = make_engine(reject="loan_1")
    (engine.home / "loans.ndjson").write_text(
        '{"id":"loan_1","data":{"a":1}}\nno JSON\n{"id":"loan_2","data":{"a":2}}\n', encoding="utf-8"
    )
    engine.configure(guard={"max_invalid": "100%", "max_rejected": "100%"})
    ended = engine.run("sync")
    assert "Or send the 1 that the API did not accept again as they are:" in ended.out
    again = engine.run(*command_in(ended.out))
    assert again.exit_code == 3
    assert "1 of 1 record was not accepted" in again.out


def test_a_reason_that_says_it_is_not_finished_is_not_said_twice(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine(outage="0:600")
    write_ndjson(engine.home / "loans.ndjson", portfolio(10))
    engine.configure(upload={"retry_window_s": 1.0})
    process = engine.start("sync")
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75
    assert out.decode().startswith("Not finished: ")
    assert "not finished" not in out.decode()
