"""A run under way: why it stopped, what becomes durable in which order, and the guard that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.api.wire import Reply
from engine.pacing.turnstile import TurnRefused
from engine.pipeline.accounts import Accounts
from engine.run import active_run as module
from engine.run.active_run import ActiveRun
from engine.values import Chunk, ChunkResult, Failure, Outcome, Place, Refusal
from engine.values.counts import ChunkCounts, RequestCounts
from engine.values.errors import EngineError, Interrupted, SourceMissing, SourceUntrusted
from tests.fakes import FakeBulkApi, chunk_of
from tests.pipeline.senders import REQUEST
from tests.run.runs import GivenSource, Shown, active_run, settings_of

CHUNKS = [chunk_of("a", "b"), chunk_of("c", seq=1)]


class FakePipeline:
    """Reads all chunks, brings `results` home as the real one does, and ends, for `error` if there is one."""

    def __init__(self, *results: ChunkResult, error: Exception | None = None) -> None:
        self.given: dict[str, Any] = {}
        self._results = results
        self._error = error

    async def run(
        self, chunks: Iterable[Chunk], *, accounts: Accounts, record: Any, judge: Any, inspect: Any, **given: Any
    ) -> None:
        self.given = given
        list(inspect(accounts.reading(chunks)))
        for result in self._results:
            await record([result])
            accounts.settle([result])
            judge()
        if self._error is not None:
            raise self._error


Put = Callable[..., FakePipeline]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return a function that puts a fake pipeline in the place of the real one."""

    def put(*results: ChunkResult, error: Exception | None = None) -> FakePipeline:
        fake = FakePipeline(*results, error=error)
        monkeypatch.setattr(module, "run_pipeline", fake.run)
        return fake

    return put


async def work(
    state_dir: Path, chunks: Sequence[Chunk] = CHUNKS, **changes: Any
) -> tuple[ActiveRun, EngineError | None]:
    """Work on a run of these chunks; return why it stopped, too."""
    async with active_run(settings_of(state_dir), chunks, **changes) as active:
        return active, await active.work(Shown())


def done(chunk: Chunk, rejected: int = 0) -> ChunkResult:
    return ChunkResult(chunk, [Failure(index, Outcome.REJECTED, "no", 422) for index in range(rejected)])


async def test_a_run_that_comes_to_its_end_has_no_reason_to_stop(tmp_path: Path, pipeline: Put) -> None:
    pipeline(*map(done, CHUNKS))
    active, error = await work(tmp_path)
    assert error is None
    assert active.accounts.durable == ChunkCounts(read=3, updated=3)


@pytest.mark.parametrize("reason", [Interrupted("SIGTERM"), SourceUntrusted("cut off")])
async def test_what_the_engine_stops_for_is_returned(tmp_path: Path, pipeline: Put, reason: EngineError) -> None:
    pipeline(done(CHUNKS[0]), error=reason)
    assert (await work(tmp_path))[1] is reason


async def test_a_stop_when_nothing_was_left_to_do_is_none(tmp_path: Path, pipeline: Put) -> None:
    pipeline(*map(done, CHUNKS), error=Interrupted("SIGTERM"))
    assert (await work(tmp_path))[1] is None


async def test_another_reason_stays_one_even_if_nothing_was_left_to_do(tmp_path: Path, pipeline: Put) -> None:
    pipeline(*map(done, CHUNKS), error=SourceUntrusted("too many rejects"))
    assert isinstance((await work(tmp_path))[1], SourceUntrusted)


