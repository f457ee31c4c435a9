"""Decisions after an attempt that settled nothing, `Retry-After`, the budget and the breaker: all without a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf
from random import Random

import pytest
from hypothesis import given, strategies as st

from engine.api.headers import date_of, retry_after_s
from engine.api.verdict import Trouble
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

POLICY = RetryPolicy()
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


class Fixed(Random):
    """Dice that always show the same share of what they could."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


def decision(
    *,
    outages: int = 1,
    throttles: int = 0,
    contradictions: int = 0,
    outage_s: float = 0.0,
    others: int = 0,
    left_s: float = inf,
    asked_s: float | None = None,
    dice: float = 1.0,
    quiet: int = 0,
    gave_up_alike: int = 0,
    is_part: bool = False,
    is_single: bool = False,
) -> Decision:
    trouble = Trouble.CONTRADICTION if contradictions else Trouble.THROTTLED if throttles else Trouble.OUTAGE
    setback = Setback(
        "HTTP 503",
        trouble,
        Trials(outages, throttles, contradictions, quiet=quiet, gave_up_alike=gave_up_alike),
        others_succeeded=others,
        outage_s=outage_s,
        time_left_s=left_s,
        retry_after_s=asked_s,
        is_part=is_part,
        is_single=is_single,
    )
    return RetryPolicy(dice=Fixed(dice)).decide(setback)


@pytest.mark.parametrize(("tries", "longest_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (10_000, 8.0)])
def test_back_off_doubles_up_to_a_limit_with_full_jitter(tries: int, longest_s: float) -> None:
    assert decision(outages=tries) == Wait(longest_s)
    assert decision(outages=tries, dice=0.5) == Wait(longest_s / 2)
    assert decision(outages=tries, dice=0.0) == Wait(0.0)
    assert decision(outages=0, throttles=tries) == Wait(longest_s)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # An outage is waited out, however often it has been tried, as long as nobody else succeeds.
        ({"outages": 500}, Wait),
        ({"outages": 500, "others": POLICY.others_min - 1}, Wait),
        ({"outages": POLICY.attempts_max - 1, "others": 500}, Wait),
        # While others succeed, it is this request.
        ({"outages": POLICY.attempts_max, "others": POLICY.others_min}, Isolate),
        # Being throttled says nothing about the request.
        ({"outages": 0, "throttles": 500, "others": 500}, Wait),
        # Where nobody else succeeds either, a part of it is tried, to find out whether it is the request.
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max - 1, "outage_s": POLICY.quiet_s}, Wait),
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max, "outage_s": POLICY.quiet_s - 1.0}, Wait),
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max, "outage_s": POLICY.quiet_s}, Probe),
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max, "throttles": 1}, Wait),
        # A single record is soon sent beside another one.
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max - 1, "is_single": True}, Wait),
        ({"outages": POLICY.quiet_max, "quiet": POLICY.quiet_max, "is_single": True}, Probe),
        ({"outages": 9, "quiet": 9, "outage_s": POLICY.retry_window_s}, GiveUp),
        # What is not waited for, after the same time again, may be too large.
        ({"outages": 9, "gave_up_alike": POLICY.gave_up_alike_max - 1}, Wait),
        ({"outages": 9, "gave_up_alike": POLICY.gave_up_alike_max}, Probe),
        # A part is not tried again: its own parts tell more.
        ({"is_part": True}, Probe),
        ({"is_part": True, "others": 1}, Isolate),
        ({"is_part": True, "others": 1, "throttles": 1}, Wait),
        ({"is_part": True, "outage_s": POLICY.retry_window_s}, GiveUp),
        # A reply that contradicts itself is asked for again, but not for long.
        ({"contradictions": POLICY.contradictions_max - 1}, Wait),
        ({"contradictions": POLICY.contradictions_max}, Isolate),
        ({"contradictions": POLICY.contradictions_max, "outage_s": 10_000.0}, Isolate),
        # The window and the deadline.
        ({"outage_s": POLICY.retry_window_s - 1.0}, Wait),
        ({"outage_s": POLICY.retry_window_s - 0.001}, Wait),
        ({"outage_s": POLICY.retry_window_s}, GiveUp),
        ({"outage_s": POLICY.retry_window_s + 60.0}, GiveUp),
        ({"outage_s": POLICY.retry_window_s - 5.0, "outages": 9, "left_s": 4.9}, GiveUp),
        ({"left_s": 1.0}, Wait),
        ({"left_s": 0.9}, GiveUp),
        ({"left_s": -5.0}, GiveUp),
        # What the server asks for is obeyed, or it is too long to wait for.
        ({"asked_s": 0.0}, Wait),
        ({"asked_s": POLICY.retry_window_s}, Wait),
        ({"asked_s": POLICY.retry_window_s, "outage_s": 1.0}, GiveUp),
        ({"asked_s": 1e9}, GiveUp),
        ({"asked_s": 60.0, "left_s": 59.0}, GiveUp),
    ],
)
def test_decisions(kind: dict[str, float], expected: type[Decision]) -> None:
    assert type(decision(**kind)) is expected  # type: ignore[arg-type]  # a table of mixed arguments


