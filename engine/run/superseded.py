"""The guard against a wrong id column: then a handful of records would be sent, and all be called delivered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from engine.report import counted
from engine.run.guards import GuardWords
from engine.settings import Threshold
from engine.values import IDS_COUNTED_EXACTLY, Chunk, EngineError, SourceUntrusted

HELD_RECORDS = 100_000
"""Before so many records were read, or all there are, no share of ids that come again says much about the source."""

HELD_BYTES_MAX = 32 << 20
"""So many bytes of records are held back at the most until then."""

ANY_NUMBER = Threshold(percent=100.0)
"""With this limit nothing is held back: it is never exceeded."""

DOUBTFUL_SUPERSEDED = Threshold(percent=1.0)
"""If more ids come again, the summary says so."""


class SupersededGuard:
    """Judges how many records have an id that comes again: with a wrong id column it is nearly everything.

    Of a source that can be read twice nothing passes before its first `HELD_RECORDS` were judged. If these look wrong,
    and there are more, `recount` reads it once for that, as its first records may not be like the others. Later it is
    judged as soon as it is certain, by how many records there seem to be; and once more at the end.

    Like `InvalidGuard`, it looks at the whole source in every process of a run.

    Args:
        size: the bytes of the source, as stored, if they are known.
        recount: returns how many records there are and how many have an id that came before; None if that can't be.
    """

    def __init__(
        self,
        limit: Threshold,
        words: GuardWords,
        *,
        size: int | None = None,
        recount: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._limit, self._words = limit, words
        self._size, self._recount = size, recount
        self.records = 0
        """Records with an id that were read."""
        self.repeated = 0
        """Those whose id had come before."""
        self.has_ended = False
        """Whether these are all."""
        self._source_bytes = 0

    def inspected(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass chunks on, and none before enough was read.

        Raises:
            SourceUntrusted: so many ids come again that neither this chunk nor a later one should be sent.
        """
        left = iter(chunks)
        if self._recount is not None and self._limit != ANY_NUMBER:
            yield from self._first(left)
        for chunk in left:
            self.add(chunk)
            self._stop_if(self._exceeded(self.records, self.repeated, self._expected))
            yield chunk
        self.has_ended = True
        self._stop_if(self.exceeded())

    def add(self, chunk: Chunk) -> None:
        """Take note of a chunk."""
        self.records += chunk.read - len(chunk.refusals)
        self.repeated += chunk.seen_before
        self._source_bytes += chunk.source_bytes

    def exceeded(self) -> SourceUntrusted | None:
        """Return the reason to stop if, of all that was read, more ids come again than are allowed."""
        return self._exceeded(self.records, self.repeated, self.records)

    def doubt(self) -> str | None:
        """Return a sentence about ids that come again, if these are many."""
        if not DOUBTFUL_SUPERSEDED.exceeded(self.repeated, self.records):
            return None
        column = "is that the id of each?" if self._words.kind == "push" else "is source.id the right column?"
        return f"{self._repeated_text(self.records, self.repeated)}; {column}"

    def _first(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Take the first chunks and judge them; then pass them on. What the source raises comes behind them."""
        held: deque[Chunk] = deque()
        held_bytes = 0
        problem: EngineError | None = None
        try:
            for chunk in chunks:
                self.add(chunk)
                held.append(chunk)
                held_bytes += chunk.joined.size
                if self.records >= HELD_RECORDS or held_bytes >= HELD_BYTES_MAX:
                    break
            else:
                self.has_ended = True
        except EngineError as error:
            problem = error
        if problem is None:
            self._judge_first()
        while held:
            yield held.popleft()
        if problem is not None:
            raise problem

    def _judge_first(self) -> None:
        error = self.exceeded()
        if error is not None and not self.has_ended and self._recount is not None:
            records, repeated = self._recount()
            error = self._exceeded(records, repeated, records)
        self._stop_if(error)

    @property
    def _expected(self) -> int:
        """How many records there are at least as far as can be told."""
        if self._size and self._source_bytes:
            return max(HELD_RECORDS, round(self.records * max(1.0, self._size / self._source_bytes)))
        return max(HELD_RECORDS, self.records)

    def _exceeded(self, records: int, repeated: int, expected: int) -> SourceUntrusted | None:
        if not self._limit.exceeded(repeated, expected):
            return None
        values = "give each record its own" if self._words.kind == "push" else "look at source.id"
        return SourceUntrusted(
            f"{self._repeated_text(records, repeated)}. That is more than "
            f"{self._words.named('max_superseded', self._limit)} allows, as only the last values of each id stay: "
            f"{values}{self._words.check_shows('the ids')}, or accept it for this run: "
            f"{self._words.override('max_superseded', '100%')}"
        )

    @staticmethod
    def _repeated_text(records: int, repeated: int) -> str:
        ids = records - repeated
        about = "about " if ids > IDS_COUNTED_EXACTLY else ""
        return (
            f"{about}{repeated:,} of {counted(records, 'record')} have an id that comes again later in the source: "
            f"{about}{counted(ids, 'different id')}"
        )

    @staticmethod
    def _stop_if(error: SourceUntrusted | None) -> None:
        if error is not None:
            raise error
