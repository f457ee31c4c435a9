"""Campaigns that take nothing more in a run, while the others go on: their records stay pending. Pure.

A campaign is refused if the API says so (403, 404), if it has refused a dozen requests for it and accepted none, or if
a guard has had enough of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from http import HTTPStatus

from engine.pipeline.access import Access
from engine.values import AccessRefused, CampaignMissing, EngineError

REFUSALS_MAX = 12
"""So many requests of a campaign may be refused before one is accepted."""

REFUSES_CAMPAIGN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""What the API says of a campaign; every other refusal of access is about all of them."""


class CampaignRefused(Exception):
    """The campaign of a request takes nothing more: nothing was sent, or what came back was just that."""


class RefusedCampaigns:
    """Those of one process, by their ids. With one campaign only, whose id is empty here, the run ends instead.

    `served_earlier` are the campaigns that have accepted records from earlier processes of the run.
    """

    def __init__(self, served_earlier: Collection[str] = ()) -> None:
        self.errors: dict[str, EngineError] = {}
        """Why each of them is refused."""
        self._served_earlier = frozenset(served_earlier)
        self._served: set[str] = set()
        self._refusals: Counter[str] = Counter()
        self._access: dict[str, Access] = defaultdict(Access)

    def access(self, campaign_id: str) -> Access:
        """Return what is known of the access to a campaign."""
        if campaign_id not in self._access:
            self._access[campaign_id] = Access(succeeded_earlier=campaign_id in self._served_earlier)
        return self._access[campaign_id]

    def check(self, campaign_id: str) -> None:
        """Go on only if a campaign is not refused.

        Raises:
            CampaignRefused: it is.
        """
        if campaign_id in self.errors:
            raise CampaignRefused

    def accepts(self, campaign_id: str) -> bool:
        """Whether anything was ever accepted for a campaign, as far as the run knows."""
        return not campaign_id or campaign_id in self._served or campaign_id in self._served_earlier

    def served(self, campaign_id: str) -> None:
        """A request of a campaign was answered as documented, record by record."""
        self._served.add(campaign_id)

    def refused(self, campaign_id: str, http_status: int) -> None:
        """A request of a campaign was refused whole, perhaps for the sake of a record.

        Raises:
            CampaignRefused: that is no reason any more.
        """
        if self.accepts(campaign_id):
            return
        self._refusals[campaign_id] += 1
        if self._refusals[campaign_id] >= REFUSALS_MAX:
            self.end(
                campaign_id,
                AccessRefused(
                    f"campaign {campaign_id}: the API has refused {REFUSALS_MAX} requests (HTTP {http_status}) and "
                    "accepted none; check that it takes updates"
                ),
            )
            raise CampaignRefused

    def refused_by(self, campaign_id: str, http_status: int) -> None:
        """The API refuses a campaign with one of the statuses that say so.

        Raises:
            CampaignRefused: in any case.
        """
        if http_status == HTTPStatus.NOT_FOUND:
            words = "the API does not know it (HTTP 404); check [route]"
            self.end(campaign_id, CampaignMissing(f"campaign {campaign_id}: {words}"))
        else:
            words = f"the API refused access (HTTP {http_status}); check that the token may write to it"
            self.end(campaign_id, AccessRefused(f"campaign {campaign_id}: {words}"))
        raise CampaignRefused

    def end(self, campaign_id: str, error: EngineError) -> None:
        """Let nothing more of a campaign be sent."""
        self.errors.setdefault(campaign_id, error)
