"""A pass over the whole source before a run begins: seen by who watches, and ended by a wish to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.outlets.progress import ProgressSnapshot
from engine.run import counting as module
from engine.run.counting import CountedSource, counting
from engine.sources.files import open_source
from engine.sources.protocol import Source
from engine.sources.spec import SourceSpec
from engine.values import Block
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.run.runs import Shown


class SlowSource:
    """A source that yields a block each time it may."""

    label = "slow.csv"
    paths = ("slow.csv",)

    def __init__(self) -> None:
        self.may_go_on = threading.Semaphore(0)
        self.begun: list[int] = []

    def size(self) -> int:
        return 300

    def sizes(self) -> dict[str, int]:
        return {"slow.csv": 300}

    def digests(self) -> dict[str, str]:
        return {}

    def modified_at(self) -> float:
        return 1.0

    def blocks(self) -> Iterator[Block]:
        for number in range(3):
            self.begun.append(number)
            assert self.may_go_on.acquire(timeout=60)
            yield Block([str(number)], b"", [], source_bytes=100)


class Watching(Shown):
    """A display that lets the source go on when it has shown all blocks so far."""

    def __init__(self, source: SlowSource) -> None:
        super().__init__()
        self._source = source
        self._let_go = 0

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Show it."""
        super().update(snapshot, now=now)
        if snapshot.records_read == self._let_go:
            self._let_go += 1
            self._source.may_go_on.release()


def exhaust(source: Source) -> int:
    return sum(len(block.ids) for block in source.blocks())


async def test_whoever_watches_sees_it_advance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.0)
    source = SlowSource()
    display = Watching(source)
    async with counting(source, Stop(), display) as counted:
        assert await asyncio.to_thread(exhaust, counted) == 3
    seen = [(shown.records_read, shown.source_bytes_read) for shown in display.snapshots]
    assert {(0, 0), (1, 100), (2, 200)} <= set(seen)
    assert all("guard.min_records" in (shown.waiting or "") for shown in display.snapshots)
    assert display.snapshots[-1].source_bytes_total == 300


async def test_a_display_that_fails_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Watching):
        def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
            super().update(snapshot, now=now)
            raise TypeError

    monkeypatch.setattr(module, "TICK_S", 0.0)
    source = SlowSource()
    async with counting(source, Stop(), Failing(source)) as counted:
        assert await asyncio.to_thread(exhaust, counted) == 3
    assert [record.getMessage() for record in caplog.records] == ["not_shown"]


async def test_a_wish_to_stop_ends_it_at_the_next_block() -> None:
    source, stop = SlowSource(), Stop()
    stop.request(Interrupted("stopped by SIGTERM"))
    source.may_go_on.release()
    with pytest.raises(Interrupted, match="SIGTERM"):
        await asyncio.to_thread(exhaust, CountedSource(source, stop))
    assert source.begun == [0]


def test_it_is_the_source_in_everything_else(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,x\n1,2\n")
    source = open_source(SourceSpec((str(tmp_path / "a.csv"),), id="id"))
    counted = CountedSource(source, Stop())
    for name in ("label", "paths"):
        assert getattr(counted, name) == getattr(source, name)
    for name in ("size", "sizes", "modified_at"):
        assert getattr(counted, name)() == getattr(source, name)()
    assert list(counted.blocks()) == list(source.blocks())
