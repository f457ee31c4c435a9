"""Whose records a routed pass has met, campaign by campaign: found out once it has come to its end.

An id that a campaign has lost may stand under another one tonight, or in a row that is no record: nobody may take it
for gone then. During the pass only some bits are noted for each id; they are looked up for those that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.ledger import KeysBefore
from engine.reading.comparing import Presence
from engine.reading.comparison import Comparison, Indexes, Numbers, beside_records
from engine.reading.recent_ids import numbers_of_ids
from engine.reading.router import apart
from engine.values import Block


class PresenceOfCampaigns:
    """Notes all that a pass comes by. Now and then it takes a missing id for one that is there, never the reverse."""

    def __init__(self) -> None:
        self._everywhere, self._beside_records = KeysBefore(), KeysBefore()
        self._unidentified = 0

    def note(self, number: int, part: Block) -> None:
        """Take note of a part of a block, which is of the campaign with this number."""
        if len(part.ids):
            numbers = numbers_of_ids(part.ids) if part.id_numbers is None else _common(part.id_numbers, number)
            self._everywhere.add(numbers)
        ids, unidentified = beside_records(part)
        self._unidentified += unidentified
        if ids:
            self._beside_records.add(numbers_of_ids(ids))

    def found(self, campaigns: Mapping[str, Comparison]) -> Presence:
        """Return whose records there were, when each campaign was compared so."""
        presences = {}
        for campaign_id, compared in campaigns.items():
            entries, ids = compared.missing()
            moved: dict[str, Indexes] = {}
            if len(entries):
                numbers = numbers_of_ids(ids)
                is_beside = self._beside_records.may_have(numbers)
                compared.meet(entries[is_beside])
                left = np.flatnonzero(~is_beside & self._everywhere.may_have(numbers))
                moved = _moved(campaign_id, entries[left], [ids[index] for index in left.tolist()], campaigns)
            presences[campaign_id] = Presence(
                compared.presence.seen,
                self._unidentified,
                moved={other: some.tobytes() for other, some in moved.items() if len(some)},
            )
        return Presence(b"", self._unidentified, campaigns=presences)


def _common(numbers: bytes, campaign: int) -> Numbers:
    """Return the numbers of ids as they are in every campaign."""
    return apart(np.frombuffer(numbers, np.uint64), campaign)


def _moved(
    campaign_id: str, entries: Indexes, ids: list[str], campaigns: Mapping[str, Comparison]
) -> dict[str, Indexes]:
    """Return which of the missing entries of a campaign stand under which other one."""
    found: dict[str, Indexes] = {}
    for other, compared in campaigns.items():
        if not ids:
            break
        if other == campaign_id:
            continue
        stands = compared.has_met(ids)
        found[other] = entries[stands]
        entries = entries[~stands]
        ids = [record_id for record_id, is_there in zip(ids, stands.tolist(), strict=True) if not is_there]
    return found
