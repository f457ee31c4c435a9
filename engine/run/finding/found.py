"""What is found out about an id, as plain values: the keys of `find --json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Answer(StrEnum):
    """Whether a record arrived, in a word."""

    ARRIVED = "arrived"
    """What today's source holds of it was acknowledged, and nothing else was sent for it since."""
    CHANGED_SINCE = "changed_since"
    """It was acknowledged, with other values than today's source holds."""
    ACKNOWLEDGED = "acknowledged"
    """It was acknowledged; whether with today's values, or whether others came later, is not known."""
    NOT_ACCEPTED = "not_accepted"
    """It was refused, or its request has an unknown end, and nothing later is known to have arrived."""
    UNPROVEN = "unproven"
    """It was acknowledged once, but other values may have left for it since."""
    NOT_SENT = "not_sent"
    """It stands in today's source, and nothing proves that it was ever sent."""
    GONE = "gone"
    """The source holds it no more; the list of who is gone says whether the API was told so."""
    UNKNOWN = "unknown"
    """Nothing is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InLedger:
    """The entry of an id."""

    is_proven: bool
    """Whether nothing else can be on the server than what was acknowledged."""
    run_id: str | None
    """The run that acknowledged it last; None if that is not known any more."""
    run_started_at: str | None
    gone_since: str | None = None
    """The run that first held it no more; None while the source holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted:
    """A line of a reject file."""

    run_id: str
    run_started_at: str
    outcome: str
    reason: str
    http_status: int | None
    path: str
    row: int
    waits: bool
    """Whether it still waits to be delivered (`replay`): no later run has read or delivered it."""
    has_data: bool
    """Whether its line holds the record, too, so that `replay` can send it."""
    fits_config: bool = True
    """Whether `replay` with this configuration takes that run: both have `[route]`, or the same campaign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGone:
    """A line of a `gone.ndjson`."""

    run_id: str
    run_started_at: str
    last_run: str | None
    outcome: str | None
    """What the API made of the constants that were sent to it; None if it was only listed."""
    reason: str | None
    moved_to: str | None = None
    """The campaign under which the source held it that night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of today's source with this id."""

    path: str | None
    row: int | None
    """Counted as in reject files; None, as the path, where that is not known (rows left out by `where`)."""
    state: str
    """`record`, `invalid` or `filtered`."""
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A run that provably read, in this chunk, what today's source holds of an id last."""

    run_id: str
    run_started_at: str
    chunk: int
    """The number of the chunk in its campaign; with delta, how many records of that were read before it."""
    chunk_records: int
    """How many records the chunk accounts for."""
    outcome: str
    """`updated`, `unchanged`, `updated or unchanged`, `rejected`, `unknown`; `unproven` if its reject file is lost."""
    settled_at: str | None
    """When the answer was durable; None if an earlier version noted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InSource:
    """What today's source holds of an id."""

    count: int
    """How many rows have it."""
    rows: list[Row]
    """The first of these, and the last."""
    same_values: bool | None
    """Whether the last record equals what the ledger says was acknowledged; None if the ledger can't say."""
    sent: list[Sent]
    """The latest run first."""


@dataclass(slots=True, kw_only=True)
class Found:
    """All that is known of an id in a campaign, and what that comes to."""

    id: str
    campaign_id: str | None
    """None: of rows that are for no campaign, or nothing is known of it in any."""
    answer: Answer = Answer.UNKNOWN
    ledger: InLedger | None = None
    not_accepted: list[NotAccepted] = field(default_factory=list)
    """The latest run first."""
    gone: list[ListedGone] = field(default_factory=list)
    source: InSource | None = None
    """None if today's source does not hold it, as far as that was read."""
    source_read: bool = True
    """Whether today's source was read to its end."""
    notes: list[str] = field(default_factory=list)
    """What could not be found out, and why."""
    campaigns: list[Found] = field(default_factory=list)
    """Where several campaigns know it, what is known in each, this one first."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return self.answer is not Answer.UNKNOWN
