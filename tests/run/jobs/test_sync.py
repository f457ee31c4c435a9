"""The main job: the source once through the pipeline, with a process that reads where that pays, and none left over."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from engine.reading.plan import Reading
from engine.reading.process import ReaderProcess
from engine.reading.spawned import PAYS_FROM_BYTES, SpawnedReader
from engine.report.report import RunStatus
from engine.run.jobs import sync as module
from engine.run.jobs.sync import NextSync, sync
from engine.simulator.process import StandInProcess
from engine.sources.protocol import Source
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RecordCounts
from engine.values.errors import ConfigError, Interrupted, SourceMissing, SourceUntrusted, StateLocked
from engine.values.stopping import Stop
from tests.run.nights import Night
from tests.run.runs import Shown


class Readers:
    """The processes that were started to read, and whether it was said that they pay."""

    def __init__(self, patch: pytest.MonkeyPatch, *, pays: bool) -> None:
        self.started: list[ReaderProcess] = []
        self.asked: list[int | None] = []
        patch.setattr(module, "pays", self._pays)
        patch.setattr(module, "ReaderProcess", self._start)
        self._answer = pays

    def _pays(self, source_bytes: int | None) -> bool:
        self.asked.append(source_bytes)
        return self._answer

    def _start(self, reading: Reading, *, compared: bool, spawned: SpawnedReader | None) -> ReaderProcess:
        self.started.append(ReaderProcess(reading, compared=compared, spawned=spawned))
        return self.started[-1]

    @property
    def all_gone(self) -> bool:
        """Whether each has ended and was waited for."""
        return all(reader._spawned.exit_code is not None for reader in self.started)


@pytest.fixture
def second_process(monkeypatch: pytest.MonkeyPatch) -> Readers:
    """A second process pays, however small the source."""
    return Readers(monkeypatch, pays=True)


async def test_the_whole_source_is_brought_home(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    report = await sync(night.settings, config_path="night.toml")
    assert (report.kind, report.status, report.config_path) == ("sync", RunStatus.SUCCEEDED, "night.toml")
    assert await asyncio.to_thread(night.arrived) == night.loans


async def test_a_second_process_reads_the_same(tmp_path: Path, server: StandInProcess, second_process: Readers) -> None:
    night = Night(tmp_path, server)
    report = await sync(night.settings)
    assert report.records == RecordCounts(read=30, updated=30)
    assert await asyncio.to_thread(night.arrived) == night.loans
    assert (len(second_process.started), second_process.all_gone) == (1, True)


async def test_a_file_that_appears_after_the_source_was_found_is_read_by_nobody(
    tmp_path: Path, server: StandInProcess, second_process: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(tmp_path, server)
    late = night.path.with_name(f"late{night.path.suffix}")
    opens = Reading.open

    def open_and_add(reading: Reading) -> Source:
        source = opens(reading)
        late.write_bytes(b'{"id":"late","data":{"n":1}}\n')
        return source

    monkeypatch.setattr(Reading, "open", open_and_add)
    table = night.settings.source.changed(path=(str(night.path.with_name(f"*{night.path.suffix}")),))
    report = await sync(night.settings.changed(source=table))
    assert late.exists()
    assert report.records == RecordCounts(read=30, updated=30)
    assert report.doubts == []


async def test_the_size_of_the_source_decides_who_reads(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = Readers(monkeypatch, pays=False)
    night = Night(tmp_path, server)
    await sync(night.settings)
    assert readers.asked == [night.path.stat().st_size]
    assert readers.started == []


def test_it_pays_from_sixteen_mebibytes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1})
    assert [module.pays(size) for size in (None, 0, PAYS_FROM_BYTES - 1, PAYS_FROM_BYTES)] == [False] * 3 + [True]
    assert PAYS_FROM_BYTES == 16 * 1024 * 1024


async def test_without_a_token_no_process_is_left(
    tmp_path: Path, second_process: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIMEPAY_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="TIMEPAY_TOKEN"):
        await sync(Night(tmp_path).settings)
    assert (len(second_process.started), second_process.all_gone) == (1, True)


async def test_beside_another_run_no_process_is_left(
    tmp_path: Path, server: StandInProcess, second_process: Readers
) -> None:
    night = Night(tmp_path, server)
    journal = SqliteJournal(night.state_dir)
    with pytest.raises(StateLocked):
        await sync(night.settings)
    journal.close()
    assert (len(second_process.started), second_process.all_gone) == (1, True)


async def test_a_run_that_is_stopped_leaves_no_process(
    tmp_path: Path, server: StandInProcess, second_process: Readers
) -> None:
    stop = Stop()
    stop.request(Interrupted("SIGTERM"))
    report = await sync(Night(tmp_path, server).settings, stop=stop)
    assert report.status == RunStatus.INTERRUPTED
    assert (len(second_process.started), second_process.all_gone) == (1, True)


async def test_a_source_that_is_not_there_starts_nothing(tmp_path: Path, second_process: Readers) -> None:
    night = Night(tmp_path)
    night.path.unlink()
    with pytest.raises(SourceMissing, match=r"loans\.ndjson"):
        await sync(night.settings)
    assert second_process.started == []


@pytest.mark.parametrize("fresh", [False, True])
async def test_an_interrupted_run_is_resumed_unless_it_shall_be_fresh(
    tmp_path: Path, server: StandInProcess, fresh: bool
) -> None:
    night = Night(tmp_path, server)
    night.interrupt()
    assert (await sync(night.settings, fresh=fresh)).resumes == int(not fresh)


async def test_a_limit_takes_the_first_records_and_makes_another_run(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    report = await sync(night.settings, limit=12)
    assert (report.limit, report.records.updated) == (12, 12)
    assert set(await asyncio.to_thread(night.arrived)) == set(night.first_ids(12))


async def test_what_is_for_no_campaign_counts_for_the_limit_and_is_not_all_there_is(
    tmp_path: Path, server: StandInProcess
) -> None:
    night = Night(tmp_path, server)
    for number, data in enumerate(night.loans.values()):
        data["whose"] = server.campaign_id if number % 3 == 2 else "nobody"
    await asyncio.to_thread(night.write)
    route = {"column": "whose", "campaigns": {server.campaign_id: server.campaign_id}}
    refused = await sync(night.settings_with(route=route, guard={"max_invalid": "100%"}), limit=12)
    skipped = await sync(night.settings_with(route=route | {"other": "skip"}), limit=12)
    assert (refused.records.read, refused.records.invalid, refused.records.updated) == (12, 8, 4)
    assert (skipped.records.read, skipped.records.filtered, skipped.records.updated) == (4, 8, 4)
    for report in (refused, skipped):
        assert report.unread.rows is report.inputs[0].rows is None
        assert (report.unread.bytes or 0) > 0


async def test_a_run_with_another_limit_is_another_run(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt()
    with pytest.raises(SourceUntrusted, match="begun without --limit; leave that out"):
        await sync(night.settings, limit=12)


async def test_progress_is_shown(tmp_path: Path, server: StandInProcess) -> None:
    display = Shown()
    await sync(Night(tmp_path, server).settings, display=display)
    assert display.snapshots[-1].records_done == 30
    assert display.closed == 1


@pytest.mark.parametrize(
    ("then", "typed"),
    [
        (NextSync(("--limit", "5"), continues=True), "bulk-sync sync --limit 5 -c 'my night.toml'"),
        (NextSync(("--limit", "5")), "bulk-sync sync -c 'my night.toml'"),
        (NextSync(problem="another source"), "bulk-sync sync --fresh -c 'my night.toml'"),
    ],
)
def test_what_goes_on_with_a_run_begins_as_the_program_was_started(
    then: NextSync, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bulk-sync"
    script.touch(mode=0o700)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert then.command("my night.toml") == typed
