"""What the uploaders share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from engine.api import NoReply, Reply
from engine.pacing import Breaker, Limiter, RetryBudget, RetryPolicy, Signal, Turnstile
from engine.values import RequestCounts


@dataclass(slots=True)
class Traffic:
    """What the uploaders share, and what others may look at: counts, limits, and what was learned on the way."""

    pacer: Limiter
    turnstile: Turnstile
    breaker: Breaker
    budget: RetryBudget
    policy: RetryPolicy
    time_left_s: Callable[[], float] = lambda: inf
    observe: Callable[[Signal, Reply | NoReply], None] = lambda _signal, _reply: None
    requests: RequestCounts = field(default_factory=RequestCounts)
    retries: int = 0
    recovery: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced by a new one, when the API answers again after an outage."""
    fruitless: int = 0
    """Requests that were answered, but left records unsettled."""
    lines_bytes_max: float = inf
    """Learned from a 413: larger requests are split before they are sent."""
