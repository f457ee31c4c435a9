"""What a run looks like from outside adds up over its processes, and the moves of its limits are told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.api.verdict import Fatal, Settled, Trouble, TryAgain
from engine.api.wire import NoReply, Reply
from engine.pacing.limiter import Found, Limit, Move, Why
from engine.pipeline.sending import Answer, Attempt, Request
from engine.report.holdups import OUTAGE, Holdup
from engine.report.measured import Sample, bucket_of
from engine.run.clock import WorkClock
from engine.run.telemetry import WHY, Telemetry, found_words, move_words, told_values
from engine.state.journal import Run
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RequestCounts
from engine.values.errors import CampaignMissing
from engine.values.stopping import Stop
from tests.fakes import traffic_of
from tests.pipeline.senders import REQUEST


def telemetry(earlier: Mapping[str, Any], *, bytes_sent: int = 0) -> Telemetry:
    return Telemetry(earlier, traffic=traffic_of(Stop()), clock=WorkClock(0.0), bytes_sent=lambda: bytes_sent)


def attempt(status: int, latency_s: float) -> Attempt:
    verdict = TryAgain("HTTP 429", Trouble.THROTTLED, status) if status == 429 else Settled()
    return Attempt(Request(b"{}", ["a"]), Answer(Reply(status, {}, b""), verdict), 0.0, latency_s, 1)


async def test_a_killed_run_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    seen = telemetry({"quiet_s": 1.5, "retries": 2}, bytes_sent=900)
    for status, latency_s in ((200, 0.1), (200, 0.3), (429, 0.01)):
        seen.observe(attempt(status, latency_s))
    journal = SqliteJournal(tmp_path)
    run = Run("20261123T020000Z-000000", "sync", "c", "2026-11-23T02:00:00.000Z", {})
    journal.begin(run)
    counts = RequestCounts(sent=3, succeeded=2, throttled=1)
    journal.save(run, worked_s=12.0, requests=counts, telemetry=seen.to_json(), finished=False)
    journal.close()
    journal = SqliteJournal(tmp_path)
    found = journal.unfinished_run("sync")
    journal.close()
    assert found is not None
    assert (found.worked_s, found.requests.sent) == (12.0, 3)
    resumed = telemetry(found.telemetry, bytes_sent=50)
    assert (resumed.throttled_s, resumed.bytes_sent, resumed.retries) == (1.5, 950, 2)
    assert resumed.statuses == {"200": 2, "429": 1}
    assert (resumed.latencies.count, resumed.latencies.max_ms) == (2, 300.0)


async def test_it_hears_of_every_attempt_and_samples_what_is_new() -> None:
    seen = telemetry({})
    seen.begin(updated=100)
    for observe in seen._traffic.observers:
        observe(attempt(200, 0.2))
    seen._traffic.requests.sent += 3
    seen.sample(updated=110)
    seen.sample(updated=110)
    first, second = seen.timeline.samples
    assert (first.sent, second.sent) == (3, 0)
    assert (first.updated, first.requests, first.in_flight, first.latency_ms) == (10, 1, 1, 200.0)
    assert (second.updated, second.requests, second.in_flight, second.latency_ms) == (0, 0, 0, None)


async def test_only_answered_requests_say_how_long_an_answer_takes() -> None:
    seen = telemetry({})
    down = Answer(NoReply("refused"), TryAgain("refused", Trouble.OUTAGE, None))
    refused = Answer(Reply(404, {}, b""), Fatal(CampaignMissing("no such campaign"), 404))
    for each in (
        attempt(200, 0.4),
        attempt(429, 0.001),
        *(Attempt(REQUEST, no, 0.0, 0.0, 1) for no in (down, refused)),
    ):
        seen.observe(each)
    seen.sample(updated=1)
    [sample] = seen.timeline.samples
    assert (sample.requests, sample.latencies, sample.latency_ms) == (4, {bucket_of(400.0): 1}, 400.0)
    assert seen.latencies.count == 1


async def test_the_next_process_keeps_what_the_earlier_ones_have_seen(tmp_path: Path) -> None:
    seen = telemetry({})
    seen.observe(attempt(200, 0.4))
    seen.sample(updated=1)
    seen.holdups.saw(OUTAGE, 1.0, 4.0)
    told = json.loads(json.dumps(seen.to_json()))
    resumed = Telemetry(told, traffic=traffic_of(Stop()), clock=WorkClock(60.0), bytes_sent=lambda: 0, waited_s=5.0)
    assert resumed.timeline.samples == seen.timeline.samples
    assert resumed.holdups.holdups == [Holdup(OUTAGE, 1.0, 4.0, held_s=3.0)]
    assert [(each.t_s, each.waited_s) for each in resumed.processes] == [(0.0, 0.0), (60.0, 5.0)]
    began = datetime.fromisoformat(resumed.processes[1].at)
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60


def test_what_an_older_version_kept_is_read() -> None:
    told = {"timeline": [{"t_s": 1.0, "updated": 3, "requests": 2, "latency_ms": 7.0}]}
    assert told_values(told, "timeline", Sample) == [Sample(1.0, updated=3, requests=2, latency_ms=7.0)]
    assert told_values(told, "holdups", Holdup) == []


@pytest.mark.parametrize(
    ("why", "figures", "words"),
    [
        (Why.NEVER_REFUSED, (), "no refusal so far"),
        (Why.NOT_REFUSED, (20.6,), "no refusal for 21 s"),
        (Why.REFUSED, (12.345, 9.8765), "refused (429) at 12.3/s, while 9.88/s were accepted"),
        (Why.REFUSED_ANYHOW, (8.0, 0.0312), "refused (429) at 8/s like before: 3.1% are refused whatever the rate"),
        (Why.FAILURES, (), "requests fail or time out"),
        (Why.FAILURES_OVER, (), "requests succeed again"),
        (Why.CONFLICTS, (0.05,), "the server retried 5% of the records because of version conflicts"),
        (Why.LATENCY_ROSE, (0.5, 1.04), "latency rose from 0.5 s to 1 s"),
        (Why.LATENCY_CALM, (0.123,), "latency stays at its best, 0.12 s"),
    ],
)
def test_every_reason_has_its_words(why: Why, figures: tuple[float, ...], words: str) -> None:
    assert move_words(Move(1.0, Limit.RATE, 10.0, 12.5, why, figures)) == ("12.5/s", words)


def test_no_reason_is_without_words() -> None:
    assert set(WHY) == set(Why)


def test_what_moved_is_told() -> None:
    assert move_words(Move(1.0, Limit.RATE, 200.0, 123.456, Why.FAILURES))[0] == "123/s"
    assert move_words(Move(1.0, Limit.IN_FLIGHT, 16, 9, Why.FAILURES))[0] == "9 in flight"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Found(), None),
        (Found(8.3333), "8.33 requests/s"),
        (Found(None, 12), "12 in flight"),
        (Found(8.3333, 12), "8.33 requests/s, 12 in flight"),
    ],
)
def test_what_was_found(found: Found, words: str | None) -> None:
    assert found_words(found) == words
