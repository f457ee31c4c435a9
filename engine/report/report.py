"""The report: what a run did, as one value that is written at its end and read again by `status` and the next night.

The values know nothing about how they look: `summary.py` and `page.py` render them. They hold counts, times, ids
and reasons, never record data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import Any, Self

import orjson

from engine.report.holdups import Holdup
from engine.report.measured import Latency, LatencyHistogram, ProcessStart, Sample
from engine.report.source import Input, Unread
from engine.values import AccountsDoNotBalance, ExitCode, Reason, RecordCounts, RequestCounts

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
GONE_FILE = "gone.ndjson"

FULL_ASKED_FOR = "it was asked for (--full)"
"""The reason of a full send that a person wanted."""

LIMIT_MOVES_MAX = 200
"""The most moves of the learned limits a report keeps, the latest ones."""


class RunStatus(StrEnum):
    """How a run stands at the end of a process."""

    SUCCEEDED = "succeeded"
    """Every record read was delivered or needed no update."""
    PARTIAL = "partial"
    """Finished, but some records were not accepted."""
    INTERRUPTED = "interrupted"
    """Not finished; the same command resumes it."""
    FAILED = "failed"
    """Stopped for something that a person must look at first."""


def status_of(exit_code: int) -> RunStatus:
    """Return the status that a report with this exit code has."""
    if exit_code == ExitCode.OK:
        return RunStatus.SUCCEEDED
    if exit_code == ExitCode.SOME_NOT_ACCEPTED:
        return RunStatus.PARTIAL
    return RunStatus.INTERRUPTED if exit_code == ExitCode.INTERRUPTED else RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class LimitMove:
    """A learned limit moved: when (seconds of work since the start), what it is now, and why it moved."""

    t_s: float
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Pacing:
    """The limits that were learned, as they stood at the end (None: never found), and how they got there."""

    rate_limit: float | None = None
    in_flight_limit: int | None = None
    moves: list[LimitMove] = field(default_factory=list)
    ceiling: float | None = None
    """The requests a second that the configuration allows at most; None where it was not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Requests of a run whose end is unknown, and what was done so that no older value of theirs lands late."""

    attempts: int = 0
    """No reply, cut, timed out, a gateway's 502 or 504, or open when a process was killed."""
    ids_sent_again: int = 0
    """Ids whose newer values were sent once more after an older copy could have landed: the engine holds them back."""
    ids_unresolved: int = 0
    """Ids whose newer values were still held back when the run ended: they are pending."""

    def __add__(self, other: Self) -> Self:
        return type(self)(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


_GONE_STATES_FROM = 4
"""The fields of `Gone` from this one on are states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Ids that the source holds no more: those `found` are the sum of the last four."""

    found: int = 0
    new: int = 0
    """Those that the last complete run still held."""
    moved: int = 0
    """Those that stand under another campaign now: they are not gone."""
    skipped: str | None = None
    """Why nobody was judged, or why constants were withheld."""
    updated: int = 0
    """The API has acknowledged the constants for them."""
    rejected: int = 0
    unknown: int = 0
    pending: int = 0

    def __add__(self, other: Self) -> Self:
        counts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "skipped"}
        return type(self)(**counts, skipped=self.skipped or other.skipped)

    @property
    def states(self) -> dict[str, int]:
        """How many ids ended in each state, by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self)[_GONE_STATES_FROM:]}

    def check(self) -> None:
        """Check the equation.

        Raises:
            AccountsDoNotBalance: it does not hold: a bug.
        """
        if self.found != sum(self.states.values()):
            raise AccountsDoNotBalance(f"the accounts of gone ids do not balance: {self}; this is a bug")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaFacts:
    """How only what has changed was sent."""

    mode: str = "off"
    full: bool = False
    """Whether nothing was left out, because no entry of the ledger was good for it."""
    full_reason: str | None = None
    ledger_records: int = 0
    """How many ids the ledger holds."""
    last_full_at: str | None = None
    """When the oldest of its entries was acknowledged: everything else was sent later than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """Which engine it was."""

    version: str = ""
    accelerated: bool = False
    """Whether the extension in C was used that makes reading NDJSON faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """What a run did in one of its campaigns. The sums of all of them are those of the report.

    Rows that are for no known campaign stand in the report only.
    """

    campaign_id: str
    status: RunStatus
    """How its part stands: `failed` if the API refuses the campaign, or a guard has stopped its part."""
    exit_code: int = 0
    """As if it had been the only one."""
    message: str = ""
    """Why it takes nothing more, in one sentence; empty if it does."""
    reasons: list[Reason] = field(default_factory=list)
    records: RecordCounts = field(default_factory=RecordCounts)
    gone: Gone = field(default_factory=Gone)
    requests: RequestCounts = field(default_factory=RequestCounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did, over all its processes. `report.json` is this value; its keys are promised in `docs/files.md`.

    Times are ISO 8601 in UTC with milliseconds and a `Z`; `finished_at` is when the last process of the run ended.
    `duration_s` is the time worked, summed over the processes of the run, without the pauses between them.
    """

    run_id: str
    status: RunStatus
    exit_code: int
    campaign_id: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_s: float = 0.0
    resumes: int = 0
    records: RecordCounts = field(default_factory=RecordCounts)
    ids: int | None = None
    """How many different ids the records have, beyond 200,000 about so many; None if not all were read."""
    gone: Gone = field(default_factory=Gone)
    delta: DeltaFacts = field(default_factory=DeltaFacts)
    requests: RequestCounts = field(default_factory=RequestCounts)
    ambiguous: Ambiguous = field(default_factory=Ambiguous)
    reasons: list[Reason] = field(default_factory=list)
    campaigns: list[CampaignReport] = field(default_factory=list)
    """What it did in each campaign, where records say which one they are for (`[route]`); else empty."""
    kind: str = "sync"
    """`sync` or `replay`."""
    limit: int | None = None
    """Only so many records were wanted (`--limit`); None when it was all of them."""
    deadline_at: str | None = None
    """When its latest process had to end (`upload.deadline`); None without a deadline."""
    message: str = ""
    """Why it stopped before its end, in one sentence; empty when it did not."""
    doubts: list[str] = field(default_factory=list)
    """What was odd about the source though it was read, a sentence each."""
    source: str = ""
    """What was read, as a label for people."""
    rejects_hold_data: bool = True
    """Whether `rejected.ndjson` has the data of what was refused or left unproven, so that it can be sent again."""
    inputs: list[Input] = field(default_factory=list)
    """The files that it was."""
    unread: Unread = field(default_factory=Unread)
    """What of them was not read."""
    closed_by: str | None = None
    """The id of the run that was begun instead of going on with this one; None if that did not happen."""
    same_source_as: str = ""
    """The id of the last complete run, if it has read the very same bytes; else empty."""
    engine: EngineFacts = field(default_factory=EngineFacts)
    config_path: str = ""
    """The configuration it ran with, for the commands a person types next; empty for a library call."""
    latency_ms: Latency | None = None
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)
    """What `latency_ms` is made of; unlike it, it can be added to that of another report."""
    throttled_s: float = 0.0
    """How long the run held back because the API said so, in seconds."""
    bytes_sent: int = 0
    pacing: Pacing = field(default_factory=Pacing)
    timeline: list[Sample] = field(default_factory=list)
    processes: list[ProcessStart] = field(default_factory=list)
    """When each process of the run began to work: what the time of day was at any second of the time worked."""
    holdups: list[Holdup] = field(default_factory=list)
    """What held the run up, and when."""

    @property
    def not_accepted(self) -> int:
        """Records that need a person: refused here, refused by the API, or left unproven by it."""
        return self.records.not_accepted

    @property
    def left_nothing_to_resume(self) -> bool:
        """Whether it failed before it sent anything: once that is mended, another run begins."""
        nothing_done = not self.requests.sent and self.records.read == self.records.pending
        return self.status is RunStatus.FAILED and nothing_done

    @property
    def records_per_s(self) -> float:
        """Records settled by the API for each second worked; 0 when no time passed."""
        return self.records.sent / self.duration_s if self.duration_s > 0 else 0.0


