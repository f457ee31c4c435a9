"""What the headers of a server ask for is obeyed, and told to who makes up for it."""

from __future__ import annotations

from math import inf

import pytest

from engine.api.headers import Quota
from engine.pacing.limiter import QUOTA_RATE_MIN, Authority, Signal


def refused(at: float, retry_after_s: float | None) -> Signal:
    return Signal(at - 0.1, at, 1, throttled=True, retry_after_s=retry_after_s)


def test_a_silence_that_grows_is_told_from_its_beginning() -> None:
    authority = Authority()
    assert authority.obey(refused(100.0, 5.0)) == [(100.0, 105.0)]
    assert authority.obey(refused(102.0, 1.0)) == []
    assert authority.obey(refused(103.0, 10.0)) == [(100.0, 113.0)]
    assert authority.obey(refused(113.0, 1.0)) == [(113.0, 114.0)]


def test_only_who_was_turned_away_is_asked_to_wait() -> None:
    authority = Authority()
    assert authority.obey(refused(100.0, None)) == []
    assert authority.obey(Signal(99.9, 100.0, 1, retry_after_s=5.0)) == []
    assert authority.quiet_until == 0.0


def test_both_headers_at_once_silence_for_the_longer_time() -> None:
    authority = Authority()
    asked = Signal(99.9, 100.0, 1, throttled=True, retry_after_s=2.0, quota=Quota(0, 7.0))
    assert authority.obey(asked) == [(100.0, 102.0), (100.0, 107.0)]


@pytest.mark.parametrize(
    ("quota", "rate"),
    [(Quota(20, 10.0), 2.0), (Quota(1, 100.0), QUOTA_RATE_MIN), (Quota(5, 0.0), 100.0)],
)
def test_a_quota_bounds_the_rate_until_it_is_renewed(quota: Quota, rate: float) -> None:
    authority = Authority()
    assert authority.rate_max(0.0) == inf
    assert authority.obey(Signal(99.9, 100.0, 1, quota=quota)) == []
    assert authority.rate_max(99.99) == rate
    assert authority.rate_max(100.0 + quota.reset_s) == inf
