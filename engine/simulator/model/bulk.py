"""The endpoint `PUT {base}/customer-data/bulk`: may the request pass, and what becomes of its records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from engine.simulator.model.faults import Fault, FaultPlan, Strike
from engine.simulator.model.ledger import Ledger
from engine.simulator.model.limits import RateLimit, Slots, retry_after
from engine.simulator.model.replies import Reply, Results, bend, error_reply, html_reply, json_reply, results_body
from engine.simulator.model.request_body import Record, Refused, Request, count, fated, parse, quoting
from engine.simulator.model.settings import Settings

UNREAD = frozenset(
    {Fault.RESET_AFTER_BODY, Fault.HANG, Fault.HTML_200, Fault.REDIRECT, Fault.STATUS, Fault.STATUS_HTML}
)
"""The faults that strike before anybody looks at the records."""


class BulkEndpoint:
    """Decides about bulk requests and applies them. It knows nothing of sockets."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.settings = settings
        self.ledger = ledger
        self.on_change: Callable[[], None] = lambda: None
        """Called when records were applied for which no reply is due any more."""
        self._slots = Slots(settings.capacity)
        self._started: float | None = None
        self._rate = RateLimit(*_rates(settings))
        self._faults = FaultPlan(*_faults(settings))

    def change(self, settings: Settings) -> None:
        """Take other settings; the limits and faults that they do not change go on as they were."""
        before, self.settings = self.settings, settings
        if _faults(before) != _faults(settings):
            self._faults = FaultPlan(*_faults(settings))
        if _rates(before) != _rates(settings):
            self._rate = RateLimit(*_rates(settings))
        self._slots.resize(settings.capacity)

    @property
    def now(self) -> float:
        """Seconds since the first bulk request."""
        if self._started is None:
            self._started = time.monotonic()
        return time.monotonic() - self._started

    @property
    def clock(self) -> float:
        """The server's wall clock, in seconds since 1970."""
        return time.time() + self.settings.clock_skew_s

    @property
    def outage(self) -> str:
        """The kind of the outage that goes on right now, or nothing."""
        begins, ends = self.settings.outage_span
        return self.settings.outage_kind if begins <= self.now < ends else ""

    def draw_fault(self) -> Strike | None:
        """Return what strikes the next request, if anything."""
        if self.outage in ("reset", "refused"):
            return Strike(Fault.RESET_BEFORE_BODY)
        return self._faults.draw()

    def admit(self, headers: Mapping[str, str], strike: Strike | None) -> Reply | None:
        """Return the reply to a request whose records nobody looks at, or None: it may pass."""
        wait_s = self._rate.take(self.now)
        if wait_s:
            reply = error_reply(self.settings.rate_status, "Too Many Requests", "Rate limit exceeded")
            header = retry_after(self.settings.retry_after, wait_s, self.clock)
            return reply if header is None else reply.with_headers(("Retry-After", header))
        if self.outage:
            return error_reply(503, "Service Unavailable", "The service is temporarily unavailable")
        if strike and strike.fault in UNREAD:
            return self._struck(strike)
        return self.refuse_access(headers)

    def _struck(self, strike: Strike) -> Reply:
        match strike.fault:
            case Fault.REDIRECT:
                return Reply(307, b"", (("Location", self.settings.redirect_to),))
            case Fault.STATUS_HTML:
                return html_reply(strike.status, f"Simulated {strike.status}")
            case Fault.HTML_200:
                return html_reply(200, "Please log in")
            case Fault.STATUS:
                return error_reply(strike.status, "Simulated", f"Simulated {strike.status}")
            case _:
                return error_reply(500, "Simulated", "This reply is never sent")

    def refuse_access(self, headers: Mapping[str, str]) -> Reply | None:
        """Return the reply to a request with a wrong token or organisation, or None: it may pass."""
        s = self.settings
        rotated = 0 < s.rotate_after < self.ledger.stats.requests
        if headers.get("Authorization") != f"Bearer {s.next_token if rotated else s.token}":
            return error_reply(401, "Unauthorized", "Invalid or expired token")
        if s.org and headers.get("x-org-id") != s.org:
            return error_reply(403, "Forbidden", "No access to this organisation")
        return None

    def rate_headers(self) -> list[tuple[str, str]]:
        """Return the rate limit headers of a reply sent now."""
        prefix = {"ratelimit": "RateLimit-", "x-ratelimit": "X-RateLimit-"}.get(self.settings.rate_headers)
        rate = self._rate.rate_at(self.now)
        if not prefix or not rate:
            return []
        window_s = self.settings.rate_window_s or 1
        reset_s = max(1, round(window_s - self.now % window_s))
        values = {"Limit": round(rate * window_s), "Remaining": self._rate.remaining(self.now), "Reset": reset_s}
        return [(prefix + name, str(value)) for name, value in values.items()]

    def look_at(self, body: bytes) -> Request | Reply:
        """Read a request's body, or return the reply that refuses it whole."""
        s = self.settings
        try:
            request = count(body, s.campaign) if s.count_only else parse(body)
        except ValueError:
            return error_reply(400, "Bad Request", "The body is not JSON with a campaignId and an array of records")
        self.ledger.stats.records += request.total
        if not s.knows(request.campaign):
            return error_reply(404, "Not Found", "Campaign not found")
        if request.campaign in s.forbidden_campaign:
            return error_reply(403, "Forbidden", "No access to this campaign")
        if request.campaign in s.closed_campaign:
            return error_reply(400, "Bad Request", f"Campaign {request.campaign} is closed")
        if not 1 <= request.total <= s.records_max:
            return error_reply(400, "Bad Request", f"records must have 1 to {s.records_max} items")
        poison = fated(request, "poison", s.poison, s.poison_share, s.seed)
        if poison:
            return error_reply(s.poison_status, "Bad Request", quoting(poison[0]) if s.quote else "Update failed")
        return request

    async def serve(self, request: Request, strike: Strike | None) -> Reply:
        """Wait for a turn, update the records, take the time it takes, and return what to reply."""
        s = self.settings
        async with self._slots:
            reply = self._update(request, strike)
            await asyncio.sleep(s.latency_ms / 1e3 + request.total * s.latency_per_record_us / 1e6)
        return reply

    def _update(self, request: Request, strike: Strike | None) -> Reply:
        """Update what is to be updated and return the reply, true or not."""
        s, fault, total = self.settings, strike.fault if strike else None, request.total
        unlucky = fated(request, "reject", s.reject, s.reject_share, s.seed)
        accepted = [one for one in request.valid if one not in set(unlucky)] if unlucky else request.valid
        if fault is Fault.ALL_FAILED_500:
            unlucky, accepted = request.valid, []
        elif fault in (Fault.COUNTS_LIE, Fault.ERRORS_UNNAMED):
            unlucky, accepted = [*unlucky, *accepted[-1:]], accepted[:-1]
        elif fault is Fault.TOTAL_LIE:
            dropped = len(accepted) // 2
            accepted, total = accepted[: len(accepted) - dropped], total - dropped
        if strike and strike.fault is Fault.STATUS_THEN_APPLY:
            asyncio.get_running_loop().call_later(s.late_s, self._apply_late, accepted, request.campaign)
            return html_reply(strike.status, f"Simulated {strike.status}")
        self.ledger.apply(accepted, self.whose(request.campaign))
        plain = "the record could not be updated"
        rejected = [Refused(one.position, one.id, quoting(one) if s.quote else plain) for one in unlucky]
        return self._results_reply(Results(total, request.invalid, rejected, self._conflicts(total)), strike)

    def _apply_late(self, accepted: Sequence[Record], campaign: object) -> None:
        self.ledger.apply(accepted, self.whose(campaign))
        self.on_change()

    def campaigns(self) -> dict[str, int]:
        """Return the campaigns that the token may see, and how many rows each holds."""
        s, rows = self.settings, self.ledger.campaigns()
        named = (s.campaign, *s.other_campaign, *s.closed_campaign)
        known = [campaign for campaign in named if not campaign.endswith("*")]
        known += [campaign for campaign in rows if campaign and campaign not in known]
        return {campaign: rows.get(self.whose(campaign), 0) for campaign in known}

    def whose(self, campaign: object) -> str:
        """Return what the ledger calls a campaign: nothing if it is the one that there always is."""
        return "" if campaign == self.settings.campaign else str(campaign)

    def _conflicts(self, total: int) -> int:
        """Return how many records met version conflicts: 1 % for each request in flight above the threshold."""
        threshold = self.settings.conflicts_above
        return max(0, self.ledger.stats.in_flight - threshold) * total // 100 if threshold else 0

    def _results_reply(self, results: Results, strike: Strike | None) -> Reply:
        """Return the reply to a request whose records were looked at, with the status that suits it."""
        body = results_body(results, self.settings.error_shape)
        failed = body["results"]["failed"]
        status = self.settings.partial_status if failed else 200
        if failed == results.total:
            status = self.settings.all_failed_status or status
        if strike and strike.fault is Fault.ALL_FAILED_500:
            status = 500
        if strike and strike.fault is Fault.STATUS_AFTER_APPLY:
            return error_reply(strike.status, "Simulated", f"Simulated {strike.status}")
        return json_reply(status, bend(body, strike.fault) if strike else body)


def _rates(settings: Settings) -> tuple[float, float, float, str, float]:
    return settings.rate, settings.burst, settings.rate_window_s, settings.rate_schedule, settings.rate_sliding_s


def _faults(settings: Settings) -> tuple[tuple[str, ...], int]:
    return (*settings.fault, f"503:{settings.error_share}"), settings.seed
