"""What is told of each campaign of a run adds up to what is told of the run, and of refused ones it says why."""

from __future__ import annotations

import pytest

from engine.report import CampaignReport, Gone, RunStatus
from engine.run.campaigns_of_run import campaign_code, check_sums
from engine.values import AccountsDoNotBalance, ChunkCounts, ExitCode, RecordCounts, RequestCounts


def campaign(campaign_id: str, records: RecordCounts, sent: int) -> CampaignReport:
    requests = RequestCounts(sent=sent, succeeded=sent)
    return CampaignReport(campaign_id=campaign_id, status=RunStatus.SUCCEEDED, records=records, requests=requests)


A = campaign("a", RecordCounts(read=5, updated=4, pending=1), 2)
B = campaign("b", RecordCounts(read=3, updated=3), 1)
NOWHERE = ChunkCounts(read=2, invalid=2, filtered=1)
TOTAL = RecordCounts(read=10, filtered=1, invalid=2, updated=7, pending=1)


def test_campaigns_and_what_is_for_none_are_the_whole() -> None:
    check_sums([A, B], TOTAL, NOWHERE, 3)


@pytest.mark.parametrize(
    ("campaigns", "sent"), [([A], 2), ([A, B], 4), ([A, campaign("b", RecordCounts(read=3, updated=2), 1)], 3)]
)
def test_a_miss_is_a_bug(campaigns: list[CampaignReport], sent: int) -> None:
    with pytest.raises(AccountsDoNotBalance):
        check_sums(campaigns, TOTAL, NOWHERE, sent)


@pytest.mark.parametrize(
    ("records", "error", "unfinished", "code"),
    [
        (RecordCounts(read=1, updated=1), None, ExitCode.OK, 0),
        (RecordCounts(read=1, rejected=1), None, ExitCode.OK, 3),
        (RecordCounts(read=1, pending=1), None, ExitCode.INTERRUPTED, 75),
        (RecordCounts(read=1, pending=1), 77, ExitCode.INTERRUPTED, 77),
        (RecordCounts(read=1, rejected=1), 65, ExitCode.OK, 65),
    ],
)
def test_the_exit_code_is_the_highest(
    records: RecordCounts, error: int | None, unfinished: ExitCode, code: int
) -> None:
    assert campaign_code(records, Gone(), error, unfinished) == code