def new_run_id(now: datetime, random: Random) -> str:
    """Return an id for a run that starts `now`, such as `20261123T020000Z-07b3f9`.

    Ids sort by time: the second, then its milliseconds in three hex digits, then three random ones.
    """
    utc = now.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%SZ}-{utc.microsecond // 1000:03x}{random.randrange(16**3):03x}"


def iso(moment: datetime) -> str:
    """Return `moment` in UTC as reports write it, such as `2026-11-23T02:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_json(report: Report) -> bytes:
    """Return `report.json`: indented for people, with one line for each sample of the timeline."""
    values = {f.name: getattr(report, f.name) for f in fields(report)}
    values["pacing"] = asdict(report.pacing) | {"moves": _one_a_line(report.pacing.moves[-LIMIT_MOVES_MAX:])}
    values["reasons"] = _encodable_reasons(report.reasons)
    values["requests"] = _shown_requests(report.requests)
    values["campaigns"] = [
        {f.name: getattr(each, f.name) for f in fields(each)}
        | {"requests": _shown_requests(each.requests), "reasons": _encodable_reasons(each.reasons)}
        for each in report.campaigns
    ]
    values["doubts"] = [_encodable(doubt) for doubt in report.doubts]
    for name in ("timeline", "processes", "holdups"):
        values[name] = _one_a_line(values[name])
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _shown_requests(requests: RequestCounts) -> dict[str, int]:
    return {name: count for name, count in asdict(requests).items() if name != "in_doubt"}


def _encodable_reasons(reasons: Iterable[Reason]) -> list[Reason]:
    return [Reason(r.outcome, _encodable(r.reason), r.count, [_encodable(i) for i in r.example_ids]) for r in reasons]


def _encodable(text: str) -> str:
    """Return `text` with `?` for the lone surrogates that an invalid id may hold and JSON cannot."""
    return text.encode("utf-8", "replace").decode()


def _one_a_line(values: Iterable[Any]) -> orjson.Fragment:
    lines = b",\n    ".join(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) for value in values)
    return orjson.Fragment(b"[\n    " + lines + b"\n  ]" if lines else b"[]")


def from_json(data: bytes) -> Report:
    """Read a report that this or another version wrote: unknown keys are ignored, later ones may be missing.

    Raises:
        ValueError: it is not a report; the message says what is wrong.
    """
    import msgspec  # here, because it is slow to import and only needed to read reports

    return msgspec.json.decode(data, type=Report)  # its errors are ValueErrors
