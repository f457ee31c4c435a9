"""Whether the API is there: what attempts say about it, how long a retry waits, and who is woken by a recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.api.verdict import RefusedWhole
from engine.api.wire import Reply
from engine.pacing.retry import Breaker, RetryBudget
from engine.pipeline.availability import Availability
from engine.pipeline.sending import Answer
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.pipeline.senders import CONTRADICTION, FATAL, OUTAGE, REFUSED_WHOLE, SETTLED, THROTTLED, UNPROVEN, attempt
from tests.simulation.virtual_time import VirtualLoop, run

SAVED = int(RetryBudget.TOKENS_MAX)
"""So many retries a run can afford at its beginning."""
TURN_S = 1 / RetryBudget.PER_SECOND
"""The time between two retries beyond these."""


class Api:
    """An API that is watched, and retries that wait for it. Needs a running loop."""

    def __init__(self) -> None:
        self.availability = Availability()
        self.stop = Stop()
        self._now = asyncio.get_running_loop().time

    def answers(self, *answers: Answer) -> None:
        for each in answers:
            self.availability.observe(attempt(each, finished_at=self._now()))

    def break_down(self) -> None:
        self.answers(*[OUTAGE] * Breaker.FAILURES_MAX)
        assert self.availability.breaker.is_open

    async def waited_s(self, delay_s: float = 0.0) -> float:
        """Wait to retry; return how long that took."""
        began = self._now()
        await self.availability.wait_to_retry(delay_s, self.stop)
        return self._now() - began

    async def spend_what_is_saved(self) -> None:
        """Take all retries that can be had at once."""
        await asyncio.gather(*(self.waited_s() for _ in range(SAVED)))


def within(work: Callable[[Api], Awaitable[None]]) -> None:
    """Do `work` in virtual time."""

    async def all_of_it() -> None:
        await work(Api())

    run(all_of_it(), VirtualLoop())


def about(seconds: float) -> object:
    return pytest.approx(seconds, abs=0.01)


def test_while_the_budget_lasts_a_retry_waits_for_its_delay_only() -> None:
    async def work(api: Api) -> None:
        waits_s = await asyncio.gather(*(api.waited_s(3.0) for _ in range(SAVED)))
        assert waits_s == [about(3.0)] * SAVED
        assert api.availability.retries == SAVED

    within(work)


def test_beyond_the_budget_retries_go_one_after_another() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        waits_s = await asyncio.gather(*(api.waited_s() for _ in range(3)))
        assert waits_s == [about(TURN_S), about(2 * TURN_S), about(3 * TURN_S)]

    within(work)


def test_the_delay_and_the_turn_pass_at_the_same_time() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        assert await api.waited_s(TURN_S / 2) == about(TURN_S)
        assert await api.waited_s(3 * TURN_S) == about(3 * TURN_S)

    within(work)


@pytest.mark.parametrize(
    ("given", "earns"), [(SETTLED, True), (UNPROVEN, True), (REFUSED_WHOLE, False), (CONTRADICTION, False)]
)
def test_a_retry_is_earned_by_successes(given: Answer, earns: bool) -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        api.answers(*[given] * 11)  # a tenth of a retry each
        assert await api.waited_s() == about(0.0 if earns else TURN_S)

    within(work)


def test_a_recovery_wakes_all_who_wait_for_their_turn_and_takes_nothing_from_the_budget() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        api.break_down()
        waiting = asyncio.gather(*(api.waited_s() for _ in range(6)))
        await asyncio.sleep(1)
        api.answers(SETTLED)
        assert await waiting == [about(1.0)] * 6
        assert await api.waited_s() <= TURN_S  # and not the seventh turn

    within(work)


def test_a_recovery_during_the_delay_saves_the_wait_for_the_turn_too() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        api.break_down()
        waiting = asyncio.ensure_future(api.waited_s(2.0))
        await asyncio.sleep(1)
        api.answers(SETTLED)
        assert await waiting == about(2.0)

    within(work)


def test_a_recovery_that_is_over_wakes_nobody_later() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        api.break_down()
        api.answers(SETTLED)
        assert await api.waited_s() > TURN_S / 2

    within(work)


def test_an_answer_is_no_recovery_where_there_was_no_outage() -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        waiting = asyncio.ensure_future(api.waited_s())
        await asyncio.sleep(1)
        api.answers(OUTAGE, SETTLED)
        assert await waiting == about(TURN_S)

    within(work)


@pytest.mark.parametrize("after_s", [1.0, 4.0], ids=["in the delay", "in the wait for its turn"])
def test_a_stop_ends_the_wait(after_s: float) -> None:
    async def work(api: Api) -> None:
        await api.spend_what_is_saved()
        await asyncio.gather(*(api.waited_s() for _ in range(3)), stop_after(api, after_s))

    async def stop_after(api: Api, seconds: float) -> None:
        waiting = asyncio.ensure_future(api.waited_s(3.0))
        await asyncio.sleep(seconds)
        api.stop.request(Interrupted("SIGTERM"))
        assert await waiting == about(seconds)

    within(work)


@pytest.mark.parametrize("given", [SETTLED, UNPROVEN, REFUSED_WHOLE, CONTRADICTION])
def test_whatever_the_api_answers_it_is_there(given: Answer) -> None:
    async def work(api: Api) -> None:
        api.break_down()
        await asyncio.sleep(5)
        assert api.availability.outage_s == about(5.0)
        api.answers(given)
        assert not api.availability.breaker.is_open
        assert api.availability.outage_s == 0

    within(work)


ODD = Answer(Reply(400), RefusedWhole("HTTP 400", 400, oddity="HTTP 400 with a web page"))


@pytest.mark.parametrize("given", [FATAL, ODD])
def test_what_may_be_somebody_elses_answer_says_nothing_about_it(given: Answer) -> None:
    async def work(api: Api) -> None:
        api.break_down()
        await asyncio.sleep(5)
        api.answers(given)
        assert api.availability.breaker.is_open
        assert api.availability.outage_s == about(5.0)

    within(work)


def test_being_throttled_is_waited_out_like_an_outage_but_nobody_has_to_probe() -> None:
    async def work(api: Api) -> None:
        api.answers(*[THROTTLED] * 50)
        await asyncio.sleep(5)
        assert api.availability.outage_s == about(5.0)
        assert not api.availability.breaker.is_open

    within(work)
