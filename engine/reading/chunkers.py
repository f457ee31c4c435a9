"""Which chunker cuts a pass: for one campaign or for many, compared with a ledger or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.reading.chunker import Chunker
from engine.reading.comparing import Comparing, Presence
from engine.reading.routing import Routing
from engine.values import Block, Chunk


class Cut:
    """One pass over a source: its chunks, and in the end whose records there were, if it was compared."""

    def __init__(
        self, routing: Routing | None, comparing: Comparing | None, *, batch_size: int, limits: Mapping[str, int]
    ) -> None:
        self._routing, self._comparing = routing, comparing
        self._batch_size, self._limits = batch_size, limits
        self.presence: Presence | None = None

    def chunks(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """Yield the chunks.

        Raises:
            EngineError: what reading the source raises.
        """
        if self._routing is not None and self._comparing is not None:
            from engine.reading.routed_comparison import RoutedComparison  # here, for the same reason

            routed = RoutedComparison(self._routing, self._comparing, batch_size=self._batch_size, **self._limits)
            yield from routed.cut(blocks)
            self.presence = routed.presence
        elif self._routing is not None:
            from engine.reading.routed_chunker import routed_chunks  # here: it takes numpy, and long to import

            yield from routed_chunks(blocks, self._routing, batch_size=self._batch_size, **self._limits)
        elif self._comparing is None:
            yield from Chunker(batch_size=self._batch_size, **self._limits).cut(blocks)
        else:
            from engine.reading.compared_chunker import ComparedChunker  # here, for the same reason

            compared = ComparedChunker(self._comparing, batch_size=self._batch_size, one_of_many=None, **self._limits)
            yield from compared.cut(blocks)
            self.presence = compared.comparison.presence
