"""One chunk to its proven end: settled, isolated by halves within a budget, split by a learned size, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf, log2
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from engine.api.verdict import RefusedWhole, Settled, Unproven
from engine.api.wire import NoReply, Reply
from engine.pacing.retry import RetryPolicy
from engine.pacing.turnstile import TurnRefused
from engine.pipeline.delivery import ALONE_MAX, FRUITLESS_MAX, FRUITLESS_PER_CHUNK_MAX, Delivery, Isolation, halves
from engine.pipeline.retried import Proof
from engine.pipeline.sending import Request
from engine.pipeline.witnesses import Witness
from engine.values import Failure, Outcome
from engine.values.errors import Interrupted
from tests.fakes import Behaviour, FakeBulkApi, chunk_of, refusing, results, updated
from tests.pipeline.uploads import IDS, Upload, rejected, unknown


def test_a_good_chunk_takes_one_request_with_its_own_bytes() -> None:
    chunk = chunk_of(*IDS)
    done = Upload(FakeBulkApi(), chunk)
    assert done.outcomes() == {}
    assert done.api.bodies == [chunk.elements]
    assert done.requests.split == 0


def test_a_chunk_without_records_takes_none() -> None:
    done = Upload(FakeBulkApi(), chunk_of())
    assert [result.failures for result in done.results] == [[]]
    assert done.api.sent == []


@settings(deadline=None)
@given(st.integers(2, 300), st.data())
def test_one_poison_record_is_found_with_few_requests(count: int, data: st.DataObject) -> None:
    ids = [f"loan_{number}" for number in range(count)]
    poison = data.draw(st.sampled_from(ids))
    done = Upload(
        FakeBulkApi(behaviour=refusing(poison, status=data.draw(st.sampled_from([400, 422])))), chunk_of(*ids)
    )
    assert done.outcomes() == rejected(poison)
    assert len(done.api.sent) - 1 <= 2 * log2(count) + 2
    assert done.requests.split == len(done.api.sent) - 1


def test_ten_thousand_records_and_one_of_them_poison() -> None:
    ids = [f"loan_{number}" for number in range(10_000)]
    done = Upload(FakeBulkApi(behaviour=refusing("loan_7777")), chunk_of(*ids))
    assert done.outcomes() == rejected("loan_7777")
    assert len(done.api.sent) - 1 <= 2 * log2(10_000) + 2


def test_a_poison_record_that_is_alone_is_rejected_with_the_words_of_the_api() -> None:
    done = Upload(FakeBulkApi(behaviour=refusing("loan_0", status=400)), chunk_of("loan_0"))
    assert done.failures() == {"loan_0": Failure(0, Outcome.REJECTED, "a record is invalid", 400)}
    assert len(done.api.sent) == 1


def test_a_record_that_is_named_is_rejected_with_the_words_of_the_api() -> None:
    named = results(9, 1, [{"id": "loan_3", "error": "bad"}], status=207)
    done = Upload(FakeBulkApi(named), chunk_of(*IDS))
    assert done.failures() == {"loan_3": Failure(3, Outcome.REJECTED, "bad", 207)}


Naming = Callable[[int, str], Any]


NAMINGS: dict[str, Naming] = {
    "id": lambda _, id_: {"id": id_, "error": "bad"},
    "index": lambda index, _: {"index": index, "error": "bad"},
    "nested": lambda _, id_: {"update": {"_id": id_}, "error": "bad"},
    "text": lambda _, id_: f"{id_}: bad",
    "unnamed": lambda *_: {"error": "bad"},
}


def partial(bad: set[str], naming: Naming | None) -> Behaviour:
    """Update all but the `bad` records, and name these."""

    def answer(ids: Sequence[str]) -> Reply:
        found = [(index, id_) for index, id_ in enumerate(ids) if id_ in bad]
        errors = [naming(index, id_) for index, id_ in found] if naming else []
        return results(len(ids) - len(found), len(found), errors, status=207 if found else 200)

    return answer


@settings(deadline=None)
@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=12), st.sampled_from([*NAMINGS, "nothing"]))
def test_the_right_records_are_blamed_however_they_are_named(count: int, bad: set[int], naming: str) -> None:
    ids = [f"loan_{number}" for number in range(count)]
    culprits = {ids[index] for index in bad if index < count}
    done = Upload(FakeBulkApi(behaviour=partial(culprits, NAMINGS.get(naming))), chunk_of(*ids))
    assert done.outcomes() == rejected(*culprits)
    if naming in ("id", "nested", "text"):
        assert len(done.api.sent) == 1
    else:  # halves: for each culprit no more than for one alone
        assert len(done.api.sent) <= 1 + len(culprits) * (2 * log2(max(count, 2)) + 2)


def test_an_index_is_believed_once_one_reply_has_proven_from_where_they_count() -> None:
    chunks = [chunk_of(*[f"loan_{seq}_{number}" for number in range(8)], seq=seq) for seq in range(3)]
    bad = {f"loan_{seq}_3" for seq in range(3)}
    done = Upload(FakeBulkApi(behaviour=partial(bad, NAMINGS["index"])), *chunks)
    assert done.outcomes() == rejected(*bad)
    assert len(done.api.sent) == 7 + 1 + 1  # the first chunk is halved until the record is alone


def test_where_all_fail_because_of_a_named_one_the_others_are_sent_again_at_once() -> None:
    def all_or_nothing(ids: Sequence[str]) -> Reply:
        if "loan_3" in ids:
            return results(0, len(ids), [{"id": "loan_3", "error": "bad"}], status=400)
        return updated(ids)

    done = Upload(FakeBulkApi(behaviour=all_or_nothing), chunk_of(*IDS))
    assert done.outcomes() == rejected("loan_3")
    assert [len(ids) for ids in done.api.sent] == [10, 9]


def test_a_single_record_left_open_is_sent_once_more_by_itself() -> None:
    first = results(0, 2, [{"id": "a", "error": "bad"}, "somebody else, too"], status=207)
    assert Upload(FakeBulkApi(first), chunk_of("a", "b")).outcomes() == rejected("a")


def test_what_cannot_be_believed_is_asked_three_times_then_isolated_then_unknown() -> None:
    def lies_about(ids: Sequence[str]) -> Reply:
        return results(len(ids) - 1, 0) if "loan_3" in ids else updated(ids)

    done = Upload(FakeBulkApi(behaviour=lies_about), chunk_of("first"), chunk_of(*IDS, seq=1))
    assert done.outcomes() == unknown("loan_3")
    assert done.api.sent.count(["loan_3"]) == 3


def test_a_record_at_which_the_server_falls_over_is_unknown_while_others_go_on() -> None:
    def falls_over(ids: Sequence[str]) -> Reply:
        return Reply(500) if "loan_3" in ids else updated(ids)

    chunks = [chunk_of(*IDS), *(chunk_of(f"other_{seq}", seq=seq) for seq in range(1, 400))]
    done = Upload(FakeBulkApi(behaviour=falls_over, latency_s=1.0), *chunks, workers=2)
    assert done.outcomes() == unknown("loan_3")
    assert done.error is None


def failing(*bad: str, answer: Reply | NoReply) -> Behaviour:
    """Answer so whenever one of the `bad` records is in the request."""
    return lambda ids: updated(ids) if set(bad).isdisjoint(ids) else answer


CONFLICT = Reply(409, {}, b'{"success": false, "message": "the record is locked"}')

SPOILT: list[Reply | NoReply] = [Reply(500), Reply(502), NoReply("the server closed the connection"), CONFLICT]


@pytest.mark.parametrize("answer", SPOILT, ids=str)
@pytest.mark.parametrize("bad", [["loan_7"], ["loan_0"], ["loan_39"], ["loan_3", "loan_4", "loan_30"]], ids=len)
def test_a_record_that_spoils_its_request_is_found_although_nobody_else_succeeds(
    answer: Reply | NoReply, bad: list[str]
) -> None:
    done = Upload(FakeBulkApi(behaviour=failing(*bad, answer=answer)), chunk_of(*(f"loan_{n}" for n in range(40))))
    assert done.outcomes() == (rejected(*bad) if answer is CONFLICT else unknown(*bad))
    assert done.error is None
    assert len(done.api.sent) <= 10 + len(bad) * (2 * log2(40) + 6)
    assert done.took_s < 60


def test_the_words_of_the_api_are_the_reason_where_it_has_said_one() -> None:
    done = Upload(FakeBulkApi(behaviour=failing("loan_3", answer=CONFLICT)), chunk_of(*IDS))
    assert done.failures() == {"loan_3": Failure(3, Outcome.REJECTED, "the record is locked", 409)}
    done = Upload(FakeBulkApi(behaviour=failing("loan_3", answer=Reply(500))), chunk_of(*IDS))
    reason = "HTTP 500 for this record alone, while others pass"
    assert done.failures() == {"loan_3": Failure(3, Outcome.UNKNOWN, reason, 500)}


def test_many_thousand_records_and_one_that_spoils_its_request() -> None:
    ids = [f"loan_{number}" for number in range(10_000)]
    done = Upload(FakeBulkApi(behaviour=failing("loan_7777", answer=Reply(500))), chunk_of(*ids))
    assert done.outcomes() == unknown("loan_7777")
    assert len(done.api.sent) <= 10 + 2 * log2(10_000) + 6


def test_an_outage_blames_nobody_however_long_it_takes() -> None:
    calls = 0

    def down_for_a_while(ids: Sequence[str]) -> Reply:
        nonlocal calls
        calls += 1
        return Reply(503) if 2 <= calls < 60 else updated(ids)

    chunks = [chunk_of(f"first_{seq}", *IDS, seq=seq) for seq in range(3)]
    done = Upload(FakeBulkApi(behaviour=down_for_a_while), *chunks, workers=3)
    assert done.outcomes() == {}
    assert done.error is None


def test_a_record_that_is_the_whole_chunk_is_judged_beside_a_witness_of_another_chunk() -> None:
    chunk = chunk_of("loan_1")
    api = FakeBulkApi(behaviour=failing("loan_1", answer=Reply(500)))
    lent = Witness("loan_0", chunk_of("loan_0").lines)
    done = Upload(api, chunk, borrow=lambda seq: lent)
    assert done.outcomes() == unknown("loan_1")
    assert len(api.sent) == RetryPolicy().quiet_max + 5
    asked = [ids[0] for ids in api.sent]
    assert asked[-5:] == ["loan_0", "loan_1", "loan_0", "loan_1", "loan_0"]


def test_a_record_that_failed_in_an_outage_and_once_more_by_chance_is_not_judged() -> None:
    sent = 0

    def answer(ids: Sequence[str]) -> Reply:
        nonlocal sent
        sent += ids == ["loan_1"]
        return Reply(500) if ids == ["loan_1"] and sent <= RetryPolicy().quiet_max + 1 else updated(ids)

    api, lent = FakeBulkApi(behaviour=answer), Witness("loan_0", chunk_of("loan_0").lines)
    done = Upload(api, chunk_of("loan_1"), borrow=lambda seq: lent)
    assert (done.outcomes(), done.error) == ({}, None)
    assert [ids[0] for ids in api.sent][-4:] == ["loan_0", "loan_1", "loan_0", "loan_1"]


def test_a_record_without_a_witness_is_not_given_up_for_how_long_an_outage_took() -> None:
    down, failed_after = True, 0

    def answer(ids: Sequence[str]) -> Reply:
        nonlocal down, failed_after
        down = down and len(api.sent) < 4 * ALONE_MAX
        if not down and ids == ["loan_1"] and failed_after < ALONE_MAX - 1:
            failed_after += 1
            return Reply(500)
        return Reply(500) if down else updated(ids)

    api = FakeBulkApi(behaviour=answer)
    done = Upload(api, chunk_of("loan_1"), chunk_of("loan_2", seq=1), workers=2)
    assert (done.outcomes(), done.error, failed_after) == ({}, None, ALONE_MAX - 1)


def test_a_witness_that_fails_as_well_proves_nothing() -> None:
    lent = Witness("loan_0", chunk_of("loan_0").lines)
    api = FakeBulkApi(behaviour=lambda _: Reply(500))
    done = Upload(api, chunk_of("loan_1"), borrow=lambda seq: lent, policy=RetryPolicy(retry_window_s=60))
    assert done.results == []
    assert isinstance(done.error, Interrupted)


def test_a_record_without_a_witness_waits_for_one() -> None:
    done = Upload(
        FakeBulkApi(behaviour=lambda _: Reply(500)), chunk_of("loan_1"), policy=RetryPolicy(retry_window_s=60)
    )
    assert done.results == []
    assert isinstance(done.error, Interrupted)
    assert len(done.api.sent) < 40


class SlowGateway(FakeBulkApi):
    """A server that takes a second for each record, behind a gateway that waits for so many."""

    def __init__(self, waits_s: float) -> None:
        super().__init__()
        self._waits_s = waits_s

    async def update(self, elements: bytes, campaign_id: str = "") -> Reply | NoReply:
        count = len(orjson.loads(b"[%b]" % elements))
        await asyncio.sleep(min(count, self._waits_s))
        answer = await super().update(elements, campaign_id)
        return Reply(504) if count > self._waits_s else answer


def test_a_chunk_that_is_too_slow_is_sent_in_parts_and_later_ones_as_large_as_passes() -> None:
    chunks = [chunk_of(*(f"loan_{seq:02}{number:02}" for number in range(40)), seq=seq) for seq in range(10)]
    done = Upload(SlowGateway(waits_s=15.0), *chunks)
    assert done.outcomes() == {}
    assert done.error is None
    too_slow = [len(ids) for ids in done.api.sent if len(ids) > 15]
    assert too_slow == [40, 40, 20, 20]
    assert min(len(ids) for ids in done.api.sent) >= 5
    assert len(done.api.sent) <= 4 + 10 * 4 + 2


def test_isolation_stops_at_its_budget_and_says_so() -> None:
    ids = [f"loan_{number}" for number in range(4_000)]
    done = Upload(
        FakeBulkApi(behaviour=lambda _: Reply(422, {}, b'{"success": false, "message": "Rani Devi is invalid"}')),
        chunk_of(*ids),
    )
    assert set(done.outcomes()) == set(ids)
    assert len(done.api.sent) <= 2 * FRUITLESS_PER_CHUNK_MAX
    left = [failure for failure in done.failures().values() if failure.outcome is Outcome.UNKNOWN]
    assert len(left) > 3_000
    assert {failure.reason for failure in left} == {"not isolated (HTTP 422): too many requests failed"}


def test_the_budget_of_the_run_holds_over_all_chunks() -> None:
    chunks = [chunk_of(*(f"loan_{seq}_{number}" for number in range(300)), seq=seq) for seq in range(12)]
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(422, {}, b'{"success": false}')), *chunks)
    assert len(done.outcomes()) == 12 * 300
    assert len(done.api.sent) <= 2 * FRUITLESS_MAX + len(chunks)


def sized(bytes_max: int) -> Behaviour:
    """Refuse what is larger than `bytes_max` with 413."""
    return lambda ids: Reply(413) if len(chunk_of(*ids).lines) > bytes_max else updated(ids)


def test_a_size_once_refused_is_not_tried_again() -> None:
    chunks = [chunk_of(*(f"{seq}_{number:04}" for number in range(64)), seq=seq) for seq in range(20)]
    limit = len(chunks[0].lines) // 3
    done = Upload(FakeBulkApi(behaviour=sized(limit)), *chunks)
    assert done.outcomes() == {}
    refused = sum(len(body) > limit for body in done.api.bodies)
    assert refused <= 2
    assert len(done.api.sent) <= refused + 4 * len(chunks)


def test_one_record_too_large_alone_is_rejected_and_the_learned_size_stays_sensible() -> None:
    def answer(ids: Sequence[str]) -> Reply:
        return Reply(413) if "large" in ids else updated(ids)

    done = Upload(
        FakeBulkApi(behaviour=answer), chunk_of(*IDS, "large"), chunk_of(*(f"b{n}" for n in range(11)), seq=1)
    )
    assert done.outcomes() == rejected("large")
    assert done.failures()["large"].http_status == 413


def test_a_server_for_which_everything_is_too_large_is_not_asked_for_ever() -> None:
    ids = [f"loan_{number}" for number in range(2_000)]
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(413)), chunk_of(*ids))
    assert set(done.outcomes()) == set(ids)
    assert len(done.api.sent) <= 2 * FRUITLESS_PER_CHUNK_MAX


def test_a_learned_size_does_not_use_up_the_budget_of_isolation() -> None:
    chunks = [chunk_of(*(f"{seq}_{number:04}" for number in range(64)), seq=seq) for seq in range(60)]
    limit = len(chunks[0].lines) // 40

    def answer(ids: Sequence[str]) -> Reply | NoReply:
        return Reply(422) if "59_0013" in ids else sized(limit)(ids)

    done = Upload(FakeBulkApi(behaviour=answer), *chunks)
    assert len(done.api.sent) > 2 * FRUITLESS_MAX
    assert done.outcomes() == rejected("59_0013")


class Refusing:
    """Settles requests, and refuses those with one of the `bad` records whole; remembers them."""

    def __init__(self, *bad: str) -> None:
        self.requests: list[Request] = []
        self._bad = set(bad)

    async def settle(self, request: Request) -> Proof:
        self.requests.append(request)
        return Settled() if self._bad.isdisjoint(request.ids) else RefusedWhole("no", 422)


async def test_parts_come_in_the_order_of_the_source_with_the_bytes_of_their_records() -> None:
    ids = [f"loan {number}" for number in range(10)]
    chunk, api = chunk_of(*ids), Refusing("loan 3")
    await Delivery(chunk, api.settle, Isolation()).run()
    settled = [request for request in api.requests if "loan 3" not in request.ids]
    line_of = dict(zip(chunk.ids, chunk.lines.split(b"\n"), strict=True))
    assert [id_ for request in settled for id_ in request.ids] == [id_ for id_ in ids if id_ != "loan 3"]
    assert all(request.elements == b",".join(line_of[id_] for id_ in request.ids) for request in api.requests)


async def test_only_parts_of_a_chunk_are_called_splits() -> None:
    api = Refusing("loan_9")
    await Delivery(chunk_of(*IDS), api.settle, Isolation()).run()
    assert [request.is_split for request in api.requests] == [len(request.ids) < 10 for request in api.requests]
    assert {request.is_split for request in api.requests} == {False, True}


async def test_a_chunk_whose_run_stops_has_no_outcome() -> None:
    async def refuse(request: Request) -> Proof:
        raise TurnRefused

    with pytest.raises(TurnRefused):
        await Delivery(chunk_of("a"), refuse, Isolation()).run()


def leaving_open(reason: str, status: int | None) -> Callable[[Request], Awaitable[Proof]]:
    """Leave all records of a request open."""

    async def settle(request: Request) -> Proof:
        return Unproven((), range(len(request.ids)), reason, status)

    return settle


@pytest.mark.parametrize(
    ("status", "reason"), [(None, "the words of the API"), (207, "not isolated (HTTP 207): too many requests failed")]
)
async def test_what_is_given_up_says_why_and_only_without_a_status_in_the_words_it_was_told(
    status: int | None, reason: str
) -> None:
    spent = Isolation()
    for _ in range(FRUITLESS_MAX):
        spent.spend()
    failures = await Delivery(chunk_of("a", "b"), leaving_open("the words of the API", status), spent).run()
    assert failures == [Failure(index, Outcome.UNKNOWN, reason, status) for index in range(2)]


async def test_a_record_that_is_left_open_alone_is_unknown_with_the_words_of_the_api() -> None:
    failures = await Delivery(chunk_of("a"), leaving_open("who knows", 207), Isolation()).run()
    assert failures == [Failure(0, Outcome.UNKNOWN, "who knows", 207)]


async def test_a_chunk_spends_its_budget_to_the_last_request() -> None:
    """The first half takes all but two of them: the second one is halved, and then the budget is spent."""
    ids = [f"loan_{number}" for number in range(FRUITLESS_PER_CHUNK_MAX - 2)]
    half = len(ids) // 2
    api = Refusing(*ids)
    failures = await Delivery(chunk_of(*ids), api.settle, Isolation()).run()
    assert [failure.index for failure in failures] == list(range(len(ids)))
    assert [failure.outcome for failure in failures] == [Outcome.REJECTED] * half + [Outcome.UNKNOWN] * half
    assert len(api.requests) == FRUITLESS_PER_CHUNK_MAX + 1


@pytest.mark.parametrize(("spare_bytes", "requests"), [(0, 1), (-1, 2)])
async def test_what_is_as_large_as_the_learned_size_is_sent_whole(spare_bytes: int, requests: int) -> None:
    chunk, api, isolation = chunk_of("a", "b"), Refusing(), Isolation()
    isolation.size.bytes_max = len(chunk.lines) + spare_bytes
    await Delivery(chunk, api.settle, isolation).run()
    assert len(api.requests) == requests


@pytest.mark.parametrize("learned", [10, inf])
async def test_a_single_record_is_sent_however_large_and_teaches_no_size(learned: float) -> None:
    async def too_large(request: Request) -> Proof:
        return RefusedWhole("too large", 413, too_large=True)

    isolation = Isolation()
    isolation.size.bytes_max = learned
    failures = await Delivery(chunk_of("larger than that"), too_large, isolation).run()
    assert failures == [Failure(0, Outcome.REJECTED, "too large", 413)]
    assert isolation.size.bytes_max == learned


@given(st.integers(2, 300))
def test_halves_are_all_of_it_in_order(count: int) -> None:
    first, second = halves(range(count))
    assert [*first, *second] == list(range(count))
    assert 0 <= len(first) - len(second) <= 1


def test_it_is_spent_after_so_many_fruitless_requests() -> None:
    isolation = Isolation()
    for _ in range(FRUITLESS_MAX):
        assert not isolation.is_spent
        isolation.spend()
    assert isolation.is_spent


def test_one_bad_chunk_leaves_something_to_the_others() -> None:
    assert FRUITLESS_PER_CHUNK_MAX <= FRUITLESS_MAX / 4
