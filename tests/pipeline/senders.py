"""A sender to put others around, and the answers that it gives."""

from __future__ import annotations

import asyncio

from engine.api.verdict import Fatal, RefusedWhole, Settled, Trouble, TryAgain, Unproven, Verdict
from engine.api.wire import NoReply, Reply
from engine.pipeline.sending import Answer, Attempt, Doubted, Request
from engine.values.errors import AccessRefused

REQUEST = Request(b'{"id":"a","data":{"x":1}},{"id":"b","data":{"x":1}}', ["a", "b"])

SETTLED = Answer(Reply(200), Settled())
UNPROVEN = Answer(Reply(207), Unproven((), [0, 1], "the reply does not name every record that failed", 207))
REFUSED_WHOLE = Answer(Reply(422), RefusedWhole("a record is invalid", 422))
THROTTLED = Answer(Reply(429), TryAgain("HTTP 429", Trouble.THROTTLED, 429))
OUTAGE = Answer(NoReply("reset"), TryAgain("reset", Trouble.OUTAGE))
CONTRADICTION = Answer(Reply(200), TryAgain("the counts do not add up", Trouble.CONTRADICTION, 200))
FATAL = Answer(Reply(403), Fatal(AccessRefused("the API refused access"), 403))
TOKEN_REFUSED = Answer(Reply(401), Fatal(AccessRefused("the API refused the token"), 401))


def answer(verdict: Verdict | Doubted, status: int = 200, **headers: str) -> Answer:
    """An answer with these headers; write `_` for `-` in their names."""
    return Answer(Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}), verdict)


def attempt(of: Answer, *, finished_at: float = 0.0) -> Attempt:
    """An attempt that took a second and came to this answer."""
    return Attempt(REQUEST, of, finished_at - 1.0, finished_at, in_flight=1)


class FakeSender:
    """Gives the answers one after another, each after `latency_s`, and the last one for ever."""

    def __init__(self, *answers: Answer | Exception, latency_s: float = 0.0) -> None:
        self.sent: list[Request] = []
        self._answers = list(answers)
        self._latency_s = latency_s

    async def send(self, request: Request) -> Answer:
        """Remember the request, wait, answer."""
        self.sent.append(request)
        await asyncio.sleep(self._latency_s)
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(given, Exception):
            raise given
        return given
