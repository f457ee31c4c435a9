"""Reports of every kind of run, as the engine leaves them, with timelines that look like those of real nights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from random import Random

from engine.report.history import Night
from engine.report.holdups import ISOLATING, LATE_COPIES, OUTAGE, SILENCE, STOPPING, Holdup
from engine.report.measured import ProcessStart, Sample, bucket_of
from engine.report.report import LimitMove, Pacing, Report, RunStatus
from engine.report.source import Unread
from engine.values.counts import Reason, RecordCounts, RequestCounts
from tests.report.nights_told import begun_at, crashed, iso
from tests.reports import delta_report, partial_report, succeeded_report

RECORDS_A_REQUEST = 10_000
CEILING = 10.0


def timeline(seconds: int, *, holdups: list[Holdup] | None = None, rate: float = CEILING) -> list[Sample]:
    """Return what a run of so many seconds measures that sends all that it may, but for what holds it up."""
    dice, samples = Random(seconds), []
    for t in range(1, seconds + 1):
        held = {each.kind for each in holdups or [] if each.t_s < t <= each.end_s}
        limit = rate * (0.7 if ISOLATING in held else 1.0)
        sent = 0 if SILENCE in held else 1 if OUTAGE in held else ceil(limit * dice.uniform(0.9, 1.0))
        took_ms = [dice.lognormvariate(5.6, 0.35) for _ in range(0 if OUTAGE in held else sent)]
        samples.append(
            Sample(
                t_s=float(t),
                updated=len(took_ms) * RECORDS_A_REQUEST,
                requests=sent,
                throttled=int(SILENCE not in held and dice.random() < 0.04),
                retried=int(OUTAGE in held or dice.random() < 0.03),
                in_flight=min(sent, dice.randint(3, 6)),
                rate_limit=limit,
                latency_ms=round(sum(took_ms) / len(took_ms), 1) if took_ms else None,
                sent=sent,
                latencies={bucket: took.count(bucket) for took in [list(map(bucket_of, took_ms))] for bucket in took},
            )
        )
    return samples


def long_night() -> Report:
    """Everything that can hold a run up, and a break of half an hour between two processes."""
    holdups = [
        Holdup(OUTAGE, 31.2, 92.4, held_s=61.2),
        Holdup(SILENCE, 150.0, 180.0, times=3, held_s=27.0),
        Holdup(ISOLATING, 181.0, 203.5, held_s=22.5),
        Holdup(LATE_COPIES, 260.0, 291.0, held_s=31.0),
        Holdup(STOPPING, 298.0, 300.2, held_s=2.2),
    ]
    return partial_report(
        timeline=timeline(449, holdups=holdups),
        holdups=holdups,
        processes=[
            ProcessStart(0.0, "2026-11-23T02:00:00.000Z"),
            ProcessStart(300.2, "2026-11-23T02:35:12.000Z", waited_s=600.0),
        ],
        pacing=Pacing(9.6, 8, [LimitMove(181.0, "7/s", "requests fail or time out")], ceiling=CEILING),
    )


def succeeded() -> Report:
    """A night without any trouble."""
    return succeeded_report(
        timeline=timeline(449), processes=[ProcessStart(0.0, "2026-11-23T02:00:00.000Z")], pacing=Pacing(ceiling=12.0)
    )


def interrupted() -> Report:
    """The deadline came before the end of the source."""
    return partial_report(
        status=RunStatus.INTERRUPTED,
        exit_code=75,
        resumes=0,
        message="not finished: the deadline 06:30 (upload.deadline) has come",
        records=RecordCounts(read=380_000, updated=320_000, pending=60_000),
        unread=Unread(rows=620_000, bytes=94_000_000),
        reasons=[],
        timeline=timeline(75),
        holdups=[Holdup(STOPPING, 72.0, 75.0, held_s=3.0)],
    )


def guarded() -> Report:
    """A guard has stopped it, and says so at length."""
    return partial_report(
        status=RunStatus.FAILED,
        exit_code=65,
        resumes=0,
        message="12,000 of the 30,000 records read are invalid, more than guard.max_invalid (10%) allows; 11,988 of "
        "them: the id is neither text nor a whole number; mend the source or how it is read (source.columns may name "
        "the column that holds it), or accept it for this run: ENGINE_GUARD__MAX_INVALID=100%",
        records=RecordCounts(read=30_000, invalid=12_000, pending=18_000),
        requests=RequestCounts(),
        latency_ms=None,
        timeline=[],
    )


def resumed_often() -> Report:
    """Killed and begun again and again, over two days."""
    starts = [
        ProcessStart(40.0 * n, f"2026-11-{23 + n // 6}T{(2 + 4 * n) % 24:02}:10:00.000Z", 30.0 * (n == 3))
        for n in range(12)
    ]
    holdups = [Holdup(SILENCE, 6.0 * n, 6.0 * n + 3, times=2, held_s=2.5) for n in range(70)]
    return replace(long_night(), resumes=11, processes=starts, holdups=holdups, timeline=timeline(480, holdups=holdups))


def tiny() -> Report:
    """Ten records, over in a moment."""
    return succeeded_report(
        records=RecordCounts(read=10, updated=10),
        requests=RequestCounts(sent=1, succeeded=1),
        duration_s=0.4,
        timeline=[Sample(0.38, 10, 1, 0, 0, 1, CEILING, 212.0, 1, {bucket_of(212.0): 1})],
        processes=[ProcessStart(0.0, "2026-11-23T02:00:00.000Z")],
    )


def many_reasons() -> Report:
    """Nearly every record has a reason of its own, and some ids have no place to break a line."""
    reasons = [
        Reason("rejected", f"field_{n}: {'not a date ' * (n % 9 + 1)}", 500 - n, [f"{'LN' * (n % 40 + 1)}{n}"] * 4)
        for n in range(200)
    ]
    moves = [
        LimitMove(2.0 * n, f"{n % 7 + 3}/s", "refused (429) at 9.1/s, while 8.7/s were accepted") for n in range(200)
    ]
    return replace(
        long_night(), reasons=reasons, pacing=Pacing(9.6, 8, moves, ceiling=CEILING), source="portfolio_" * 9 + ".csv"
    )


def old() -> Report:
    """As an earlier version left it: no processes, no hold-ups, means instead of quantiles."""
    return partial_report()


NIGHTS: dict[str, Callable[[], Report]] = {
    "succeeded": succeeded,
    "partial": long_night,
    "interrupted": interrupted,
    "guard": guarded,
    "resumed often": resumed_often,
    "delta": lambda: delta_report(timeline=timeline(20), processes=[ProcessStart(0.0, "2026-11-23T02:00:00.000Z")]),
    "tiny": tiny,
    "many reasons": many_reasons,
    "old": old,
}


def month() -> list[Night]:
    """A month of nights: most went well, one was killed, one had to be gone on with, one never came."""
    states = {4: partial_report, 11: interrupted, 19: guarded}
    found = []
    for day in range(29):
        if day == 23:
            continue
        records = {"records": succeeded_report().records} if day not in states else {}
        made = states.get(day, succeeded_report)
        told = {"run_id": f"{begun_at(day):%Y%m%dT%H%M%SZ}-{day:06x}", "started_at": iso(begun_at(day)),
                "finished_at": iso(begun_at(day, hours=0.2 + day / 100))}  # fmt: skip
        report = replace(made(), **told, **records)  # type: ignore[arg-type]
        found.append(crashed(day) if day == 8 else Night(run_id=report.run_id, report=report, has_page=True))
    return found