async def test_a_bug_comes_out(tmp_path: Path, pipeline: Put) -> None:
    pipeline(error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await work(tmp_path)


async def test_a_source_without_a_record_is_missing(tmp_path: Path) -> None:
    _, error = await work(tmp_path, [])
    assert isinstance(error, SourceMissing)
    assert str(error) == "portfolio.ndjson holds no record"


async def test_there_may_be_nothing_to_replay(tmp_path: Path) -> None:
    assert (await work(tmp_path, [], of_rejects=True))[1] is None


async def test_the_pipeline_gets_plain_values_of_the_settings(tmp_path: Path, pipeline: Put) -> None:
    fake = pipeline()
    settings = settings_of(tmp_path, upload={"concurrency": 3, "drain_timeout_s": 7.0})
    async with active_run(settings, CHUNKS) as active:
        active.run.done[0] = b"digest"
        await active.work(Shown())
        assert (fake.given["concurrency"], fake.given["drain_timeout_s"]) == (3, 7.0)
        assert fake.given["done"] == {0: b"digest"}
        assert fake.given["stop"] is active.stop


async def test_no_result_is_durable_before_what_is_known_of_the_source(
    tmp_path: Path, pipeline: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline(*map(done, CHUNKS))
    written: list[str] = []
    async with active_run(settings_of(tmp_path), CHUNKS, GivenSource(100)) as active:
        for name in ("set_fingerprint", "record"):
            monkeypatch.setattr(active.thread.value, name, noting(name, written, active))
        await active.work(Shown())
        assert written == ["set_fingerprint", "record", "record"]
        found = await active.thread.call(active.thread.value.unfinished_run, "sync")
    assert found is not None
    assert found.fingerprint == {"portfolio.ndjson": [100, None]}


async def test_what_a_file_held_is_durable_with_the_result_that_follows_its_end(tmp_path: Path, pipeline: Put) -> None:
    read_to_the_end = replace(CHUNKS[1], digests={"portfolio.ndjson": "d"})
    pipeline(done(CHUNKS[0]), done(read_to_the_end))
    async with active_run(settings_of(tmp_path), [CHUNKS[0], read_to_the_end], GivenSource(100)) as active:
        await active.work(Shown())
        found = await active.thread.call(active.thread.value.unfinished_run, "sync")
    assert found is not None
    assert found.fingerprint == {"portfolio.ndjson": [100, "d"]}


def noting(name: str, written: list[str], active: ActiveRun) -> Callable[..., None]:
    """The method of the journal that is called so, and a note that it was."""
    method = getattr(active.thread.value, name)

    def noted(*args: Any) -> None:
        method(*args)
        written.append(name)

    return noted


async def test_requests_become_durable_with_the_results_they_led_to(tmp_path: Path, pipeline: Put) -> None:
    pipeline(done(CHUNKS[0]))
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        active.traffic.requests.sent = active.traffic.requests.succeeded = 1
        await active.work(Shown())
        found = await active.thread.call(active.thread.value.unfinished_run, "sync")
    assert found is not None
    assert found.requests == RequestCounts(sent=1, succeeded=1)


@pytest.mark.parametrize(
    ("limit", "total_bytes", "of_rejects", "stops"),
    [
        ("30%", None, False, True),  # ten of twenty
        ("30%", 1_000, False, False),  # there is much more to come: ten of a thousand at the worst
        ("50%", None, False, False),
        ("30%", None, True, False),  # what was rejected once may be rejected again
    ],
)
async def test_too_many_rejects_stop_the_run(
    tmp_path: Path, pipeline: Put, limit: str, total_bytes: int | None, of_rejects: bool, stops: bool
) -> None:
    chunk = chunk_of(*map(str, range(20)))
    chunk.source_bytes = 20
    pipeline(done(chunk, rejected=10))
    settings = settings_of(tmp_path, guard={"max_rejected": limit})
    async with active_run(settings, [chunk], GivenSource(total_bytes), of_rejects=of_rejects) as active:
        await active.work(Shown())
        assert isinstance(active.stop.error, SourceUntrusted) == active.stop.requested == stops


def refused(count: int, *ids: str) -> Chunk:
    """A chunk of these ids and so many records that are invalid."""
    chunk = chunk_of(*ids)
    chunk.refusals = [Refusal("not a date", Place("portfolio.csv", row), raw="") for row in range(1, count + 1)]
    return chunk


async def test_too_many_invalid_records_in_a_small_source_are_said_at_its_end(tmp_path: Path, pipeline: Put) -> None:
    chunk = refused(10, *map(str, range(100)))
    pipeline(done(chunk))
    active, error = await work(tmp_path / "few", [chunk])
    assert isinstance(error, SourceUntrusted)
    assert active.accounts.durable == ChunkCounts(read=110, invalid=10, updated=100)
    pipeline(done(chunk), error=Interrupted("SIGTERM"))  # when there was nothing left to do
    assert isinstance((await work(tmp_path / "stopped", [chunk]))[1], SourceUntrusted)
    pipeline(done(chunk))
    assert (await work(tmp_path / "replayed", [chunk], of_rejects=True))[1] is None
    pipeline(done(refused(9, "a")))
    assert (await work(tmp_path / "fewer", [refused(9, "a")]))[1] is None


async def test_a_large_source_that_is_mostly_invalid_is_not_sent(tmp_path: Path) -> None:
    active, error = await work(tmp_path, [refused(1_000, "a"), chunk_of("b", seq=1)])
    assert isinstance(error, SourceUntrusted)
    assert (active.accounts.durable, active.accounts.pending) == (ChunkCounts(), 1_001)
    assert active.traffic.requests.sent == 0


async def test_a_run_starts_from_what_the_last_one_learned(tmp_path: Path) -> None:
    learned = {"rate": 7.0, "in_flight": 3}
    async with active_run(settings_of(tmp_path), learned=learned) as active:
        assert active.traffic.limiter.to_json() == learned


async def test_an_outage_is_waited_out_as_long_as_the_settings_say(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path, upload={"retry_window_s": 0.0}), CHUNKS) as active:
        error = await active.work(Shown())
    assert isinstance(error, Interrupted)
    assert "(upload.retry_window_s)" in str(error)


async def test_nobody_waits_beyond_the_deadline_of_the_settings(tmp_path: Path) -> None:
    deadline = f"{datetime.now() - timedelta(hours=3):%H:%M}"  # 21 hours are left
    settings = settings_of(tmp_path, upload={"deadline": deadline, "retry_window_s": 86_400.0})
    async with active_run(settings) as active:
        with pytest.raises(TurnRefused):
            await active.traffic.over(FakeBulkApi(Reply(503, {"retry-after": "80000"}))).settle(REQUEST)
    assert "would pass the deadline" in str(active.stop.error)


async def test_the_display_is_closed_at_the_end(tmp_path: Path, pipeline: Put) -> None:
    pipeline()
    display = Shown()
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await active.work(display)
    assert display.closed == 1
    assert display.snapshots[-1].records_read == 3


async def test_an_api_that_cannot_be_opened_ends_the_run_before_it_reads(tmp_path: Path, pipeline: Put) -> None:
    fake, display = pipeline(), Shown()
    settings = settings_of(tmp_path, api={"url": "https://127.0.0.1:9/api", "ca_file": str(tmp_path / "missing.pem")})
    async with active_run(settings, CHUNKS) as active:
        error = await active.work(display)
    assert error is not None
    assert "missing.pem" in str(error)
    assert (fake.given, display.closed) == ({}, 1)
