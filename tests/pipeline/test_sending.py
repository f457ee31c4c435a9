"""The innermost sender: one call is one request, and what comes back is read for what it proves."""

from __future__ import annotations

import pytest

from engine.api.verdict import Settled, Trouble, TryAgain
from engine.api.wire import NoReply, Reply
from engine.pipeline.sending import Proven
from engine.values.records import Failure, Outcome
from tests.fakes import FakeBulkApi, results
from tests.pipeline.senders import REQUEST


async def test_the_lines_go_out_as_they_are_and_once() -> None:
    api = FakeBulkApi()
    answer = await Proven(api).send(REQUEST)
    assert api.bodies == [REQUEST.lines]
    assert answer.verdict == Settled()


async def test_what_comes_back_is_read_for_the_ids_of_the_request() -> None:
    reply = results(1, 1, [{"id": "b", "error": "bad"}], status=207)
    answer = await Proven(FakeBulkApi(reply)).send(REQUEST)
    assert answer.reply == reply
    assert answer.verdict == Settled((Failure(1, Outcome.REJECTED, "bad", 207),))


@pytest.mark.parametrize("lost", [NoReply("reset"), Reply(503)], ids=str)
async def test_what_is_lost_is_an_answer_too(lost: Reply | NoReply) -> None:
    answer = await Proven(FakeBulkApi(lost)).send(REQUEST)
    assert isinstance(answer.verdict, TryAgain)
    assert answer.verdict.trouble is Trouble.OUTAGE
    assert answer.reply == lost
