"""Blocks in, chunks of single campaigns out: one is open for each campaign that was met. Pure.

What waits in open chunks is bounded by bytes: some full ones may (`Routing.open_chunks`), then the fullest is closed
first. That is looked at after so many records, counted from the first one (`_stride`), so that where chunks are cut
depends on the records and the limits alone, as in `chunker.py`. Chunks of rows that are for no campaign have no
records, and the number 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

from engine.reading.campaign_chunker import CampaignChunker
from engine.reading.recent_of_campaigns import RecentOfCampaigns, RecentOfOne
from engine.reading.repeated_ids import RepeatedIds
from engine.reading.router import Router
from engine.reading.routing import Routing
from engine.reading.split_blocks import halved, joined, split_block
from engine.values import Block, Chunk, first_place

CAMPAIGNS_A_STRIDE = 100
"""With so many campaigns, a chunk's worth of records is told apart at once; with more, more: each time costs something
for each campaign."""

STRIDE_CHUNKS_MAX = 4
"""More chunks' worth of records are never told apart at once: ten would save another sixth of the time with a thousand
campaigns, and take 60 MB more."""


class Open(Protocol):
    """What is open of a campaign."""

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of lines wait."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""

    def add(self, block: Block) -> Iterator[Chunk]:
        """Take the next records; yield the chunks that they complete."""
        ...

    def close(self) -> Chunk:
        """Close what waits as a chunk."""
        ...


def routed_chunks(
    blocks: Iterable[Block], routing: Routing, *, batch_size: int, lines_bytes_max: int, concurrency: int = 8
) -> Iterator[Chunk]:
    """Yield the chunks of one pass over a source; the limits are as those of `Chunker`.

    Raises:
        SourceUntrusted: there are too many campaigns.
    """
    recent, repeated = RecentOfCampaigns(concurrency), RepeatedIds()
    begin = partial(_begun, recent=recent, repeated=repeated, batch_size=batch_size, lines_bytes_max=lines_bytes_max)
    chunker = RoutedChunker(routing, begin, batch_size=batch_size, lines_bytes_max=lines_bytes_max)
    yield from chunker.cut(blocks)


def _begun(number: int, campaign_id: str, *, recent: RecentOfCampaigns, **shared: Any) -> CampaignChunker:
    return CampaignChunker(number, campaign_id, RecentOfOne(recent), **shared)


class RoutedChunker:
    """Cuts the blocks of one pass over a source into chunks.

    Args:
        routing: says which record is for which campaign.
        begin: makes what is open of a campaign, of its number and its id.
        batch_size: how many records a chunk holds at the most.
        lines_bytes_max: how many bytes its lines are at the most.
        note: is told of each part of a block, and the number of its campaign.
    """

    def __init__(
        self,
        routing: Routing,
        begin: Callable[[int, str], Open],
        *,
        batch_size: int,
        lines_bytes_max: int,
        note: Callable[[int, Block], None] = lambda *_: None,
    ) -> None:
        self._router, self._begin, self._note = Router(routing), begin, note
        self._open_chunks = routing.open_chunks
        self._batch_size, self._lines_bytes_max = batch_size, lines_bytes_max
        self._open: dict[int, Open] = {}
        self._records = self._bytes = 0
        """Of all that was told apart so far."""
        self._look_at = batch_size
        """At so many records it is time to look at what waits."""
        self._waiting_bytes = 0

    def cut(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """Yield the chunks of one whole pass over a source.

        Raises:
            SourceUntrusted: there are too many campaigns.
        """
        for block in self._strides(blocks):
            for number, records in split_block(block, self._router):
                yield from self._add(number, records)
            self._records += len(block.ids)
            self._bytes += len(block.lines) + bool(block.ids)
            if self._records == self._look_at:
                yield from self._close_fullest()
                self._look_at += self._stride()
        for number in sorted(self._open, reverse=True):
            if not self._open[number].is_empty:
                yield self._open[number].close()

    def _stride(self) -> int:
        """Return how many records are told apart next."""
        return self._batch_size * min(max(1, len(self._open) // CAMPAIGNS_A_STRIDE), STRIDE_CHUNKS_MAX)

    def _strides(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Put blocks together, or cut them, so that one ends where it is time to look. Each is of one file."""
        waiting: list[Block] = []
        for block in blocks:
            before = next((each for each in reversed(waiting) if each.ids), None)
            if before is not None and block.ids and first_place(before.spans).path != first_place(block.spans).path:
                yield joined(waiting)
                waiting = []
            rest: Block | None = block
            while rest is not None and len(rest.ids) >= (
                left := self._look_at - self._records - sum(len(each.ids) for each in waiting)
            ):
                part, rest = halved(rest, left) if len(rest.ids) > left else (rest, None)
                yield joined([*waiting, part])
                waiting = []
            waiting += [rest] if rest is not None else []
        if waiting:
            yield joined(waiting)

    def _add(self, number: int, part: Block) -> Iterator[Chunk]:
        if number not in self._open:
            self._open[number] = self._begin(number, self._router.campaign(number))
        campaign = self._open[number]
        self._note(number, part)
        before = campaign.waiting_bytes
        yield from campaign.add(part)
        self._waiting_bytes += campaign.waiting_bytes - before

    def _close_fullest(self) -> Iterator[Chunk]:
        """Close chunks until no more wait than may."""
        full = min(self._lines_bytes_max, self._bytes * self._batch_size // self._records)
        if self._waiting_bytes <= self._open_chunks * full:
            return
        for fullest in sorted(self._open.values(), key=lambda campaign: campaign.waiting_bytes, reverse=True):
            self._waiting_bytes -= fullest.waiting_bytes
            yield fullest.close()
            if self._waiting_bytes <= self._open_chunks * full:
                return
