"""Which record is for which campaign? By a text that its source tells of it. Pure.

Campaigns are numbered from 1 on, the same way in every pass over the same source: those that the settings name in
their order, others as they are met.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.reading.routing import Routing
from engine.values import CAMPAIGN_ID_BYTES_MAX, SEQ_BITS, SourceUntrusted

CAMPAIGNS_MAX = 10_000
"""A column that holds more different values does not tell campaigns."""

INVALID, SKIPPED = 0, -1
"""What stands for a record that is for no campaign: refused, or left out on purpose."""

Numbers = NDArray[np.int16]


class Router:
    """Knows the number of each text, and the campaign of each number."""

    def __init__(self, routing: Routing) -> None:
        self.routing = routing
        self._campaigns = [""]
        self._numbers = _NumberOfText(self)
        self._number_of: dict[str, int] = {}
        for text, campaign_id in (routing.campaigns or {}).items():
            self._numbers[text] = self._number(campaign_id)
        self._other = {"invalid": INVALID, "skip": SKIPPED}.get(routing.other)
        if self._other is None:
            self._other = self._number(routing.other)
        self._numbers[""] = self._other

    def campaign(self, number: int) -> str:
        """Return the id of a campaign; empty for what is for none."""
        return self._campaigns[max(0, number)]

    def numbers(self, texts: Sequence[str]) -> Numbers:
        """Return the campaign of each record, or that it is for none.

        Raises:
            SourceUntrusted: there are too many campaigns.
        """
        return np.fromiter(map(self._numbers.__getitem__, texts), np.int16, len(texts))

    def number(self, text: str | None) -> int:
        """Return the campaign of a row that is no record; it is for none if its text can't be read."""
        return INVALID if text is None else self._numbers[text]

    def of_new(self, text: str) -> int:
        """Return the number of a text that was not met before."""
        is_id = self.routing.campaigns is None and len(text.encode()) <= CAMPAIGN_ID_BYTES_MAX
        return self._number(text) if is_id else self._other or INVALID

    def _number(self, campaign_id: str) -> int:
        number = self._number_of.setdefault(campaign_id, len(self._campaigns))
        if number == len(self._campaigns):
            if number > CAMPAIGNS_MAX:
                raise SourceUntrusted(
                    f"the column {self.routing.column!r} names more than {CAMPAIGNS_MAX:,} campaigns: is it the right "
                    "one for route.column?"
                )
            self._campaigns.append(campaign_id)
        return number


class _NumberOfText(dict[str, int]):
    """Numbers by texts; a new one is asked for."""

    def __init__(self, router: Router) -> None:
        super().__init__()
        self._router = router

    def __missing__(self, text: str) -> int:
        number = self._router.of_new(text)
        if number > 0 and self._router.routing.campaigns is None:
            self[text] = number  # but not what may be different in every row
        return number


def first_seq(number: int) -> int:
    """Return the first seq of the chunks of a campaign."""
    return number << SEQ_BITS


def apart(numbers: NDArray[np.uint64], campaign: int | NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the numbers of ids so that they differ from campaign to campaign; of one, or of one for each of them."""
    different: NDArray[np.uint64] = numbers ^ np.atleast_1d(campaign).astype(np.uint64) * _ODD
    return different


_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Spreads small numbers over all bits."""
