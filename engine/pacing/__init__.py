"""How fast, how many at once, and when again: decisions, and the one gate at which they are enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pacing.breaker import Breaker as Breaker, RetryBudget as RetryBudget
    from engine.pacing.learned.pacer import Pacer as Pacer
    from engine.pacing.limiter import (
        Found as Found,
        Limit as Limit,
        Limiter as Limiter,
        Move as Move,
        Signal as Signal,
        Why as Why,
    )
    from engine.pacing.retry import (
        Decision as Decision,
        GiveUp as GiveUp,
        Isolate as Isolate,
        RetryPolicy as RetryPolicy,
        Setback as Setback,
        Trials as Trials,
        Wait as Wait,
    )
    from engine.pacing.turnstile import TurnRefused as TurnRefused, Turnstile as Turnstile
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "breaker": "Breaker RetryBudget",
            "learned.pacer": "Pacer",
            "limiter": "Found Limit Limiter Move Signal Why",
            "retry": "Decision GiveUp Isolate RetryPolicy Setback Trials Wait",
            "turnstile": "TurnRefused Turnstile",
        },
    )
