"""One pass over a source of many campaigns, each compared with its own ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.reading.campaign_chunker import CampaignChunker
from engine.reading.compared_chunker import ComparedChunker, OneOfMany
from engine.reading.comparing import Comparing, Presence
from engine.reading.comparison import KeysOfCampaigns
from engine.reading.presence_of_campaigns import PresenceOfCampaigns
from engine.reading.recent_of_campaigns import RecentOfCampaigns, RecentOfOne
from engine.reading.repeated_ids import RepeatedIds
from engine.reading.routed_chunker import Open, RoutedChunker
from engine.reading.router import INVALID, first_seq
from engine.reading.routing import Routing
from engine.values import Block, Chunk


class RoutedComparison:
    """Cuts the pass into chunks of what has changed; the limits are as those of `Chunker`."""

    def __init__(
        self, routing: Routing, comparing: Comparing, *, batch_size: int, lines_bytes_max: int, concurrency: int = 8
    ) -> None:
        self._routing, self._comparing = routing, comparing
        self._limits = {"batch_size": batch_size, "lines_bytes_max": lines_bytes_max}
        self._recent, self._repeated = RecentOfCampaigns(concurrency), RepeatedIds()
        self._keys = KeysOfCampaigns()
        self._compared: dict[str, ComparedChunker] = {}
        self._noted = PresenceOfCampaigns()

    def cut(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """Yield the chunks of the pass.

        Raises:
            SourceUntrusted: there are too many campaigns.
        """
        yield from RoutedChunker(self._routing, self._begin, note=self._noted.note, **self._limits).cut(blocks)

    @property
    def presence(self) -> Presence:
        """Whose records there were, once all was read."""
        return self._noted.found({campaign: each.comparison for campaign, each in self._compared.items()})

    def _begin(self, number: int, campaign_id: str) -> Open:
        recent = RecentOfOne(self._recent)
        if number == INVALID:
            return CampaignChunker(number, "", recent, self._repeated, **self._limits)
        shared = OneOfMany(campaign_id, first_seq(number), recent, self._repeated, self._keys)
        compared = ComparedChunker(self._comparing.of(campaign_id), one_of_many=shared, **self._limits)
        self._compared[campaign_id] = compared
        return compared
