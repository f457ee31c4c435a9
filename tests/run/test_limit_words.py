"""How the limits moved, in words: those of the reports that people already have."""

from __future__ import annotations

import pytest

from engine.pacing.limiter import Found, Limit, Move, Why
from engine.run.limit_words import WHY, found_words, move_words


@pytest.mark.parametrize(
    ("why", "figures", "words"),
    [
        (Why.NEVER_REFUSED, (), "no refusal so far"),
        (Why.NOT_REFUSED, (20.6,), "no refusal for 21 s"),
        (Why.REFUSED, (12.345, 9.8765), "refused (429) at 12.3/s, while 9.88/s were accepted"),
        (Why.REFUSED_AFTER_SILENCE, (9.8765,), "refused (429) after a silence, while 9.88/s were accepted"),
        (Why.REFUSED_ANYHOW, (8.0, 0.0312), "refused (429) at 8/s like before: 3.1% are refused whatever the rate"),
        (Why.FAILURES, (), "requests fail or time out"),
        (Why.FAILURES_OVER, (), "requests succeed again"),
        (Why.CONFLICTS, (0.05,), "the server retried 5% of the records because of version conflicts"),
        (Why.LATENCY_ROSE, (0.5, 1.04), "latency rose from 0.5 s to 1 s"),
        (Why.LATENCY_CALM, (0.123,), "latency stays at its best, 0.12 s"),
    ],
)
def test_every_reason_has_its_words(why: Why, figures: tuple[float, ...], words: str) -> None:
    assert move_words(Move(1.0, Limit.RATE, 10.0, 12.5, why, figures)) == ("12.5/s", words)


def test_no_reason_is_without_words() -> None:
    assert set(WHY) == set(Why)


def test_what_moved_is_told() -> None:
    assert move_words(Move(1.0, Limit.RATE, 200.0, 123.456, Why.FAILURES))[0] == "123/s"
    assert move_words(Move(1.0, Limit.IN_FLIGHT, 16, 9, Why.FAILURES))[0] == "9 in flight"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Found(), None),
        (Found(8.3333), "8.33 requests/s"),
        (Found(None, 12), "12 in flight"),
        (Found(8.3333, 12), "8.33 requests/s, 12 in flight"),
    ],
)
def test_what_was_found(found: Found, words: str | None) -> None:
    assert found_words(found) == words
