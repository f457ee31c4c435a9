"""The campaigns of a run that has many, as rows for people: those that need them first, then the largest."""

from __future__ import annotations

from collections.abc import Sequence

from engine.report.formatting import counted, shown
from engine.report.report import CampaignReport, Report, RunStatus

COLUMNS = ("read", "updated", "unchanged", "not accepted", "pending", "gone")

_URGENCY = (RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.PARTIAL, RunStatus.SUCCEEDED)


def named(report: Report) -> str:
    """Return what a report is about: its campaign, or how many there are."""
    return report.campaign_id or (counted(len(report.campaigns), "campaign") if report.campaigns else "")


def ranked(campaigns: Sequence[CampaignReport]) -> list[CampaignReport]:
    """Return campaigns in the order in which people read of them."""
    return sorted(campaigns, key=lambda each: (_URGENCY.index(each.status), -each.records.read, each.campaign_id))


def figures(campaign: CampaignReport) -> list[int]:
    """Return what stands in `COLUMNS`."""
    records = campaign.records
    rest = (records.updated, records.unchanged, records.not_accepted, records.pending)
    return [records.read, *rest, campaign.gone.found]


def campaign_table(report: Report, most: int) -> list[str]:
    """Return a table of so many campaigns at the most, in lines of text; nothing where there is only one."""
    every = ranked(report.campaigns)
    if not every:
        return []
    rows = [[f"{figure:,}" for figure in figures(each)] for each in every[:most]]
    is_used = [any(row[index] != "0" for row in rows) or index < 2 for index in range(len(COLUMNS))]
    names = [shown(each.campaign_id, 40) for each in every[:most]]
    width = max(len("Campaigns"), *map(len, names)) + 2
    wide = [max(len(COLUMNS[index]), *(len(row[index]) for row in rows)) for index in range(len(COLUMNS))]

    def line(name: str, cells: Sequence[str], status: str) -> str:
        texts = [f"{cell:>{wide[index]}}" for index, cell in enumerate(cells) if is_used[index]]
        return f"{name:<{width}}{'  '.join(texts)}  {status}".rstrip()

    lines = [line("Campaigns", COLUMNS, "")]
    for name, row, each in zip(names, rows, every, strict=False):
        lines.append(line(f"  {name}", row, "" if each.status is RunStatus.SUCCEEDED else each.status.value))
    left = len(every) - most
    return [*lines, f"  and {counted(left, 'more campaign')} in the report"] if left > 0 else lines
