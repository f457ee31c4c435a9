"""The campaigns of a run that has many: what is durable of each, when one has had enough, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.pipeline import Accounts, CampaignAccounts, RefusedCampaigns, Traffic
from engine.report import REPORT_REASON_CHARACTERS, CampaignReport, Gone, status_of, with_short_reasons
from engine.run.guards import GuardWords, rejects_exceeded
from engine.settings import GuardTable
from engine.state import CampaignRow, Journal, Run
from engine.values import AccountsDoNotBalance, ChunkCounts, EngineError, ExitCode, RecordCounts, RequestCounts, counted


def accounts_of(run: Run, counts: Mapping[int, ChunkCounts]) -> dict[str, CampaignAccounts]:
    """Return the accounts that earlier processes of a run have left; `counts` are by the numbers of campaigns."""
    return {row.id: CampaignAccounts(row.number, counts.get(row.number)) for row in run.campaigns.values()}


def refused_campaigns(accounts: Accounts) -> RefusedCampaigns:
    """Return who watches over refused campaigns, when earlier processes have come so far."""
    return RefusedCampaigns([campaign_id for campaign_id, each in accounts.campaigns.items() if each.durable.updated])


class CampaignsOfRun:
    """Those of one run; none where it has only one."""

    def __init__(self, run: Run, accounts: Accounts, traffic: Traffic) -> None:
        self._run, self._accounts, self._traffic = run, accounts, traffic
        self._told_of: dict[str, EngineError | None] = {}
        """The campaigns that were told of, and why they were refused by then."""
        self._not_noted: set[str] = set()
        """Those told of since `noted`."""
        self.gone_of: Callable[[str], Gone] = lambda _: Gone()
        """Returns what became of ids that a campaign holds no more."""
        self.is_routed = not run.campaign_id

    def changed(self) -> list[CampaignRow]:
        """Return the campaigns of which there is something to note; what is not `noted` then is told again."""
        traffic, known = self._traffic, self._accounts.campaigns
        changed, traffic.touched = traffic.touched | self._not_noted, set()
        if len(known) > len(self._told_of):
            changed |= set(known) - self._told_of.keys()  # a copy: the producer's thread adds to it
        changed |= {each for each, error in traffic.campaigns.errors.items() if self._told_of.get(each) is not error}
        self._not_noted = {each for each in changed if each in known}
        rows = []
        for campaign_id in sorted(self._not_noted):
            error = self._told_of[campaign_id] = traffic.campaigns.errors.get(campaign_id)
            requests = traffic.campaign_requests[campaign_id]
            rows.append(self._row(campaign_id, known[campaign_id].number, requests, error))
        return rows

    def noted(self) -> None:
        """What was told last is durable."""
        self._not_noted = set()

    def _row(self, campaign_id: str, number: int, requests: RequestCounts, error: EngineError | None) -> CampaignRow:
        before = self._run.campaigns.get(campaign_id)
        return CampaignRow(
            campaign_id,
            number,
            replace(requests),
            gone=before.gone if before else {},
            exit_code=int(error.exit_code) if error else None,
            message=str(error) if error else "",
        )

    def judge(self, guard: GuardTable, words: GuardWords, share_read: float | None) -> None:
        """End the part of each campaign that `guard.max_rejected` has enough of; `share_read` is of the source."""
        total = self._accounts.durable
        campaigns = list(self._accounts.campaigns.items()) if total.rejected + total.unknown else []
        for campaign_id, each in campaigns:
            if each.durable.rejected + each.durable.unknown:
                expected = round(each.read / share_read) if share_read else None
                tripped = rejects_exceeded(each.durable, guard, expected, words)
                if tripped is not None:
                    self._traffic.campaigns.end(campaign_id, type(tripped)(f"campaign {campaign_id}: {tripped}"))

    @property
    def are_tried(self) -> bool:
        """Whether the source was read, and only records of refused campaigns are pending."""
        campaigns, refused = self._accounts.campaigns, self._traffic.campaigns.errors
        pending = sum(campaigns[campaign_id].counts.pending for campaign_id in refused if campaign_id in campaigns)
        return self.is_routed and self._accounts.is_read and self._accounts.pending == pending

    def error(self) -> EngineError | None:
        """Return why campaigns were refused, as one error with the highest exit code; None if none was."""
        errors = list(self._traffic.campaigns.errors.values())
        if not errors:
            return None
        worst = max(errors, key=lambda error: error.exit_code)
        if len(errors) == 1:
            return worst
        of_all = counted(len(self._accounts.campaigns), "campaign")
        return type(worst)(f"nothing more is sent to {len(errors):,} of {of_all}; {worst}")

    def reports(self, journal: Journal, run_code: ExitCode) -> list[CampaignReport]:
        """Return what is told of each campaign, when the run ends with such a code. In the journal's thread."""
        return [
            self._report(journal, campaign_id, each, run_code)
            for campaign_id, each in sorted(self._accounts.campaigns.items(), key=lambda item: item[1].number)
        ]

    def _report(self, journal: Journal, campaign_id: str, each: CampaignAccounts, run_code: ExitCode) -> CampaignReport:
        error = self._traffic.campaigns.errors.get(campaign_id)
        gone = self.gone_of(campaign_id)
        is_done = self._accounts.is_read and not each.counts.pending
        code = campaign_code(
            each.counts, gone, error.exit_code if error else None, ExitCode.OK if is_done else run_code
        )
        row = self._row(campaign_id, each.number, self._traffic.campaign_requests[campaign_id], error)
        return _told(journal, self._run, row, code, each.counts, gone)


