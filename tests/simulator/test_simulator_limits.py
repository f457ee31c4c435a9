"""How the stand-in limits requests, and which of them a fault strikes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, strategies as st

from engine.simulator.model.faults import FaultPlan, FaultRule, Strike
from engine.simulator.model.limits import RateLimit, Slots, retry_after
from engine.simulator.model.settings import Settings
from engine.simulator.process import StandInProcess
from tests.stand_in import WAIT_S, fresh_ids, put, records


@given(
    rate=st.floats(0.5, 100),
    burst=st.floats(1, 20),
    gaps_s=st.lists(st.floats(0, 1), max_size=100),
)
def test_a_bucket_never_lets_more_through_than_burst_and_rate_allow(
    rate: float, burst: float, gaps_s: list[float]
) -> None:
    limit, now, passed = RateLimit(rate, burst), 0.0, 0
    for gap_s in gaps_s:
        now += gap_s
        wait_s = limit.take(now)
        passed += wait_s == 0
        assert passed <= burst + rate * now + 1e-6
        if wait_s:
            assert RateLimit(rate).take(0) == 0
            assert wait_s <= 1 / rate


def test_a_refused_request_passes_after_the_wait_it_was_told() -> None:
    limit = RateLimit(4)
    assert limit.take(0) == 0
    assert limit.take(0) == pytest.approx(0.25)
    assert limit.take(0.2) == pytest.approx(0.05)
    assert limit.take(0.25) == 0


def test_windows_count_from_their_own_beginning() -> None:
    limit = RateLimit(2, window_s=2)
    assert [limit.take(at) for at in (0, 0.1, 1.8, 1.9)] == [0, 0, 0, 0]
    assert limit.take(1.95) == pytest.approx(0.05)
    assert limit.take(2.0) == 0
    assert limit.remaining(2.0) == 3


def test_a_stick_table_counts_what_it_refuses() -> None:
    limit = RateLimit(1, sliding_s=3)
    assert [limit.take(at) for at in (0, 1, 2)] == [0, 0, 0]
    assert limit.remaining(2) == 0
    assert limit.take(2.5) == pytest.approx(1.5)  # so that the first two and no more are gone by then
    assert limit.take(3.5) > 0
    assert limit.take(7) == 0


def test_a_schedule_halves_and_doubles_the_rate() -> None:
    limit = RateLimit(0, schedule="0:20,10:10,20:20")
    passed = [0, 0, 0]
    for tick in range(30_000):
        passed[tick // 10_000] += limit.take(tick / 1000) == 0
    assert passed == [pytest.approx(200, rel=0.03), pytest.approx(100, rel=0.03), pytest.approx(200, rel=0.03)]


@pytest.mark.parametrize("schedule", ["x", "1:2:3", "5:1,2:1", "0:0", "0:-1"])
def test_a_schedule_that_means_nothing_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="rate_schedule"):
        Settings(rate_schedule=schedule)


@pytest.mark.parametrize(
    ("kind", "header"),
    [("seconds", "3"), ("date", "Thu, 01 Jan 1970 00:16:43 GMT"), ("none", None), ("soon", "soon"), ("-5", "-5")],
)
def test_retry_after_in_every_form(kind: str, header: str | None) -> None:
    assert retry_after(kind, wait_s=2.5, clock=1000) == header


def test_too_many_requests_are_429_with_headers(server: StandInProcess) -> None:
    server.change(rate=0.01, burst=2, retry_after="date", rate_headers="x-ratelimit", clock_skew_s=86_400)
    answers = [put(server, records("limited")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    date, retry = (parsedate_to_datetime(answers[2].headers[name]) for name in ("Date", "Retry-After"))
    assert 90 < (retry - date).total_seconds() <= 101


async def test_slots_are_given_in_order_and_never_more_than_there_are() -> None:
    slots, order, busy, peak = Slots(2), [], 0, 0

    async def visit(number: int) -> None:
        nonlocal busy, peak
        async with slots:
            busy += 1
            peak = max(peak, busy)
            order.append(number)
            await asyncio.sleep(0)
            busy -= 1

    visitors = [asyncio.create_task(visit(number)) for number in range(10)]
    await asyncio.sleep(0)
    visitors[5].cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    assert order == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert peak == 2


async def test_more_slots_help_at_once_and_a_cancelled_holder_gives_back() -> None:
    slots = Slots(1)

    async def hold() -> None:
        async with slots:
            await asyncio.get_running_loop().create_future()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    assert repr(slots) == "<Slots 1 of 1 taken, 2 waiting>"
    slots.resize(2)
    assert repr(slots) == "<Slots 2 of 2 taken, 1 waiting>"
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    assert repr(slots) == "<Slots 0 of 2 taken, 0 waiting>"


def test_capacity_makes_requests_queue(server: StandInProcess) -> None:
    server.change(capacity=1, latency_ms=30, hold="before-apply")
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(put, server, records(id_)) for id_ in fresh_ids(4)]
        server.wait(held=4)
        server.change(hold="nothing")  # all four want the one slot at the same moment
        answers = [one.result(WAIT_S) for one in waiting]
    assert [answer.status for answer in answers] == [200] * 4
    took_s = sorted(entry["took_s"] for entry in server.requests()[-4:])
    assert took_s[0] >= 0.03
    assert took_s[-1] >= 0.1  # the last one waited for the three before it


def test_conflicts_are_reported_above_a_number_in_flight(server: StandInProcess) -> None:
    server.change(conflicts_above=1, latency_ms=1)
    with ThreadPoolExecutor() as pool:
        server.change(hold="before-apply")
        held = [pool.submit(put, server, records(*fresh_ids(100))) for _ in range(3)]
        server.wait(held=3)
        server.change(hold="nothing")
        assert max(one.result(WAIT_S).json["results"]["retried"] for one in held) == 2
    assert put(server, records(*fresh_ids(100))).json["results"]["retried"] == 0


# Which requests a fault strikes


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ("hang", [1, 2, 3, 4, 5, 6]),
        ("hang:every=3", [3, 6]),
        ("hang:first=2", [1, 2]),
        ("hang:after=4", [5, 6]),
        ("hang:at=4", [4]),
        ("hang:0", []),
    ],
)
def test_when_a_rule_strikes(rule: str, struck: list[int]) -> None:
    plan = FaultPlan([rule], seed=1)
    assert [number for number in range(1, 7) if plan.draw()] == struck


def test_a_share_strikes_about_so_many_and_the_same_ones_by_seed() -> None:
    plans = [FaultPlan(["503:0.1"], seed) for seed in (1, 1, 2)]
    drawn = [[plan.draw() for _ in range(2000)] for plan in plans]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 150 < sum(strike is not None for strike in drawn[0]) < 250


@pytest.mark.parametrize(
    "rule", ["nonsense", "NNN", "99", "hang:2", "hang:-1", "hang:every=0", "hang:every=x", "hang:x=1"]
)
def test_a_rule_that_means_nothing_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        FaultRule.parse(rule)


@pytest.mark.parametrize("name", ["503", "413-html", "500-after-apply", "hang", "500-results"])
def test_a_fault_is_called_what_it_was_asked_for_as(name: str) -> None:
    assert Strike.parse(name).label == name