def trials(*attempts: tuple[int, float | None], trouble: Trouble = Trouble.OUTAGE) -> Trials:
    """Attempts that failed: how many requests had succeeded by then, and after how long somebody gave up waiting."""
    made = Trials()
    for successes, gave_up_s in attempts:
        made.add(trouble, successes=successes, gave_up_s=gave_up_s)
    return made


def test_it_is_quiet_as_long_as_nobody_succeeds() -> None:
    assert trials((5, None)).quiet == 1
    assert trials((5, None), (5, None), (5, None)).quiet == 3
    assert trials((5, None), (5, None), (6, None)).quiet == 1
    assert trials((5, None), (6, None), (6, None)).quiet == 2
    assert trials((0, None), (0, None), trouble=Trouble.THROTTLED).quiet == 0


def test_attempts_that_end_after_the_same_time_are_alike() -> None:
    assert trials((0, 60.0)).gave_up_alike == 1
    assert trials((0, 60.0), (0, 61.0), (0, 59.5)).gave_up_alike == 3
    assert trials((0, 60.0), (0, 30.0)).gave_up_alike == 1
    assert trials((0, 60.0), (0, None), (0, 60.0)).gave_up_alike == 1
    assert trials((0, 60.0), (0, None)).gave_up_alike == 0


def test_the_last_trial_is_at_the_end_of_the_window() -> None:
    assert decision(outages=9, outage_s=POLICY.retry_window_s - 5.0) == Wait(5.0)
    assert decision(outages=9, outage_s=POLICY.retry_window_s - 5.0, dice=0.1) == Wait(0.8)
    assert decision(outages=9, outage_s=POLICY.retry_window_s - 5.0, asked_s=5.1) == GiveUp(
        "HTTP 503; the server asked for 5 s of silence (Retry-After)", 5.1
    )
    assert decision(outage_s=POLICY.retry_window_s + 5.0, asked_s=0.0) == GiveUp(
        "HTTP 503; no request has succeeded for 905 s (upload.retry_window_s)"
    )


def test_what_the_server_asks_for_is_waited_exactly() -> None:
    assert decision(asked_s=12.5, dice=0.3) == Wait(12.5)


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        ("86400000", 86_400_000.0),  # absurd, but what it says; the decision is to stop
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("1_000", None),
        ("0x10", None),
        ("nan", None),
        ("inf", None),
        ("Infinity", None),
        ("1,5", None),
        ("120, 60", None),
        ("soon", None),
        ("٣", None),  # a digit, but not one of HTTP
        ("", None),
        (" ", None),
        ("9" * 400, None),
        ("Mon, 99 Nov 2026 02:00:30 GMT", None),
        ("Mon, 23 Nov 99999 02:00:30 GMT", None),
        (http_date(NOW + timedelta(seconds=30)), 30.0),
        (http_date(NOW), 0.0),
        (http_date(NOW - timedelta(seconds=1)), None),
        ("Mon, 23 Nov 2026 04:00:30 +0200", 30.0),
        ("Monday, 23-Nov-26 02:00:30 GMT", 30.0),  # the obsolete form, which must be understood
        (http_date(NOW + timedelta(days=400)), 400 * 86_400.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text, "date": http_date(NOW)}) == seconds


