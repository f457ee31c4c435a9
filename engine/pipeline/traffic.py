"""Everything between the uploader workers and the API, stacked in one place, and what others may look at of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf

from engine.api import BulkApi
from engine.pacing import Limiter, RetryPolicy, Turnstile
from engine.pipeline.accepted import Accepted
from engine.pipeline.availability import Availability
from engine.pipeline.delivery import Isolation
from engine.pipeline.late_copies import LateCopies
from engine.pipeline.refused_campaigns import RefusedCampaigns
from engine.pipeline.retried import Retried
from engine.pipeline.sending import Attempt, Observed, Observer, Paced, Proven
from engine.values import RequestCounts, Stop


class Traffic:
    """What all requests of a run share: limits, retries, counts. Belongs to one event loop.

    `stop` ends all waiting, `time_left_s` is until the deadline of the run, and `requests` is what earlier processes of
    the run have counted; `late_copies` what they have left, and after how long a request can land no more. With many
    campaigns, `campaigns` says which of them take nothing more, and `campaign_requests` has the counts of each.
    """

    def __init__(
        self,
        *,
        limiter: Limiter,
        policy: RetryPolicy,
        stop: Stop,
        time_left_s: Callable[[], float] = lambda: inf,
        requests: RequestCounts | None = None,
        late_copies: LateCopies | None = None,
        campaigns: RefusedCampaigns | None = None,
        campaign_requests: Mapping[str, RequestCounts] | None = None,
    ) -> None:
        self.limiter = limiter
        self.late_copies = late_copies or LateCopies(0.0)
        self.requests = replace(requests) if requests else RequestCounts()
        self.availability = Availability()
        self.turnstile = Turnstile(limiter, self.availability.breaker, stop)
        self.campaigns = campaigns or RefusedCampaigns([""] if self.requests.succeeded else [])
        self.campaign_requests: dict[str, RequestCounts] = defaultdict(RequestCounts)
        """Those of each campaign, where there are many."""
        self.touched: set[str] = set()
        """The campaigns whose counts have changed since somebody has cleared this."""
        for campaign_id, counts in (campaign_requests or {}).items():
            self.campaign_requests[campaign_id] = replace(counts)
        self.isolation = Isolation(self.campaigns)
        self.observers: list[Observer] = [
            self.availability.observe,
            lambda attempt: limiter.learn(attempt.signal),
            self._measure,
        ]
        """Who hears of every finished attempt, from whichever way it went."""
        self._policy = policy
        self._stop = stop
        self._time_left_s = time_left_s

    def _counts_of(self, campaign_id: str) -> RequestCounts:
        """Return the counts of a campaign, to be changed now."""
        self.touched.add(campaign_id)
        return self.campaign_requests[campaign_id]

    def _measure(self, attempt: Attempt) -> None:
        """Learn which sizes are answered in time."""
        if attempt.answer.trouble is None:
            self.isolation.size.passed(len(attempt.request.elements), attempt.answer.took_s)

    def over(self, api: BulkApi) -> Retried:
        """Return the way to `api`: what a request does besides being sent, the innermost first."""
        turnstile = self.turnstile
        observed = Observed(
            Proven(api),
            self.requests,
            lambda: turnstile.in_flight,
            self.observers,
            self.late_copies,
            campaign_counts=self._counts_of,
        )
        accepted = Accepted(Paced(observed, turnstile), api.renew_token, self._stop, campaigns=self.campaigns)
        return Retried(
            accepted,
            availability=self.availability,
            policy=self._policy,
            time_left_s=self._time_left_s,
            stop=self._stop,
        )
