"""Which campaign each row of a block is for, and how many of its records were read before: as a run routes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.reading import CAMPAIGNS_MAX, SKIPPED, Router, Routing
from engine.values import Block, Refusal

NOWHERE = ""
"""What stands for the campaign of rows that are for none."""


class RowsOfCampaigns:
    """Those of one pass over a source: of all its campaigns, or without a `routing`, of the only one."""

    def __init__(self, routing: Routing | None, campaign_id: str) -> None:
        self._router = Router(routing) if routing is not None else None
        self._campaign_id = campaign_id
        self._numbers = np.empty(0, np.int16)
        """Of the campaigns of the block's records; 1 stands for the only one."""
        self._refused: list[tuple[Refusal, int]] = []
        self._read = np.zeros(CAMPAIGNS_MAX + 1, np.int64)
        """How many records and refusals of each campaign were read before the records of the block."""

    def take(self, block: Block) -> None:
        """Go on to the next block.

        Raises:
            SourceUntrusted: there are too many campaigns.
        """
        self._count(self._numbers)
        router = self._router
        if router is None:
            self._numbers = np.ones(len(block.ids), np.int16)
            self._refused = [(refusal, 1) for refusal in block.refusals]
        else:
            self._numbers = router.numbers(block.routed_by or ())
            self._refused = [(refusal, router.number(refusal.routed_by)) for refusal in block.refusals]
        self._count(np.array([number for _, number in self._refused], np.int16))  # as chunks count: they come first

    def _count(self, numbers: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        self._read += np.bincount(numbers[numbers > 0], minlength=len(self._read))

    @property
    def of_left_out(self) -> str:
        """The campaign of rows that `source.where` leaves out: nobody asks what they were for."""
        return NOWHERE if self._router is not None else self._campaign_id

    def refused(self) -> Iterator[tuple[Refusal, str, bool]]:
        """Yield the refused rows of the block, each with its campaign, and whether `route.other` leaves it out."""
        for refusal, number in self._refused:
            yield refusal, self._campaign(number), number == SKIPPED

    def of_record(self, index: int) -> tuple[str, int]:
        """Return the campaign of a record of the block, and how many records of that were read before it."""
        number = int(self._numbers[index])
        before = int(np.count_nonzero(self._numbers[:index] == number))
        return self._campaign(number), int(self._read[max(0, number)]) + before

    def why_nowhere(self, index: int) -> tuple[str, str]:
        """Return what becomes of a record that is for no campaign, and why."""
        if self._router is None or self._numbers[index] == SKIPPED:
            return "filtered", "route.other leaves it out"
        return "invalid", self._router.routing.complaint

    def _campaign(self, number: int) -> str:
        return self._campaign_id if self._router is None else self._router.campaign(number)
