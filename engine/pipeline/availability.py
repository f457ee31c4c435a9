"""Whether the API is there: what each attempt says about it, and how long a retry has to wait for its sake."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from engine.api import Fatal, RefusedWhole, Settled, Trouble, TryAgain, Unproven
from engine.pacing import Breaker, RetryBudget
from engine.pipeline.sending import Attempt
from engine.values import Stop


class Availability:
    """Watches all attempts. Belongs to one event loop."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self.breaker = Breaker()
        self.retries = 0
        """Requests that repeated an earlier one."""
        self._budget = RetryBudget(self._clock())
        self._recovery = asyncio.Event()  # set, and replaced by a new one, when the API answers after an outage

    def observe(self, attempt: Attempt) -> None:
        """Take note of a finished attempt."""
        verdict = attempt.answer.verdict
        if isinstance(verdict, TryAgain) and verdict.trouble is not Trouble.CONTRADICTION:
            self.breaker.failed(attempt.finished_at, throttled=attempt.throttled)
            return
        if isinstance(verdict, Fatal) or (isinstance(verdict, RefusedWhole) and verdict.oddity):
            return  # it need not be the API's, and says nothing about how the API is
        if self.breaker.is_open:
            self._recovery.set()
            self._recovery = asyncio.Event()
        self.breaker.succeeded()
        if isinstance(verdict, (Settled, Unproven)):
            self._budget.succeeded()

    @property
    def outage_s(self) -> float:
        """For how long no request has succeeded although some were tried, in seconds."""
        return self.breaker.outage_s(self._clock())

    async def wait_to_retry(self, delay_s: float, stop: Stop) -> None:
        """Wait `delay_s`, and longer if the budget of retries is spent, but no longer than until the run stops."""
        self.retries += 1
        turn_s = self._budget.take(self._clock())
        recovery = self._recovery
        await stop.pause(delay_s)
        if turn_s > delay_s:
            await stop.unless_stopped(self._wait_for_budget(turn_s - delay_s, recovery))

    async def _wait_for_budget(self, seconds: float, recovery: asyncio.Event) -> None:
        """Wait for the turn that the budget gave, but not beyond the end of an outage."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recovery.wait()
                self._budget.give_back()
