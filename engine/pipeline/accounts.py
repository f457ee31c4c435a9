"""The accounts of a run while it is under way: what was read, what is durable, and so what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.values import SEQ_BITS, Chunk, ChunkCounts, ChunkResult, RecordCounts


class CampaignAccounts:
    """Those of one campaign among many; see `Accounts`."""

    def __init__(self, number: int, durable: ChunkCounts | None = None) -> None:
        self.number = number
        """Which stands above the seq of its chunks."""
        self.durable = durable or ChunkCounts()
        self.read = 0
        self._durable_before = self.durable.read
        self._skipped = 0

    def skip(self, chunk: Chunk) -> None:
        """Note a chunk whose result was durable when this process began."""
        self._skipped += chunk.read

    @property
    def counts(self) -> RecordCounts:
        """The sums so far; what was read and has no durable result is pending."""
        pending = self.read - self._skipped - (self.durable.read - self._durable_before)
        return RecordCounts.of(self.durable, pending=pending)


class Accounts:
    """Counts over all processes of a run. `durable` are the sums of the results that earlier processes have left.

    Those of each campaign are `campaigns`, where there are many.
    """

    def __init__(self, durable: ChunkCounts, campaigns: Mapping[str, CampaignAccounts] | None = None) -> None:
        self.campaigns = dict(campaigns or {})
        """By their ids, as they were met; rows without a known campaign are in no one."""
        self.durable = durable
        """The sums of all durable results, kept up to date."""
        self.read = 0
        """Records of the chunks cut so far in this process, done before or not."""
        self.source_bytes = 0
        """Bytes of the source, as stored, that these chunks took."""
        self.skipped_bytes = 0
        """Those of the chunks whose results were durable when this process began, as far as it has passed them."""
        self.settled_bytes = 0
        """Those of the chunks to which this process has brought a durable result."""
        self.notes: dict[str, None] = {}
        """Doubts about the source that reading it has raised, each once, in their order."""
        self._durable_before = durable.read
        self._skipped = 0
        self._source_ended = False

    def reading(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Count chunks as they are cut; runs in the producer's thread."""
        for chunk in chunks:
            self.read += chunk.read
            if chunk.campaign_id:
                self.campaign_of(chunk).read += chunk.read
            self.source_bytes += chunk.source_bytes
            self.notes.update(dict.fromkeys(chunk.notes))
            yield chunk
        self._source_ended = True

    def skip(self, chunk: Chunk) -> None:
        """Note a chunk whose result was durable when this process began."""
        self._skipped += chunk.read
        if chunk.campaign_id:
            self.campaign_of(chunk).skip(chunk)
        self.skipped_bytes += chunk.source_bytes

    def settle(self, results: Sequence[ChunkResult]) -> None:
        """Take results that have become durable into the sums."""
        for result in results:
            counts = result.counts
            self.durable += counts
            self.settled_bytes += result.chunk.source_bytes
            if result.chunk.campaign_id:
                self.campaign_of(result.chunk).durable += counts

    def campaign_of(self, chunk: Chunk) -> CampaignAccounts:
        """Return the accounts of the campaign that a chunk is of."""
        known = self.campaigns.get(chunk.campaign_id)
        if known is None:
            known = self.campaigns[chunk.campaign_id] = CampaignAccounts(chunk.seq >> SEQ_BITS)
        return known

    @property
    def pending(self) -> int:
        """Records that this process has read and that have no durable result."""
        return self.read - self._skipped - (self.durable.read - self._durable_before)

    @property
    def counts(self) -> RecordCounts:
        """The sums so far; what was read and has no durable result is pending."""
        return RecordCounts.of(self.durable, pending=self.pending)

    @property
    def is_passing(self) -> bool:
        """Whether this process still reads what earlier ones have finished."""
        return self._skipped < self._durable_before

    def unread_bytes(self, total: int | None, *, whole: bool = True) -> int | None:
        """Return how many of the `total` bytes of the source were not read; None where that is not known.

        It is not known while this process has not passed all that earlier ones have read. `whole` means that reading
        comes to its end only at that of the source.
        """
        if self._source_ended and whole:
            return 0
        return None if total is None or self.is_passing else max(0, total - self.source_bytes)

    @property
    def finished(self) -> bool:
        """Whether every record of the source has a durable result: the run needs no other process."""
        return self._source_ended and self.pending == 0

    @property
    def is_read(self) -> bool:
        """Whether the source has come to its end."""
        return self._source_ended
