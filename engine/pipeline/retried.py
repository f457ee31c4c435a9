"""The outermost sender: the same bytes again, until something is proven about them or the run stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from msgspec import Struct

from engine.api import Fatal, RefusedWhole, Reply, Settled, Trouble, TryAgain, Unproven, gave_up_waiting, retry_after_s
from engine.pacing import Decision, GiveUp, Isolate, Probe, RetryPolicy, Setback, Trials, TurnRefused, Wait
from engine.pipeline.availability import Availability
from engine.pipeline.sending import Answer, Doubted, Request, Sender
from engine.values import EngineError, Interrupted, Stop


class Unanswered(Struct, frozen=True):
    """Nothing is proven, and the request itself may be the reason: a part of it may fare better."""

    reason: str
    http_status: int | None
    said: str
    """Why the API did not answer it, in its own words, if it has said so."""
    api_answers: bool
    """Whether other requests succeeded meanwhile, so that the API is there."""
    successes_before: int
    """How many requests of the run had succeeded when this one was first sent."""
    gave_up_s: float | None = None
    """After how long somebody gave up waiting for the reply, if that was the end."""


Proof = Settled | Unproven | RefusedWhole | Unanswered
"""What can be proven about the records of a request; every other verdict is an episode."""


class Retried(Struct, frozen=True):
    """Sends a request until something is proven. `time_left_s` is until the deadline of the run."""

    inner: Sender
    availability: Availability
    policy: RetryPolicy
    time_left_s: Callable[[], float]
    stop: Stop

    async def settle(self, request: Request) -> Proof:
        """Send `request` until something is proven, or it turns out that it may be to blame itself.

        Raises:
            TurnRefused: the run stops first, perhaps because of this very request.
        """
        successes_before = self.availability.breaker.successes
        trials = Trials(successes_before=successes_before)
        while True:
            answer = await self.inner.send(request)
            match answer.verdict:
                case Doubted(reason, status, said):
                    return Unanswered(
                        reason,
                        status,
                        said,
                        api_answers=self._others_succeeded(request, trials) > 0,
                        successes_before=successes_before,
                    )
                case Unproven(reason=reason, trouble=Trouble() as trouble) as proof:
                    trials.add(trouble)
                    decision = self._decide(request, answer, reason, trouble, trials)
                    if isinstance(decision, Wait | GiveUp):
                        await self._wait(decision)
                    return proof
                case TryAgain(reason=reason, trouble=trouble) as verdict:
                    trials.add(
                        trouble,
                        successes=self.availability.breaker.successes,
                        gave_up_s=answer.took_s if gave_up_waiting(answer.reply) else None,
                    )
                    decision = self._decide(request, answer, reason, trouble, trials)
                    if isinstance(decision, Isolate) and trouble is Trouble.CONTRADICTION:
                        return Unproven((), range(len(request.ids)), decision.reason, verdict.http_status)
                    if isinstance(decision, Wait | Probe | GiveUp):
                        await self._wait(decision)
                    if isinstance(decision, Isolate | Probe):
                        return Unanswered(
                            decision.reason,
                            verdict.http_status,
                            verdict.said,
                            api_answers=isinstance(decision, Isolate),
                            successes_before=successes_before,
                            gave_up_s=trials.gave_up_s,
                        )
                case Fatal(error):
                    self._stop_the_run(error)
                case proof:
                    return proof

    def _decide(self, request: Request, answer: Answer, reason: str, trouble: Trouble, trials: Trials) -> Decision:
        is_part = request.successes_before is not None
        setback = Setback(
            reason=reason,
            trouble=trouble,
            trials=trials,
            others_succeeded=self._others_succeeded(request, trials),
            outage_s=self.availability.outage_s,
            time_left_s=self.time_left_s(),
            retry_after_s=retry_after_s(answer.reply.headers) if isinstance(answer.reply, Reply) else None,
            is_part=is_part,
            is_single=len(request.ids) == 1,
        )
        return self.policy.decide(setback)

    def _others_succeeded(self, request: Request, trials: Trials) -> int:
        """Return how many requests have succeeded since this one, or what it is a part of, was first sent."""
        before = request.successes_before if request.successes_before is not None else trials.successes_before
        return self.availability.breaker.successes - before

    async def _wait(self, decision: Wait | Probe | GiveUp) -> None:
        if isinstance(decision, GiveUp):
            self._stop_the_run(Interrupted(decision.reason, silence_s=decision.silence_s))
        else:
            await self.availability.wait_to_retry(decision.delay_s, self.stop)
            if self.stop.requested:
                raise TurnRefused

    def _stop_the_run(self, error: EngineError) -> NoReturn:
        self.stop.request(error)
        raise TurnRefused
