"""The outermost sender: the same bytes again, until something is proven about them or the run stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from engine.api import Fatal, RefusedWhole, Reply, Settled, TryAgain, Unproven, retry_after_s
from engine.pacing import Decision, GiveUp, Isolate, RetryPolicy, Setback, Trials, TurnRefused, Wait
from engine.pipeline.availability import Availability
from engine.pipeline.sending import Answer, Request, Sender
from engine.values import EngineError, Interrupted, Stop

Proof = Settled | Unproven | RefusedWhole
"""What can be proven about the records of a request; every other verdict is an episode."""


@dataclass(frozen=True, slots=True)
class Retried:
    """Sends a request until something is proven. `time_left_s` is until the deadline of the run."""

    inner: Sender
    availability: Availability
    policy: RetryPolicy
    time_left_s: Callable[[], float]
    renew_token: Callable[[Reply], bool]
    stop: Stop

    async def settle(self, request: Request) -> Proof:
        """Send `request` until something is proven.

        Raises:
            TurnRefused: the run stops first, perhaps because of this very request.
        """
        trials = Trials(successes_before=self.availability.breaker.successes)
        while True:
            answer = await self.inner.send(request)
            match answer.verdict:
                case Fatal(http_status=HTTPStatus.UNAUTHORIZED) if self._has_new_token(answer):
                    continue
                case Fatal(error):
                    self._stop_the_run(error)
                case TryAgain(trouble=trouble) as verdict:
                    trials.add(trouble)
                    decision = self._decide(answer, verdict, trials)
                    if isinstance(decision, Isolate):
                        return Unproven((), range(len(request.ids)), decision.reason, verdict.http_status)
                    await self._wait(decision)
                case proof:
                    return proof

    def _decide(self, answer: Answer, verdict: TryAgain, trials: Trials) -> Decision:
        availability = self.availability
        setback = Setback(
            reason=verdict.reason,
            trials=trials,
            others_succeeded=availability.breaker.successes - trials.successes_before,
            outage_s=availability.outage_s,
            time_left_s=self.time_left_s(),
            retry_after_s=retry_after_s(answer.reply.headers) if isinstance(answer.reply, Reply) else None,
        )
        return self.policy.decide(setback)

    async def _wait(self, decision: Wait | GiveUp) -> None:
        if isinstance(decision, GiveUp):
            self._stop_the_run(Interrupted(f"not finished: {decision.reason}"))
        else:
            await self.availability.wait_to_retry(decision.delay_s, self.stop)
            if self.stop.requested:
                raise TurnRefused

    def _has_new_token(self, answer: Answer) -> bool:
        return isinstance(answer.reply, Reply) and self.renew_token(answer.reply)

    def _stop_the_run(self, error: EngineError) -> NoReturn:
        self.stop.request(error)
        raise TurnRefused
