"""Campaigns that are refused end alone, after a dozen requests at the most, and one poison record ends none."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from engine.api import NoReply, Reply
from engine.pipeline.refused_campaigns import REFUSALS_MAX, CampaignRefused, RefusedCampaigns
from engine.values import AccessRefused, CampaignMissing, Chunk
from tests.fakes import FakeBulkApi, chunk_of, updated
from tests.pipeline.uploads import Upload


def of_campaign(campaign_id: str, number: int, *ids: str, seq: int = 0) -> Chunk:
    return replace(chunk_of(*ids, seq=(number << 40) + seq), campaign_id=campaign_id)


class Campaigns(FakeBulkApi):
    """An API in which each campaign has an answer of its own; `poison` spoils the request that holds it."""

    def __init__(self, statuses: dict[str, int], *, poison: str = "") -> None:
        super().__init__()
        self.statuses, self.poison = statuses, poison
        self.asked: list[str] = []

    async def update(self, elements: bytes, campaign_id: str = "") -> Reply | NoReply:
        self.asked.append(campaign_id)
        await super().update(elements)
        status = 400 if self.poison in self.sent[-1] else self.statuses.get(campaign_id, 200)
        message = {"success": False, "message": "this does not work"}
        return updated(self.sent[-1]) if status == 200 else Reply(status, {}, orjson.dumps(message))


def mixed(chunks: int, records: int) -> list[Chunk]:
    """Chunks of the campaigns a, b and c in turn."""
    return [
        of_campaign(campaign, number, *(f"{campaign}{seq}_{index}" for index in range(records)), seq=seq)
        for seq in range(chunks)
        for number, campaign in enumerate("abc", 1)
    ]


@pytest.mark.parametrize(("status", "kind"), [(403, AccessRefused), (404, CampaignMissing), (400, AccessRefused)])
def test_the_others_are_delivered(status: int, kind: type[AccessRefused]) -> None:
    api = Campaigns({"b": status})
    done = Upload(api, *mixed(20, 50), workers=4)
    assert {result.chunk.campaign_id for result in done.results} == {"a", "c"}
    assert len(done.results) == 40
    errors = done.traffic.campaigns.errors
    assert list(errors) == ["b"]
    assert type(errors["b"]) is kind
    assert "campaign b" in str(errors["b"])
    assert api.asked.count("b") <= REFUSALS_MAX + 3  # what was in flight when it was known
    assert done.stop.error is None


def test_one_poison_record_ends_no_campaign() -> None:
    ids = [f"loan_{index}" for index in range(1_000)]
    api = Campaigns({}, poison="loan_0")
    done = Upload(api, of_campaign("a", 1, *ids))
    [result] = done.results
    assert [ids[failure.index] for failure in result.failures] == ["loan_0"]
    assert done.traffic.campaigns.errors == {}


def test_a_token_that_is_refused_ends_the_run() -> None:
    done = Upload(Campaigns({"b": 401}), *mixed(2, 2))
    assert isinstance(done.error, AccessRefused)
    assert done.traffic.campaigns.errors == {}


def test_requests_are_counted_by_campaign() -> None:
    done = Upload(Campaigns({"b": 404}), *mixed(5, 2), workers=1)
    counts = done.traffic.campaign_requests
    assert {campaign: each.sent for campaign, each in counts.items()} == {"a": 5, "b": 1, "c": 5}
    assert sum(each.failed for each in counts.values()) == done.requests.failed == 1


def test_a_campaign_that_has_accepted_something_is_not_given_up_for_refusals() -> None:
    campaigns = RefusedCampaigns(served_earlier=["a"])
    for _ in range(3 * REFUSALS_MAX):
        campaigns.refused("a", 400)
    for _ in range(REFUSALS_MAX - 1):
        campaigns.refused("b", 400)
    campaigns.check("b")
    with pytest.raises(CampaignRefused):
        campaigns.refused("b", 400)
    with pytest.raises(CampaignRefused):
        campaigns.check("b")
