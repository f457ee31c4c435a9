"""The same bytes again, until something is proven: outages are waited out, tokens renewed, or the run stops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from random import Random

import pytest
from msgspec.structs import replace

from engine.api.verdict import Fatal, Trouble, TryAgain, Unproven
from engine.api.wire import NoReply, Reply
from engine.pacing.retry import RetryPolicy
from engine.pacing.turnstile import TurnRefused
from engine.pipeline.availability import Availability
from engine.pipeline.retried import Proof, Retried, Unanswered
from engine.pipeline.sending import Answer, Doubted, Request
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, chunk_of, updated
from tests.pipeline.senders import (
    CONTRADICTION,
    FATAL,
    OUTAGE,
    REFUSED_WHOLE,
    REQUEST,
    SETTLED,
    THROTTLED,
    UNPROVEN,
    FakeSender,
    answer,
    attempt,
)
from tests.pipeline.uploads import IDS, Upload
from tests.simulation.virtual_time import VirtualLoop, run

LOST = [NoReply("reset"), Reply(503), Reply(200, {}, b"<html>"), Reply(429), Reply(200, {}, b""), Reply(500, {}, b"{}"),
        *map(Reply, (408, 421, 423, 425, 499))]  # fmt: skip


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_a_lost_reply_is_answered_with_the_same_bytes(lost: Reply | NoReply) -> None:
    first, chunk = chunk_of("loan_0"), chunk_of(*IDS, seq=1)
    done = Upload(FakeBulkApi(updated(["loan_0"]), lost, lost, lost), first, chunk)
    assert done.outcomes() == {}
    assert done.api.bodies == [first.elements] + [chunk.elements] * 4
    assert done.traffic.availability.retries == 3


def test_an_outage_is_waited_out_and_no_longer_than_allowed() -> None:
    done = Upload(
        FakeBulkApi(behaviour=lambda _: NoReply("refused")), chunk_of(*IDS), policy=RetryPolicy(retry_window_s=60)
    )
    assert done.results == []
    assert isinstance(done.error, Interrupted)
    assert done.took_s == pytest.approx(60, abs=0.1)
    assert len(done.api.sent) < 40  # no storm


def test_a_silence_longer_than_the_deadline_allows_ends_the_run_at_once() -> None:
    throttled = Reply(429, {"retry-after": "300"})
    done = Upload(FakeBulkApi(throttled), chunk_of(*IDS), left_s=200)
    assert isinstance(done.error, Interrupted)
    assert done.took_s < 1
    assert Upload(FakeBulkApi(throttled), chunk_of(*IDS), left_s=400).error is None


class Trial:
    """One request in virtual time, whose sender gives these answers, and what was proven of it at last."""

    def __init__(
        self,
        *answers: Answer,
        policy: RetryPolicy | None = None,
        left_s: float = inf,
        others_succeed: bool = False,
        succeeded_before: int = 0,
        stop_at: float | None = None,
        request: Request = REQUEST,
    ) -> None:
        self.sender = FakeSender(*answers)
        self.stop = Stop()
        self.proof: Proof | None = None
        self._others_succeed = others_succeed
        loop = VirtualLoop()

        async def work() -> None:
            self.availability = Availability()
            for _ in range(succeeded_before):
                self.availability.observe(attempt(SETTLED))
            retried = Retried(
                self,
                availability=self.availability,
                policy=replace(policy or RetryPolicy(), dice=Random(1)),
                time_left_s=lambda: left_s - loop.time(),
                stop=self.stop,
            )
            if stop_at is not None:
                loop.call_later(stop_at, self.stop.request, Interrupted("SIGTERM"))
            with suppress(TurnRefused):
                self.proof = await retried.settle(request)

        run(work(), loop)
        self.took_s = loop.time()
        assert self.sender.sent == [request] * len(self.sender.sent)

    async def send(self, request: Request) -> Answer:
        """Send, and tell who watches the API, as the senders between have it."""
        given = await self.sender.send(request)
        self.availability.observe(attempt(given, finished_at=asyncio.get_running_loop().time()))
        if self._others_succeed:
            self.availability.observe(attempt(SETTLED))
        return given


@pytest.mark.parametrize("proof", [SETTLED, UNPROVEN, REFUSED_WHOLE])
def test_what_is_proven_is_the_end(proof: Answer) -> None:
    trial = Trial(proof)
    assert trial.proof is proof.verdict
    assert (len(trial.sender.sent), trial.availability.retries) == (1, 0)


@pytest.mark.parametrize("episode", [OUTAGE, THROTTLED, CONTRADICTION])
def test_an_episode_is_not(episode: Answer) -> None:
    trial = Trial(episode, episode, SETTLED)
    assert trial.proof is SETTLED.verdict
    assert (len(trial.sender.sent), trial.availability.retries) == (3, 2)


def test_what_is_fatal_stops_the_run_with_its_own_error() -> None:
    trial = Trial(FATAL, SETTLED)
    assert trial.proof is None
    assert isinstance(FATAL.verdict, Fatal)
    assert trial.stop.error is FATAL.verdict.error
    assert len(trial.sender.sent) == 1


def test_a_doubtful_refusal_is_looked_into_by_parts() -> None:
    doubted = answer(Doubted("HTTP 403", 403, "HTTP 403, and others pass"), 403)
    trial = Trial(doubted, others_succeed=True)
    assert trial.proof == Unanswered("HTTP 403", 403, "HTTP 403, and others pass", api_answers=True, successes_before=0)
    assert len(trial.sender.sent) == 1


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.OUTAGE])
def test_records_whose_turn_has_not_come_are_waited_for_before_they_are_sent_again(trouble: Trouble) -> None:
    verdict = Unproven((), [1], "HTTP 207, and HTTP 429 for single records", 207, trouble)
    trial = Trial(answer(verdict, 207, retry_after="77"))
    assert trial.proof is verdict
    assert trial.took_s == pytest.approx(77, abs=0.01)
    assert len(trial.sender.sent) == 1


def test_it_gives_up_at_the_end_of_the_window_and_not_before() -> None:
    trial = Trial(THROTTLED, policy=RetryPolicy(retry_window_s=120))
    assert isinstance(trial.stop.error, Interrupted)
    assert "upload.retry_window_s" in str(trial.stop.error)
    assert trial.took_s == pytest.approx(120, abs=0.01)


def test_an_api_that_is_back_at_the_end_of_the_window_is_met() -> None:
    policy = RetryPolicy(retry_window_s=120)
    trials = len(Trial(THROTTLED, policy=policy).sender.sent)
    met = Trial(*[THROTTLED] * (trials - 1), SETTLED, policy=policy)
    assert met.proof is SETTLED.verdict
    assert met.took_s == pytest.approx(120, abs=0.01)


def test_it_gives_up_before_the_deadline() -> None:
    trial = Trial(THROTTLED, left_s=60)
    assert isinstance(trial.stop.error, Interrupted)
    assert "deadline" in str(trial.stop.error)
    assert 45 < trial.took_s < 60


def test_it_waits_for_as_long_as_it_is_asked_to() -> None:
    verdict = TryAgain("HTTP 429", Trouble.THROTTLED, 429)
    trial = Trial(answer(verdict, 429, retry_after="77"), SETTLED)
    assert trial.took_s == pytest.approx(77, abs=0.01)


def test_what_contradicts_itself_again_and_again_is_isolated() -> None:
    trial = Trial(CONTRADICTION)
    assert trial.proof == Unproven((), range(2), "the counts do not add up", 200)
    assert len(trial.sender.sent) == RetryPolicy().contradictions_max
    assert not trial.stop.requested


def test_what_fails_while_others_succeed_is_isolated() -> None:
    trial = Trial(OUTAGE, others_succeed=True)
    assert trial.proof == Unanswered("reset", None, "", api_answers=True, successes_before=0)
    assert len(trial.sender.sent) == RetryPolicy().attempts_max


def test_what_fails_while_nobody_succeeds_may_be_to_blame_or_not() -> None:
    trial = Trial(OUTAGE)
    assert trial.proof == Unanswered("reset", None, "", api_answers=False, successes_before=0)
    assert RetryPolicy().quiet_max <= len(trial.sender.sent) < 15
    assert trial.took_s >= RetryPolicy().quiet_s
    assert trial.availability.retries == len(trial.sender.sent)  # the last wait is for a part of it


def test_a_short_window_leaves_less_time_to_doubt_the_api() -> None:
    trial = Trial(OUTAGE, policy=RetryPolicy(retry_window_s=30.0))
    assert trial.proof == Unanswered("reset", None, "", api_answers=False, successes_before=0)
    assert 5.0 <= trial.took_s < 15.0


def test_what_others_achieved_before_says_nothing_about_it() -> None:
    trial = Trial(OUTAGE, succeeded_before=10)
    assert trial.proof == Unanswered("reset", None, "", api_answers=False, successes_before=10)


def test_the_words_of_the_api_are_kept() -> None:
    conflict = answer(TryAgain("HTTP 409", Trouble.OUTAGE, 409, "version conflict"), 409)
    trial = Trial(conflict, others_succeed=True)
    assert isinstance(trial.proof, Unanswered)
    assert (trial.proof.http_status, trial.proof.said) == (409, "version conflict")


def test_a_part_of_something_unanswered_is_sent_once() -> None:
    part = replace(REQUEST, is_split=True, successes_before=3)
    trial = Trial(OUTAGE, succeeded_before=3, request=part)
    assert trial.proof == Unanswered("reset", None, "", api_answers=False, successes_before=3)
    assert (len(trial.sender.sent), trial.availability.retries) == (1, 1)


def test_a_part_fails_alone_if_another_part_has_passed_meanwhile() -> None:
    part = replace(REQUEST, is_split=True, successes_before=3)
    trial = Trial(OUTAGE, succeeded_before=4, request=part)
    assert trial.proof == Unanswered("reset", None, "", api_answers=True, successes_before=4)
    assert (len(trial.sender.sent), trial.availability.retries) == (1, 0)


def test_what_nobody_waits_for_twice_after_the_same_time_may_be_too_large() -> None:
    gateway_timeout = Answer(Reply(504), TryAgain("HTTP 504", Trouble.OUTAGE, 504), took_s=60.0)
    trial = Trial(gateway_timeout)
    assert trial.proof == Unanswered("HTTP 504", 504, "", api_answers=False, successes_before=0, gave_up_s=60.0)
    assert len(trial.sender.sent) == RetryPolicy().gave_up_alike_max


def test_a_stop_ends_the_wait_and_nothing_more_is_sent() -> None:
    trial = Trial(answer(TryAgain("HTTP 503", Trouble.OUTAGE, 503), 503, retry_after="500"), SETTLED, stop_at=10)
    assert trial.proof is None
    assert str(trial.stop.error) == "SIGTERM"
    assert trial.took_s == pytest.approx(10, abs=0.01)
    assert len(trial.sender.sent) == 1