@pytest.mark.parametrize("date", ["", "yesterday", None])
def test_a_date_without_the_servers_own_clock_says_nothing(date: str | None) -> None:
    headers = {"retry-after": http_date(NOW + timedelta(seconds=30))} | ({} if date is None else {"date": date})
    assert retry_after_s(headers) is None


def test_without_the_header_nothing_is_asked() -> None:
    assert retry_after_s({"date": http_date(NOW)}) is None


@given(st.text(), st.text())
def test_no_header_makes_it_fall_over(text: str, date: str) -> None:
    for headers in ({"retry-after": text, "date": date}, {"retry-after": text, "date": http_date(NOW)}):
        seconds = retry_after_s(headers)
        assert seconds is None or 0 <= seconds < inf
    date_of({"date": date})


def test_the_budget_lets_a_few_retries_go_at_once_and_the_others_in_a_trickle() -> None:
    budget = RetryBudget(now=0.0)
    turns = [budget.take(0.0) for _ in range(24)]
    assert turns[:20] == [0.0] * 20
    assert turns[20:] == [4.0, 8.0, 12.0, 16.0]


def test_the_budget_fills_with_time_and_with_successes_but_not_beyond_its_size() -> None:
    budget = RetryBudget(now=0.0)
    for _ in range(20):
        budget.take(0.0)
    assert budget.take(4.0) == 0.0  # a token in four seconds
    for _ in range(11):
        budget.succeeded()  # and one for ten successes
    assert budget.take(4.0) == 0.0
    assert budget.take(4.0) > 0.0
    for _ in range(100_000):
        budget.succeeded()
    turns = [budget.take(1e9) for _ in range(21)]
    assert turns[:20] == [0.0] * 20
    assert turns[20] > 0.0


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 30)), max_size=60))
def test_retries_are_bounded_by_successes_and_time(steps: list[tuple[float, int]]) -> None:
    """In any history, retries that go at once are at most a tenth of the successes, a trickle and the first few."""
    budget, now, at_once, successes = RetryBudget(0.0), 0.0, 0, 0
    for passed_s, succeeded in steps:
        now += passed_s
        successes += succeeded
        for _ in range(succeeded):
            budget.succeeded()
        at_once += budget.take(now) == 0.0
    allowed = RetryBudget.TOKENS_MAX + RetryBudget.PER_SUCCESS * successes + RetryBudget.PER_SECOND * now
    assert at_once <= allowed + 1e-6


def test_the_breaker_opens_after_failures_in_a_row_and_closes_with_a_success() -> None:
    breaker = Breaker()
    for number in range(Breaker.FAILURES_MAX):
        assert not breaker.is_open
        breaker.failed(10.0 + number, throttled=False)
    assert breaker.is_open
    assert breaker.outage_s(100.0) == 90.0  # since the first of them
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.outage_s(100.0) == 0.0


def test_successes_in_between_keep_the_breaker_closed() -> None:
    breaker = Breaker()
    for _ in range(10):
        for _ in range(Breaker.FAILURES_MAX - 1):
            breaker.failed(0.0, throttled=False)
        breaker.succeeded()
    assert not breaker.is_open
    assert breaker.successes == 10


def test_being_throttled_does_not_open_the_breaker_but_is_waiting_all_the_same() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.failed(5.0, throttled=True)
    assert not breaker.is_open
    assert breaker.outage_s(9.0) == 4.0
