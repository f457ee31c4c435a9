"""What every `Limiter` does, whatever it learns from: the learned pacing and its plain rival."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from benchmarks.aimd import Aimd
from engine.api.headers import Quota
from engine.pacing.learned.pacer import Pacer
from engine.pacing.limiter import MOVES_MAX, Found, Limit, Limiter, Signal
from engine.pacing.retry import Breaker
from engine.pacing.turnstile import Turnstile
from engine.values.stopping import Stop
from tests.pacing_model import Bucket, Model, Server
from tests.simulation.virtual_time import VirtualLoop, run


class New(Protocol):
    """How every limiter is made."""

    def __call__(
        self, *, requests_per_second: float, concurrency: int, learned: Mapping[str, Any] | None = None
    ) -> Limiter: ...


LIMITERS: list[New] = [Pacer, Aimd]

each = pytest.mark.parametrize("new", LIMITERS)

signals = st.builds(
    Signal,
    started_at=st.floats(0, 1),
    finished_at=st.floats(1, 50),
    records=st.integers(1, 10_000),
    in_flight=st.integers(1, 50),
    throttled=st.booleans(),
    failed=st.booleans(),
    conflicts=st.integers(0, 10_000),
    retry_after_s=st.none() | st.floats(0, 100),
    quota=st.none() | st.builds(Quota, remaining=st.integers(0, 1000), reset_s=st.floats(0, 100)),
)


@each
@settings(max_examples=100, print_blob=True)
@given(told=st.lists(signals, max_size=120), concurrency=st.integers(1, 50), requests_per_second=st.floats(0.1, 100))
def test_whatever_happens_the_limits_stay_beneath_the_ceilings(
    new: New, told: list[Signal], concurrency: int, requests_per_second: float
) -> None:
    limiter = new(requests_per_second=requests_per_second, concurrency=concurrency)
    assert 1 <= limiter.burst <= max(1, requests_per_second)
    passed_s = 0.0
    for signal in told:
        passed_s += 0.3
        now = signal.finished_at + passed_s
        limiter.learn(replace(signal, finished_at=now))
        assert limiter.requests_per_second == requests_per_second
        assert 0 < limiter.rate(now) <= requests_per_second
        assert 0 < limiter.interval_s(now) <= 1.001 / limiter.rate(now)
        assert 1 <= limiter.in_flight <= concurrency
        assert len(limiter.moves) <= MOVES_MAX
    new(
        requests_per_second=requests_per_second,
        concurrency=concurrency,
        learned=json.loads(json.dumps(limiter.to_json())),
    )


@each
@pytest.mark.parametrize("trouble", ["throttled", "failed"])
def test_retry_after_silences_everybody_and_a_shorter_one_does_not_end_it(new: New, trouble: str) -> None:
    limiter = new(requests_per_second=10, concurrency=8)
    limiter.learn(Signal(99.9, 100.0, 1, retry_after_s=30.0, **{trouble: True}))  # type: ignore[arg-type]  # by name
    assert limiter.quiet_until == 130.0
    limiter.learn(Signal(99.9, 101.0, 1, throttled=True, retry_after_s=2.0))
    assert limiter.quiet_until == 130.0
    limiter.learn(Signal(99.9, 102.0, 1, throttled=True, retry_after_s=60.0))
    assert limiter.quiet_until == 162.0


@each
def test_a_quota_is_spread_over_its_time_and_an_empty_one_silences(new: New) -> None:
    limiter = new(requests_per_second=10, concurrency=8)
    limiter.learn(Signal(99.9, 100.0, 1, quota=Quota(remaining=20, reset_s=10.0)))
    assert limiter.rate(101.0) == 2.0
    assert limiter.interval_s(101.0) == 0.5
    assert limiter.rate(111.0) == 10.0
    limiter.learn(Signal(111.9, 112.0, 1, quota=Quota(remaining=0, reset_s=3.0)))
    assert limiter.quiet_until == 115.0


@each
def test_refusals_of_one_round_trip_cut_once(new: New) -> None:
    limiter = new(requests_per_second=100, concurrency=64)
    for number in range(50):
        limiter.learn(Signal(number / 10, number / 10 + 0.1, 1, 8))
    before = limiter.rate(5.0)
    assert limiter.found == Found()
    limiter.learn(Signal(4.9, 5.0, 1, 8, throttled=True))
    cut = limiter.rate(5.0)
    assert cut < before
    for _ in range(5):
        limiter.learn(Signal(4.95, 5.01, 1, 8, throttled=True))
    assert limiter.rate(5.01) == cut
    assert limiter.found.rate is not None
    assert limiter.found.rate < before


@each
def test_without_a_refusal_the_rate_grows_to_its_ceiling(new: New) -> None:
    limiter = new(requests_per_second=20, concurrency=8)
    rates = []
    for number in range(400):
        limiter.learn(Signal(number / 20, number / 20 + 0.1, 1))
        rates.append(limiter.rate(number / 20 + 0.1))
    assert all(later >= earlier for earlier, later in pairwise(rates))
    assert rates[-1] == 20
    assert limiter.to_json()["rate"] is None


@each
def test_an_unknown_limit_is_found_and_mostly_used(new: New) -> None:
    limiter = new(requests_per_second=1000, concurrency=200)
    played = Model(Server(Bucket(20, 20)), limiter, 800).play()
    assert played.warm_rate(200) >= 0.8 * 20
    assert played.refused_share < 0.1
    found = limiter.found.rate
    assert found is not None
    assert 0.5 * 20 < found < 1.5 * 20
    next_night = new(requests_per_second=1000, concurrency=200, learned=json.loads(json.dumps(limiter.to_json())))
    assert 0.5 * found <= next_night.rate(0.0) <= found


@each
def test_what_one_learned_is_a_start_for_the_other(new: New) -> None:
    for former in LIMITERS:
        learned = former(requests_per_second=100, concurrency=50, learned={"rate": 40.0, "in_flight": None}).to_json()
        assert learned == {"rate": 40.0, "in_flight": None}
        assert 20 <= new(requests_per_second=100, concurrency=50, learned=learned).rate(0.0) <= 40
    assert new(requests_per_second=10, concurrency=8, learned={"rate": 40.0, "in_flight": 12}).rate(0.0) == 10
    assert (
        new(requests_per_second=10, concurrency=8, learned={}).to_json()
        == new(requests_per_second=10, concurrency=8).to_json()
    )


@each
def test_every_cut_is_told_as_a_move(new: New) -> None:
    limiter = new(requests_per_second=1000, concurrency=200)
    Model(Server(Bucket(20, 5)), limiter, 400).play()
    cuts = [move for move in limiter.moves if move.limit is Limit.RATE and move.after < move.before]
    assert cuts
    assert all(earlier.at <= later.at for earlier, later in pairwise(limiter.moves))


@each
def test_the_turnstile_keeps_its_promise_with_it(new: New) -> None:
    limiter, stop, loop = new(requests_per_second=4.0, concurrency=8), Stop(), VirtualLoop()
    passed_at: list[float] = []

    async def work() -> None:
        turnstile = Turnstile(limiter, Breaker(), stop)
        for _ in range(60):
            async with turnstile.turn():
                passed_at.append(loop.time())
            limiter.learn(Signal(passed_at[-1], loop.time(), 1))

    run(work(), loop)
    for number, start in enumerate(passed_at):
        for later, end in enumerate(passed_at[number:], 1):
            assert later <= limiter.requests_per_second * (end - start) + limiter.burst + 0.01
