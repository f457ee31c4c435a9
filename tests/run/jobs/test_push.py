"""Given records as a job: no source in the settings, mistakes called by what they are, and the same guarantees."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.report.report import Report, RunStatus
from engine.run.jobs.push import push
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import ConfigError, Interrupted, SourceUntrusted, StateFailed
from engine.values.stopping import Stop
from tests.run.nights import Night
from tests.run.runs import NOWHERE

PAIRS = [("a", {"x": 1}), ("b", {"x": 2})]


async def pushed(
    records: Any, state_dir: Any, server: StandInProcess | None = None, stop: Stop | None = None, **changes: Any
) -> Report:
    """Push these records with the arguments that the library gives by default."""
    target = {"url": NOWHERE, "campaign_id": "camp", "token": "token"}
    if server is not None:
        target = {"url": server.url, "campaign_id": server.campaign_id, "token": server.token}
    arguments: dict[str, Any] = {**target, "org_id": None, "fresh": False, "given": {}, **changes}
    return await push(records, state_dir=state_dir, stop=stop, **arguments)


async def test_pairs_are_brought_home(tmp_path: Path, server: StandInProcess) -> None:
    loans = Night(tmp_path, server).loans
    report = await pushed(loans.items(), tmp_path / "state", server, given={"requests_per_second": 500.0})
    assert (report.kind, report.source, report.status) == ("push", "records", RunStatus.SUCCEEDED)
    assert await asyncio.to_thread(server.state, loans) == loans


async def test_an_async_iterable_is_taken_too(tmp_path: Path, server: StandInProcess) -> None:
    async def rows() -> AsyncIterator[tuple[str, dict[str, int]]]:
        for pair in PAIRS:
            yield pair

    assert (await pushed(rows(), tmp_path, server)).records == RecordCounts(read=2, updated=2)


async def test_it_is_cut_as_upload_says(tmp_path: Path, server: StandInProcess) -> None:
    report = await pushed(PAIRS, tmp_path, server, given={"batch_size": 1, "requests_per_second": 500.0})
    assert report.requests.sent == 2


async def test_the_given_token_is_used_and_no_other(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMEPAY_TOKEN", "another")
    assert (await pushed(PAIRS, tmp_path, server)).status == RunStatus.SUCCEEDED
    assert (await pushed(PAIRS, tmp_path, server, token="another")).exit_code == 77


async def test_an_organisation_goes_along(tmp_path: Path) -> None:
    assert (await identity_of_a_push(tmp_path, org_id="org"))["api.org_id"] == "org"


async def test_a_push_has_no_source_to_be_the_same(tmp_path: Path) -> None:
    identity = await identity_of_a_push(tmp_path)
    assert not [name for name in identity if name.startswith("source.")]


async def identity_of_a_push(state_dir: Path, **changes: Any) -> Any:
    """The settings that a push which was stopped at once has written down."""
    await pushed(PAIRS, state_dir, stop=stopped(), **changes)
    journal = SqliteJournal(state_dir)
    run = journal.unfinished_run("push")
    journal.close()
    assert run is not None
    return run.identity


def stopped() -> Stop:
    stop = Stop()
    stop.request(Interrupted("the job was cancelled"))
    return stop


async def test_the_same_records_again_resume_it_unless_it_shall_be_fresh(
    tmp_path: Path, server: StandInProcess
) -> None:
    first = await pushed(PAIRS, tmp_path, server, stop=stopped())
    assert (first.exit_code, first.message) == (75, "the job was cancelled")
    again = await pushed(PAIRS, tmp_path, server, stop=stopped())
    assert (again.run_id, again.resumes) == (first.run_id, 1)
    fresh = await pushed(PAIRS, tmp_path, server, fresh=True)
    assert (fresh.run_id != first.run_id, fresh.resumes, fresh.exit_code) == (True, 0, 0)


async def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    await pushed(PAIRS, tmp_path, stop=stopped())
    with closing(SqliteJournal(tmp_path)) as journal:
        run = journal.unfinished_run("push")
        assert run is not None
        journal.note_sending(run, 1)
        accepted = RequestCounts(sent=1, succeeded=1)
        journal.save(run, worked_s=1.0, requests=accepted, telemetry={}, ended=True)
    with pytest.raises(SourceUntrusted, match=r"\(batch_size\)"):
        await pushed(PAIRS, tmp_path, given={"batch_size": 1})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "ftp://somewhere"}, ["- url: must be a URL"]),
        ({"given": {"batch_sizes": 3}}, ["- batch_sizes: there is no such argument; did you mean batch_size?"]),
        ({"given": {"max_rejects": 3}}, ["- max_rejects: there is no such argument; did you mean max_rejected?"]),
        ({"given": {"proxy": "http://x"}}, ["- proxy: there is no such argument"]),
        (
            {"campaign_id": "", "state_dir": 3, "given": {"concurrency": 0, "max_rejected": "a few", "x": 1}},
            ["5 mistakes", "- campaign_id: ", "- concurrency: ", "- max_rejected: ", "- state_dir: ", "- x: "],
        ),
        ({"given": {"max_age": "20h"}}, ["- max_age: there is no file"]),
        ({"token": ""}, ["1 mistake", "- token: is empty"]),
        ({"token": "canary token"}, ["1 mistake", "- token: has spaces, line breaks or characters beyond ASCII"]),
        ({"token": None}, ["1 mistake", "- token: must be text, not NoneType"]),
        ({"url": None, "state_dir": None}, ["2 mistakes", "- url: must be text, not None", "- state_dir: must be a"]),
        ({"records": 5}, ["1 mistake", "- records: must be an iterable of pairs of id and data, not int"]),
        ({"records": "canary"}, ["1 mistake", "- records: must be an iterable of pairs of id and data, not str"]),
        ({"records": {"canary": {}}}, ["- records: must be pairs of id and data, not a mapping: give its items()"]),
    ],
)
async def test_mistakes_are_those_of_its_arguments(
    tmp_path: Path, changes: dict[str, Any], named: Iterable[str]
) -> None:
    defaults: dict[str, Any] = {"records": PAIRS, "state_dir": tmp_path / "state"}
    with pytest.raises(ConfigError) as caught:
        await pushed(**(defaults | changes))
    said = str(caught.value)
    assert "canary" not in said
    assert "quotes" not in said
    assert said.startswith("the call of push has ")
    assert all(name in said for name in named)
    assert not re.search(r"\b(api|source|upload|guard|state)\.", said)
    assert not (tmp_path / "state").exists()


async def test_why_it_stopped_is_said_in_the_terms_of_the_call(tmp_path: Path, server: StandInProcess) -> None:
    refused = await pushed(PAIRS, tmp_path / "refused", server, token="another")
    assert "put a valid one into token" in refused.message
    missing = await pushed(PAIRS, tmp_path / "missing", server, campaign_id="another")
    assert "check campaign_id and url" in missing.message
    (tmp_path / "damaged").mkdir(mode=0o700)
    (tmp_path / "damaged" / "journal.sqlite3").touch(mode=0o600)
    with pytest.raises(StateFailed, match="or use another state_dir"):
        await pushed(PAIRS, tmp_path / "damaged", server)


async def test_a_token_may_end_its_line(tmp_path: Path, server: StandInProcess) -> None:
    assert (await pushed(PAIRS, tmp_path, server, token=f"{server.token}\n")).exit_code == 0


async def test_guards_are_arguments(tmp_path: Path) -> None:
    with pytest.raises(SourceUntrusted, match=r"2 records, fewer than min_records \(3\)"):
        await pushed(PAIRS, tmp_path, given={"min_records": 3})


@pytest.mark.parametrize("guard", [{"min_records": 1}, {"max_shrink": "50%"}])
async def test_what_is_read_only_once_cannot_be_counted_first(tmp_path: Path, guard: dict[str, Any]) -> None:
    async def rows() -> AsyncIterator[tuple[str, dict[str, int]]]:
        yield PAIRS[0]

    for records in (iter(PAIRS), rows()):
        with pytest.raises(ConfigError, match=f"- {next(iter(guard))}: counts the records .* give a list"):
            await pushed(records, tmp_path / "state", given=guard)


async def test_records_that_can_be_read_twice_are_counted_and_sent(tmp_path: Path, server: StandInProcess) -> None:
    report = await pushed(PAIRS, tmp_path, server, given={"min_records": 2, "max_shrink": "50%"})
    assert report.records == RecordCounts(read=2, updated=2)


async def test_one_rejected_of_ten_is_no_reason_to_stop(tmp_path: Path, server: StandInProcess) -> None:
    await asyncio.to_thread(server.change, reject=["loan_3"])
    pairs = [(f"loan_{number}", {"x": 1}) for number in range(10)]
    report = await pushed(pairs, tmp_path / "share", server)
    assert (report.exit_code, report.records) == (3, RecordCounts(read=10, updated=9, rejected=1))
    report = await pushed(pairs, tmp_path / "count", server, given={"max_rejected": 0})
    assert (report.exit_code, "max_rejected='100%'" in report.message) == (65, True)


async def test_nothing_to_push_is_nothing_pushed(tmp_path: Path) -> None:
    report = await pushed([], tmp_path)
    assert (report.exit_code, report.requests.sent) == (66, 0)
    assert report.message == "no record was given"
