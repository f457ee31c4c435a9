"""The rate where every refusal costs a silence, rule by rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.pacing.learned.careful import Careful, Trial

USUAL = Trial(hold_s=28.0, step=0.02)
Passed = Callable[[float], float]


def after_first_refusal() -> Careful:
    """30 requests passed in two seconds: the limit is between 10 (reserves of a second) and 15 a second (none)."""
    careful = Careful(passed=30, seconds=2.0, known=None)
    careful.resumed_at = 100.0
    return careful


def bucket(limit: float, reserves: float) -> Passed:
    """What a bucket of tokens, full before that, has passed when it refuses."""
    return lambda seconds: reserves + limit * seconds


def refuse(careful: Careful, at: float, passed: Passed, trial: Trial = USUAL) -> None:
    careful.refused(at, trial, passed)
    careful.resumed_at = at + 1


def test_the_first_refusal_leaves_a_range_within_which_the_rate_starts_and_stays() -> None:
    careful = after_first_refusal()
    rates = [careful.rate(100 + second, USUAL) for second in range(60)]
    assert 10 < rates[0] < 15
    assert rates == sorted(rates)
    assert rates[7] <= 15
    assert rates[20] > 15  # the range was wrong


def test_what_was_sent_two_seconds_before_the_second_refusal_is_held() -> None:
    careful = after_first_refusal()
    right = careful.rate(106.0, USUAL)
    refuse(careful, 108.0, lambda seconds: min(30.0, 100 * seconds))
    assert careful.known == pytest.approx(min(right, 30 / 5))
    refuse(careful := after_first_refusal(), 108.0, bucket(right, 0.0))
    assert careful.known == right
    assert {careful.rate(109 + second, USUAL) for second in (0, 10, 20)} == {careful.rate(109, USUAL)}
    assert careful.rate(109, USUAL) <= right
    assert careful.rate(109 + USUAL.hold_s + 3, USUAL) > right


def test_two_refusals_tell_the_limit_of_a_bucket_whatever_its_reserves() -> None:
    careful = Careful(passed=13, seconds=0.5, known=None)  # reserves of 3 and 20 a second
    careful.resumed_at = 100.0
    refuse(careful, 106.0, bucket(20.0, 3.0))
    assert careful.known == pytest.approx(20.0, rel=0.05)


def test_what_was_sent_below_the_limit_before_the_refusal_does_not_lower_it() -> None:
    careful = Careful(passed=13, seconds=0.5, known=5.0)
    careful.resumed_at = 100.0

    def passed(seconds: float) -> float:
        return 3 + 20 * seconds if seconds <= 3 else 63 + 5 * (seconds - 3)

    refuse(careful, 140.0, passed)
    assert careful.known == pytest.approx(20.0, rel=0.03)


def test_a_limit_that_is_expected_back_is_recognised_by_its_latest_second() -> None:
    def passed(seconds: float) -> float:
        return 3 + 20 * seconds if seconds <= 1 else 23 + 5 * (seconds - 1)

    for expected in (19.0, 0.0):
        careful = Careful(passed=13, seconds=0.5, known=5.0)
        careful.resumed_at = 100.0
        refuse(careful, 110.0, passed, Trial(5.0, 0.05, expected))
        assert careful.known == expected or (not expected and careful.known < 15)


def test_a_refusal_that_comes_at_once_halves_the_range_from_above() -> None:
    careful = after_first_refusal()
    refused = careful.rate(100.5, USUAL)
    refuse(careful, 100.5, bucket(6.0, 1.0))
    assert 4 / 1.5 < careful.known < refused
    assert careful.rate(105, USUAL) <= refused


def test_what_a_window_by_the_clock_accepted_at_once_is_its_limit() -> None:
    careful = Careful(passed=20, seconds=0.6, known=None)
    careful.resumed_at = 100.0
    refuse(careful, 101.2, lambda _seconds: 30.0)
    rates = {careful.rate(103 + second, USUAL) for second in range(6)}
    assert all(19 < rate < 20 for rate in rates)


def test_a_limit_that_is_refused_while_it_is_held_has_fallen_the_faster_the_more_often() -> None:
    careful = Careful(passed=1, seconds=1.0, known=10.0)
    shares = []
    for at in (5.0, 10.0, 15.0, 20.0):
        before = careful.known
        refuse(careful, at, bucket(0.0, 1.0))
        shares.append(careful.known / before)
    assert 1 > shares[0] > shares[1] > shares[2] > 0.75
    assert shares[3] == pytest.approx(shares[2])


def test_a_limit_that_is_refused_at_once_has_fallen_far() -> None:
    late, soon = (Careful(passed=1, seconds=1.0, known=10.0) for _ in range(2))
    refuse(late, 5.0, bucket(0.0, 1.0))
    refuse(soon, 1.0, bucket(0.0, 1.0))
    assert soon.known < late.known < 10


def test_a_limit_that_was_held_for_long_before_it_was_refused_is_corrected_to_what_it_added_to_the_reserves() -> None:
    careful = Careful(passed=13, seconds=0.5, known=20.0)
    refuse(careful, 15.0, bucket(19.0, 3.5))
    assert careful.known == pytest.approx(19.0)


def test_time_that_proves_nothing_does_not_count() -> None:
    careful = after_first_refusal()
    before = careful.rate(101.0, USUAL)
    careful.wait(5.0)
    assert careful.rate(106.0, USUAL) == pytest.approx(before)


def test_where_nothing_was_accepted_some_rate_is_left() -> None:
    careful = after_first_refusal()
    for at in range(108, 2000, 9):
        refuse(careful, float(at), lambda _seconds: 0.0)
    assert careful.rate(3000, USUAL) > 0
