"""The rate where every refusal costs a silence, rule by rule."""

from __future__ import annotations

import pytest

from engine.pacing.learned.careful import Careful

HOLD_S = 20.0


def after_first_refusal() -> Careful:
    """30 requests passed in two seconds: the limit is between 10 (reserves of a second) and 15 a second (none)."""
    careful = Careful(passed=30, seconds=2.0, known=None)
    careful.resumed_at = 100.0
    return careful


def refuse(careful: Careful, at: float, accepted: float = 100.0) -> None:
    """Refuse a request; what was accepted before would have been so many a second."""
    careful.refused(at, HOLD_S, at, lambda _since, _until: accepted)
    careful.resumed_at = at + 1


def test_the_first_refusal_leaves_a_range_within_which_the_rate_starts_and_stays() -> None:
    careful = after_first_refusal()
    rates = [careful.rate(100 + second, HOLD_S) for second in range(60)]
    assert 10 < rates[0] < 15
    assert rates == sorted(rates)
    assert rates[7] <= 15
    assert rates[20] > 15  # the range was wrong


def test_what_was_sent_two_seconds_before_the_second_refusal_is_held() -> None:
    careful = after_first_refusal()
    right = careful.rate(106.0, HOLD_S)
    refuse(careful, at=108.0)
    assert careful.known == right
    assert {careful.rate(109 + second, HOLD_S) for second in (0, 10, 20)} == {careful.rate(109, HOLD_S)}
    assert careful.rate(109, HOLD_S) <= right
    assert careful.rate(109 + HOLD_S + 3, HOLD_S) > right


def test_a_server_with_reserves_has_accepted_less_than_was_sent_and_that_is_right() -> None:
    careful = after_first_refusal()
    refuse(careful, at=108.0, accepted=11.0)
    assert careful.known == 11.0


def test_a_refusal_that_comes_at_once_halves_the_range_from_above() -> None:
    careful = after_first_refusal()
    refused = careful.rate(100.5, HOLD_S)
    refuse(careful, at=100.5)
    assert 10 < careful.known < refused
    assert careful.rate(105, HOLD_S) <= refused


def test_a_limit_that_is_refused_while_it_is_held_has_fallen_the_faster_the_more_often() -> None:
    careful = Careful(passed=1, seconds=1.0, known=10.0)
    shares = []
    for at in (5.0, 10.0, 15.0):
        before = careful.known
        refuse(careful, at)
        shares.append(careful.known / before)
    assert 1 > shares[0] > shares[1] > shares[2]


def test_time_that_proves_nothing_does_not_count() -> None:
    careful = after_first_refusal()
    before = careful.rate(101.0, HOLD_S)
    careful.wait(5.0)
    assert careful.rate(106.0, HOLD_S) == pytest.approx(before)


def test_where_nothing_was_accepted_some_rate_is_left() -> None:
    careful = after_first_refusal()
    for at in range(108, 2000, 9):
        refuse(careful, at=float(at), accepted=0.0)
    assert careful.rate(3000, HOLD_S) > 0
