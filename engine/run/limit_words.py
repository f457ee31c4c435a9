"""The limits of the API that were found, and how they moved, in words."""

from __future__ import annotations

from engine.pacing import Found, Limit, Move, Why

WHY = {
    Why.NEVER_REFUSED: "no refusal so far",
    Why.NOT_REFUSED: "no refusal for {:.0f} s",
    Why.REFUSED: "refused (429) at {:.3g}/s, while {:.3g}/s were accepted",
    Why.REFUSED_AFTER_SILENCE: "refused (429) after a silence, while {:.3g}/s were accepted",
    Why.REFUSED_ANYHOW: "refused (429) at {:.3g}/s like before: {:.1%} are refused whatever the rate",
    Why.FAILURES: "requests fail or time out",
    Why.FAILURES_OVER: "requests succeed again",
    Why.CONFLICTS: "the server retried {:.0%} of the records because of version conflicts",
    Why.LATENCY_ROSE: "latency rose from {:.2g} s to {:.2g} s",
    Why.LATENCY_CALM: "latency stays at its best, {:.2g} s",
}


def move_words(move: Move) -> tuple[str, str]:
    """Return what the limit is since the move, and why."""
    what = f"{move.after:.3g}/s" if move.limit is Limit.RATE else f"{move.after:.0f} in flight"
    return what, WHY[move.why].format(*move.figures)


def found_words(found: Found) -> str | None:
    """Return what was found, or None if the ceilings are all there is."""
    parts = []
    if found.rate is not None:
        parts.append(f"{found.rate:.3g} requests/s")
    if found.in_flight is not None:
        parts.append(f"{found.in_flight} in flight")
    return ", ".join(parts) or None