def campaign_code(records: RecordCounts, gone: Gone, error_code: int | None, unfinished: ExitCode) -> ExitCode:
    """Return how the part of a campaign ended: by an error of its own, or with records refused, or with the run."""
    partial = records.not_accepted or gone.rejected or gone.unknown
    codes = [unfinished, ExitCode.SOME_NOT_ACCEPTED if partial else ExitCode.OK]
    return ExitCode(max(error_code or 0, *codes))


def derived_campaigns(journal: Journal, run: Run, run_code: ExitCode) -> list[CampaignReport]:
    """Return what the journal tells of the campaigns of a run, whose latest process could not write its report."""
    counts = journal.campaign_counts(run)
    found = []
    for row in journal.campaigns(run).values():
        records, gone = RecordCounts.of(counts.get(row.number, ChunkCounts()), pending=0), Gone(**row.gone)
        code = campaign_code(records, gone, row.exit_code, run_code)
        found.append(_told(journal, run, row, code, records, gone))
    return found


def _told(
    journal: Journal, run: Run, row: CampaignRow, code: ExitCode, records: RecordCounts, gone: Gone
) -> CampaignReport:
    """Return what is told of a campaign that ended with such a code."""
    return CampaignReport(
        campaign_id=row.id,
        status=status_of(code),
        exit_code=int(code),
        message=row.message,
        reasons=with_short_reasons(journal.reasons(run, row.number), REPORT_REASON_CHARACTERS),
        records=records,
        gone=gone,
        requests=row.requests,
    )


def check_sums(campaigns: list[CampaignReport], records: RecordCounts, nowhere: ChunkCounts, sent: int) -> None:
    """Check that what is told of campaigns adds up to the whole; `nowhere` are rows that are for none.

    Raises:
        AccountsDoNotBalance: it does not: a bug.
    """
    total = sum((each.records for each in campaigns), RecordCounts.of(nowhere, pending=0))
    for each in campaigns:
        each.records.check()
    if total != records:
        raise AccountsDoNotBalance(f"the campaigns' sums {total} are not those of the run {records}; this is a bug")
    if sum(each.requests.sent for each in campaigns) != sent:
        raise AccountsDoNotBalance("the campaigns' requests are not those of the run; this is a bug")
