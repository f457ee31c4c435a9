"""Reports of parts of one portfolio, sent at the same time by several runs, added up to one report of the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from math import ceil
from operator import add

from engine.report.holdups import HOLDUPS_MAX, Holdup
from engine.report.measured import TIMELINE_SAMPLES_MAX, LatencyHistogram, ProcessStart, Sample
from engine.report.report import CampaignReport, Pacing, Report, RunStatus
from engine.state import add_reason
from engine.values import ExitCode, Reason, RecordCounts, RequestCounts

SEVERITY = (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.INTERRUPTED, RunStatus.FAILED)
"""The status of the whole is the last of these that a part has."""


def merged(reports: Sequence[Report]) -> Report:
    """Return one report of `reports`, at least one; the id, source and configuration are those of the first.

    Counts, requests, bytes, silences and latencies are sums; reasons are grouped. The status and the exit code are the
    worst. It started when the first part did, ended when the last one did, and took as long as the longest.

    Raises:
        AccountsDoNotBalance: the sums of a part are wrong.
    """
    worst = max(reports, key=lambda report: (SEVERITY.index(report.status), _code(report)))
    latencies = LatencyHistogram()
    for report in reports:
        report.records.check()
        latencies.add(report.latencies)
    return replace(
        reports[0],
        status=worst.status,
        exit_code=worst.exit_code,
        message=worst.message,
        started_at=min(report.started_at for report in reports),
        finished_at=max(report.finished_at for report in reports),
        duration_s=max(report.duration_s for report in reports),
        resumes=sum(report.resumes for report in reports),
        records=sum((report.records for report in reports), RecordCounts()),
        ids=_ids([report.ids for report in reports]),
        rejects_hold_data=all(report.rejects_hold_data for report in reports),
        gone=reduce(add, (report.gone for report in reports)),
        requests=sum((report.requests for report in reports), RequestCounts()),
        inputs=[each for report in reports for each in report.inputs],
        unread=reduce(add, (report.unread for report in reports)),
        ambiguous=reduce(add, (report.ambiguous for report in reports)),
        doubts=list(dict.fromkeys(doubt for report in reports for doubt in report.doubts)),
        reasons=_reasons(report.reasons for report in reports),
        campaigns=_campaigns(reports),
        latencies=latencies,
        latency_ms=latencies.latency(),
        throttled_s=round(sum(report.throttled_s for report in reports), 3),
        bytes_sent=sum(report.bytes_sent for report in reports),
        pacing=Pacing(),  # each part has found limits of its own
        timeline=_timeline(reports),
        processes=[ProcessStart(0.0, min(report.started_at for report in reports))],
        holdups=_holdups(reports),
    )


def _ids(parts: Sequence[int | None]) -> int | None:
    """Add up the ids of parts, which have none in common; None if those of some are not known."""
    known = [ids for ids in parts if ids is not None]
    return sum(known) if len(known) == len(parts) else None


def _code(report: Report) -> int:
    """Rank exit codes within a status: the configured ones by their number, a bug above all."""
    return 1_000 if report.exit_code == ExitCode.BUG else report.exit_code


def _reasons(parts: Iterable[Sequence[Reason]]) -> list[Reason]:
    groups: dict[tuple[str, str], Reason] = {}
    for part in parts:
        for reason in part:
            add_reason(groups, replace(reason, example_ids=list(reason.example_ids)))
    return sorted(groups.values(), key=lambda reason: (-reason.count, reason.reason))


def _campaigns(reports: Sequence[Report]) -> list[CampaignReport]:
    """Add up what the parts did in the same campaigns."""
    found: dict[str, CampaignReport] = {}
    for each in (campaign for report in reports for campaign in report.campaigns):
        before = found.get(each.campaign_id)
        if before is None:
            found[each.campaign_id] = each
            continue
        worst = max(before, each, key=lambda part: SEVERITY.index(part.status))
        found[each.campaign_id] = replace(
            worst,
            reasons=_reasons([before.reasons, each.reasons]),
            records=before.records + each.records,
            gone=before.gone + each.gone,
            requests=before.requests + each.requests,
        )
    return list(found.values())


def _timeline(reports: Sequence[Report]) -> list[Sample]:
    """Put the parts beside one another in time: in each interval, what all of them did."""
    first = min(_seconds(report.started_at) for report in reports)
    samples = [(_since(first, report, sample.t_s), sample) for report in reports for sample in report.timeline]
    width_s = max(1.0, max((t_s for t_s, _ in samples), default=0.0) / TIMELINE_SAMPLES_MAX)
    intervals: dict[int, list[Sample]] = defaultdict(list)
    for t_s, sample in samples:
        intervals[max(1, ceil(t_s / width_s))].append(sample)
    return [replace(reduce(_beside, intervals[n]), t_s=round(n * width_s, 2)) for n in sorted(intervals)]


def _since(first: float, report: Report, t_s: float) -> float:
    """Return how many seconds after `first` it was when a part had worked `t_s`: its breaks are time like any other."""
    begun = [start for start in report.processes if start.t_s < t_s] or report.processes[:1]
    start = begun[-1] if begun else ProcessStart(0.0, report.started_at)
    return _seconds(start.at) - first + t_s - start.t_s


def _holdups(reports: Sequence[Report]) -> list[Holdup]:
    """Return what held up any part, in order of time; of very many, those that took longest."""
    first = min(_seconds(report.started_at) for report in reports)
    found = [
        replace(each, t_s=round(_since(first, report, each.t_s), 2), end_s=round(_since(first, report, each.end_s), 2))
        for report in reports
        for each in report.holdups
    ]
    longest = sorted(found, key=lambda each: -each.held_s)[:HOLDUPS_MAX]
    return sorted(longest, key=lambda each: each.t_s)


def _beside(one: Sample, other: Sample) -> Sample:
    rates = [sample.rate_limit for sample in (one, other) if sample.rate_limit is not None]
    return one.added(
        other,
        t_s=max(one.t_s, other.t_s),
        in_flight=one.in_flight + other.in_flight,
        rate_limit=sum(rates) if rates else None,
    )


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
