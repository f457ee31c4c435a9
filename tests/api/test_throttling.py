"""Refusals because of the rate: 429, and whatever 403 or 420 say in so many words."""

from __future__ import annotations

import pytest

from engine.api.throttling import asks_to_slow_down
from engine.api.verdict import Fatal, Trouble, TryAgain, interpret
from engine.api.wire import Reply


@pytest.mark.parametrize(
    ("reply", "asks"),
    [
        (Reply(429), True),
        (Reply(403, {}, b'{"message": "API rate limit exceeded"}'), True),
        (Reply(403, {}, b'{"error": "RateLimitExceeded"}'), True),
        (Reply(403, {}, b"<html><h1>Too Many Requests</h1></html>"), True),
        (Reply(403, {}, b'{"code": "RequestThrottled"}'), True),
        (Reply(420, {}, b"Enhance Your Calm"), True),
        (Reply(403, {}, b'{"message": "no access to this campaign"}'), False),
        (Reply(403), False),
        (Reply(403, {}, None), False),
        (Reply(420, {}, b"policy not fulfilled"), False),
        (Reply(400, {}, b"rate limit exceeded"), False),
    ],
    ids=str,
)
def test_who_asks_for_fewer_requests(reply: Reply, asks: bool) -> None:
    assert asks_to_slow_down(reply) is asks


def test_it_is_obeyed_and_refuses_neither_token_nor_record() -> None:
    verdict = interpret(Reply(403, {}, b'{"message": "API rate limit exceeded"}'), ["a"])
    assert isinstance(verdict, TryAgain)
    assert verdict.trouble is Trouble.THROTTLED
    assert isinstance(interpret(Reply(403, {}, b'{"message": "forbidden"}'), ["a"]), Fatal)
