"""Somebody watches a run while it is under way: shows how far it is, takes samples, and stops it at its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.outlets import Harmless, ProgressDisplay, ProgressHistory, ProgressSnapshot, get_logger
from engine.pipeline import Accounts, Traffic
from engine.run.beside import beside
from engine.run.clock import Deadline, WorkClock
from engine.run.telemetry import SAMPLE_S, Telemetry, found_words
from engine.values import Stop

TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks at a run every `TICK_S` seconds. `total_bytes` is the size of its source, if it is known.

    Whatever fails in a look is logged and left out: the run goes on, stops at its deadline, and has its end.
    """

    accounts: Accounts
    traffic: Traffic
    telemetry: Telemetry
    clock: WorkClock
    deadline: Deadline
    total_bytes: int | None
    records_wanted: int | None = None
    display: ProgressDisplay
    stop: Stop
    _history: ProgressHistory = field(default_factory=ProgressHistory, init=False)
    _harmless: Harmless = field(default_factory=lambda: Harmless("watching the run"), init=False)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Watch as long as the context lasts; look once more at its end, and close the display."""
        try:
            async with beside(self._tick()):
                yield
        finally:
            self._sample()
            self._look(now=True)
            with self._harmless:
                self.display.close()

    async def _tick(self) -> None:
        sample_at = self.clock.now() + SAMPLE_S
        while True:
            self._look()
            if self.clock.now() >= sample_at:
                sample_at += SAMPLE_S
                self._sample()
            if self.deadline.left_s() <= 0:
                self.stop.request(self.deadline.passed())
            await asyncio.sleep(TICK_S)

    def _look(self, *, now: bool = False) -> None:
        with self._harmless:
            self.telemetry.look(stopping=self.stop.requested)
            self.display.update(self._snapshot(), now=now)

    def _sample(self) -> None:
        with self._harmless:
            self.telemetry.sample(self.accounts.durable.updated)

    def _snapshot(self) -> ProgressSnapshot:
        accounts, traffic, durable = self.accounts, self.traffic, self.accounts.durable
        eta_s = self._history.eta_s
        snapshot = ProgressSnapshot(
            elapsed_s=self.clock.elapsed_s,
            records_read=max(accounts.read, durable.read),
            records_done=durable.read,
            records_wanted=self.records_wanted,
            source_bytes_read=accounts.source_bytes,
            source_bytes_done=accounts.skipped_bytes + accounts.settled_bytes,
            source_bytes_skipped=accounts.skipped_bytes,
            source_bytes_total=self.total_bytes,
            in_flight=traffic.turnstile.in_flight,
            in_flight_max=traffic.turnstile.in_flight_peak,
            throttles=traffic.requests.throttled,
            retries=traffic.availability.retries,
            not_accepted=durable.not_accepted,
            waiting=self._why_waiting(),
            limit=found_words(traffic.limiter.found),
            deadline_forecast=self.deadline.forecast(eta_s) if eta_s is not None else None,
        )
        self._history.add(snapshot)
        if snapshot.deadline_forecast and self.deadline.warn_once():
            get_logger().warning("deadline_at_risk", message=snapshot.deadline_forecast)
        return snapshot

    def _why_waiting(self) -> str | None:
        traffic = self.traffic
        quiet_s = traffic.limiter.quiet_until - self.clock.now()
        if quiet_s > TICK_S:
            return f"the API asked for silence, {quiet_s:.0f} s left"
        if self.accounts.is_passing and not traffic.turnstile.in_flight:
            return "reading up to where the run was interrupted"
        if traffic.availability.breaker.is_open:
            return f"the API has been failing for {traffic.availability.outage_s:.0f} s, probing"
        if (held_back := traffic.late_copies.held_back) and not self.stop.requested:
            left_s = max(0.0, held_back.until - self.clock.now())
            return f"an older copy of the next values may still be applied, {left_s:.0f} s left"
        return "finishing what is in flight" if self.stop.requested else None
