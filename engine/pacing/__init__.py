"""How fast, how many at once, and when again: decisions, and the one gate at which they are enforced."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pacing.learned.pacer import Pacer
    from engine.pacing.limiter import Found, Limit, Limiter, Move, Signal, Why
    from engine.pacing.refusals import QuickRefusals
    from engine.pacing.retry import (
        Breaker,
        Decision,
        GiveUp,
        Isolate,
        Probe,
        RetryBudget,
        RetryPolicy,
        Setback,
        Trials,
        Wait,
    )
    from engine.pacing.turnstile import TurnRefused, Turnstile
else:
    __getattr__ = lazy_face(__name__)
