"""The journal: the truth about every run, and all that the rest of the program needs to know of how it is kept.

A chunk is done when its validated result is durable here, never before; the report is derived from here, so a killed
run reports the same as an unbroken one. Holds counts, ids and reasons, never record data; that goes to the reject file
beside it, which counts up to the length that was committed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from engine.state.campaign_rows import CampaignRow
from engine.state.late_copies import Left
from engine.state.ledger_rows import LedgerRow
from engine.values import ChunkCounts, ChunkResult, Reason, RequestCounts


class Run(Struct):
    """A run as the journal knows it. `done` maps the seq of each chunk with a durable result to its digest."""

    id: str
    kind: str
    campaign_id: str
    """Empty where it has many."""
    started_at: str
    identity: Mapping[str, Any]
    fingerprint: Mapping[str, Any] | None = None
    resumes: int = 0
    worked_s: float = 0.0
    rejected_bytes: int = 0
    requests: RequestCounts = field(default_factory=RequestCounts)
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    done: dict[int, bytes] = field(default_factory=dict)
    without_failures: set[int] = field(default_factory=set)
    """The chunks of `done`, by seq, in which every record was updated."""
    late_copies: dict[int, float] = field(default_factory=dict)
    """Until when copies of chunks may still land, by seq, in seconds since 1970."""
    in_flight: int = 0
    """So many chunks at the most its processes may have had in flight at once; 0 before a request could leave."""
    progress_at: float | None = None
    """When its last result became durable, in seconds since 1970; None before the first."""
    finished: bool = False
    """Whether it needs no other process."""
    closed_by: str | None = None
    """The id of the run that was begun instead of going on with it."""
    exit_code: int | None = None
    """With which its latest process ended; None if that was killed, or runs."""
    message: str = ""
    """Why it did not come to its end, in one sentence."""
    alive_at: float | None = None
    """When its process last wrote, in seconds since 1970; None once that has ended by itself, not by being killed."""
    read: dict[int, int] = field(default_factory=dict)
    """How many records each chunk of `done` accounts for."""
    gone: Mapping[str, Any] = field(default_factory=dict)
    """What became of ids that the source holds no more."""
    delta: Mapping[str, Any] = field(default_factory=dict)
    """How it was compared with the ledger when it began."""
    tried: bool = False
    """Whether the source was read to its end, and every record tried."""
    number: int = 0
    """A number of its own that stands for it in ledgers, and grows from run to run."""
    campaigns: dict[str, CampaignRow] = field(default_factory=dict)
    """Where it has many, those that are known by now, by their ids."""

    @property
    def sending(self) -> bool:
        """Whether a request may have left."""
        return self.in_flight > 0


class Undelivered(Struct, frozen=True):
    """What a run could not deliver: so many bytes of its reject file count, and in them, lines of the ids in `first`.

    `first` maps a campaign and the digest of an id to the byte from which its lines count: what stands before is of
    older versions.
    """

    campaign_id: str
    file_bytes: int
    first: Mapping[tuple[str, bytes], int]


class LedgerChanges(Struct, frozen=True):
    """What changes about the ledger of a target, in its order; see `engine.ledger`."""

    target: str
    changes: Sequence[bytes]


def id_digest(record_id: str) -> bytes:
    """Return what stands for an id among the undelivered: short, and not the id itself."""
    return blake2b(record_id.encode("utf-8", "replace"), digest_size=16).digest()


class Journal(Protocol):
    """What a run needs of what survives a crash: `SqliteJournal`, or in simulations a disk that is only made up.

    Used by one thread at a time. `worked_s` and `requests` are always the totals of the run over all its processes.

    Raises (every method):
        StateFailed: something can't be read or made durable.
    """

    def close(self) -> None:
        """Let go of everything."""

    def run_dir(self, run_id: str) -> Path:
        """Where the files of a run are."""
        ...

    def unfinished_run(self, kind: str) -> Run | None:
        """Return the latest run of this kind if it was not finished."""
        ...

    def latest_runs(self, count: int) -> list[Run]:
        """Return so many runs at most, of every kind, finished or not, the latest last.

        They are without their chunks and their telemetry, which take long to read.
        """
        ...

    def campaigns(self, run: Run) -> dict[str, CampaignRow]:
        """Return the campaigns of a run that has many, by their ids."""
        ...

    def telemetry(self, run: Run) -> Mapping[str, Any]:
        """Return how `run` looked from outside when that was last saved."""
        ...

    def begin(self, run: Run) -> None:
        """Write down a new run, and open its reject file.

        An unfinished one of its kind is closed by it; a sync closes those of the other kinds, too: its source is newer.
        """

    def resume(self, run: Run) -> None:
        """Write down that `run` goes on, and open its reject file at the length that counts. A sync closes others.

        What was in flight when a process was killed is lost with it: it was sent and nothing came, so it has failed,
        and its end is in doubt.
        """

    def note_sending(self, run: Run, in_flight: int) -> None:
        """Write down that requests may leave from now on, of so many chunks at once."""

    def set_fingerprint(self, run: Run, fingerprint: Mapping[str, Any]) -> None:
        """Write down what the source's content is. Must be durable before the first result is."""

    def record(
        self,
        run: Run,
        results: Sequence[ChunkResult],
        worked_s: float,
        requests: RequestCounts,
        changes: Sequence[LedgerChanges] = (),
        campaigns: Sequence[CampaignRow] = (),
    ) -> None:
        """Make results durable: their reject lines first, then everything else in one transaction.

        What changes about ledgers is durable together with them, and so is what is told of campaigns.
        """

    def note_late_copies(self, run: Run, until: Mapping[int, float]) -> None:
        """Make durable until when copies of these chunks, by seq, may land. Must be, before their results are."""

    def ledgers(self) -> list[LedgerRow]:
        """Return all ledgers."""
        ...

    def ledger(self, target: str) -> LedgerRow | None:
        """Return the ledger of a target; None if there is none."""
        ...

    def put_ledger(self, row: LedgerRow, changes: Sequence[bytes] = (), *, run: int = 0) -> None:
        """Write down a ledger, and what changes about it for this run."""

    def note_delta(self, run: Run, delta: Mapping[str, Any]) -> None:
        """Write down how a run is compared with the ledger."""

    def note_gone(
        self,
        run: Run,
        gone: Mapping[str, Any],
        changes: LedgerChanges | None = None,
        over: Sequence[str] = (),
        campaign_id: str = "",
    ) -> None:
        """Make durable what became of ids that are gone, and that the run has tried every record.

        What was not delivered of the ids that are `over` needs not be sent any more. Of many campaigns, it is told of
        this one, which the journal knows, and nothing of the run.
        """

    def take_back_unchanged(self, run: Run, campaign: int = 0) -> None:
        """Forget the results of chunks with unchanged records: what these equalled is gone.

        Of many campaigns, only of the one with this number.
        """

    def delete_ledger(self, target: str) -> None:
        """Delete what is known of a ledger. Its files are nobody's any more."""

    def change_ledger(self, changes: LedgerChanges, run: int) -> None:
        """Make durable what changes about a ledger for this run."""

    def ledger_changes(self, target: str) -> Iterator[tuple[int, int, bytes]]:
        """Yield what has changed since the files were written: a number that ascends, the run's, and the change."""
        ...

    def replace_ledger(self, row: LedgerRow, merged_to: int, *, erase: bool = False) -> None:
        """Write down that a ledger has new files, which the changes up to this number are merged into.

        With `erase`, no trace of these changes is left, which takes longer.
        """

    def started_at(self, run: int) -> str | None:
        """Return when the run with this number began; None if it is not known any more."""
        ...

    def run_id(self, run: int) -> str | None:
        """Return the id of the run with this number; None if it is not known any more."""
        ...

    def first_run_since(self, moment: str) -> int:
        """Return the number of the first run that began at this moment or later; a greater one than any without one."""
        ...

    def left_by_others(self, campaign_id: str) -> Left:
        """Return what the runs of a campaign have left that may still land."""
        ...

    def still_alive(self) -> None:
        """Note that this process lives, where a crash leaves it. Quick, and may be called by any thread."""

    def save(
        self,
        run: Run,
        *,
        worked_s: float,
        requests: RequestCounts,
        telemetry: Mapping[str, Any],
        ended: bool = False,
        finished: bool = False,
        exit_code: int | None = None,
        message: str = "",
        tried: bool = False,
        campaigns: Sequence[CampaignRow] = (),
    ) -> None:
        """Write down how the run looks from outside, so that a killed process loses little of it.

        It has `ended` if this process does no more for it, with this exit code and message, and is `finished` if it
        needs no other process. If every record was `tried`, it stays so. `campaigns` are those of which something new
        is known.
        """

    def counts(self, run: Run) -> ChunkCounts:
        """Return the sums over all chunks of `run` with a durable result."""
        ...

    def campaign_counts(self, run: Run) -> dict[int, ChunkCounts]:
        """Return the same sums for each campaign, by its number; 0 is that of rows that are for none."""
        ...

    def reasons(self, run: Run, campaign: int | None = None) -> list[Reason]:
        """Return why records of `run`, or of its campaign with this number, were not accepted.

        The most frequent come first.
        """
        ...

    def latest_run_to_replay(self, campaign_id: str) -> str | None:
        """Return the latest run with records that still wait to be delivered, else the latest run, None without any."""
        ...

    def undelivered_by(self, run_id: str) -> Undelivered | None:
        """Return what this run could not deliver and nobody has since; None if there is no such run."""
        ...

    def forget_old_runs(self, started_before: str) -> list[str]:
        """Delete what there is of runs that began before then; return a sentence for each that cannot be deleted.

        Kept are an unfinished run, one with records that wait to be delivered, and the latest few.
        """
        ...

    def learned(self, name: str) -> Any:
        """Return what an earlier run has learned under `name`, or None."""
        ...

    def learn(self, name: str, value: Any) -> None:
        """Keep `value`, as JSON, for later runs."""
