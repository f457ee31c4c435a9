"""How fast, how many at once, and when again: decisions, and the one gate at which they are enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pacing.breaker import Breaker as Breaker, RetryBudget as RetryBudget
    from engine.pacing.learned.pacer import Pacer as Pacer
    from engine.pacing.limiter import Signal as Signal
    from engine.pacing.retry import (
        GiveUp as GiveUp,
        Isolate as Isolate,
        RetryPolicy as RetryPolicy,
        Trials as Trials,
        Wait as Wait,
        decide as decide,
    )
    from engine.pacing.turnstile import TurnRefused as TurnRefused, Turnstile as Turnstile
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "breaker": "Breaker RetryBudget",
            "learned.pacer": "Pacer",
            "limiter": "Signal",
            "retry": "GiveUp Isolate RetryPolicy Trials Wait decide",
            "turnstile": "TurnRefused Turnstile",
        },
    )
