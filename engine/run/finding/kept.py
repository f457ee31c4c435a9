"""What the state directory keeps of single ids: entries of the ledger, reject files, lists of who is gone.

Nothing is locked or written: it is a look at a copy of the journal, also while a run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from engine.ledger import Latest, NotTheLedger, latest_of, verify
from engine.report import GONE_FILE, counted
from engine.run.finding.found import InLedger, ListedGone, NotAccepted
from engine.run.ledger_facts import ATTEMPTS
from engine.run.ledger_of_run import WaitingChanges, columns_of, paths_of, target_of
from engine.settings import Settings
from engine.state import REJECTED, RUNS, LedgerRow, Run, SqliteJournal, demand_journal, journal_copy, lines_of_ids

LOST_NAMED_MAX = 3
"""So many runs without their reject files are named, the latest."""

RUNS_LOOKED_AT = 10_000
"""So many of the latest runs at most are looked at, those of other campaigns among them."""


@dataclass
class Kept:
    """The journal, and what it and the files beside it say of the ids that are asked for."""

    journal: SqliteJournal
    runs_dir: Path
    runs: list[Run]
    """Those of the campaign, the latest first."""
    row: LedgerRow | None
    """The ledger of the campaign; None without one."""
    numbers_of_all: list[int]
    """The numbers of all runs of the state directory that are known, ascending."""
    latest: dict[str, Latest] = field(default_factory=dict)
    not_accepted: dict[str, list[NotAccepted]] = field(default_factory=dict)
    waits: dict[str, dict[str, int]] = field(default_factory=dict)
    """The runs by which each id still waits to be delivered, each with the byte from which its lines count."""
    gone: dict[str, list[ListedGone]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    """The ids of runs whose reject file is gone, or cut, though it had lines."""
    problems: list[str] = field(default_factory=list)
    """What can't be looked at."""

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The numbers of the runs of the campaign, by their ids."""
        return {run.id: run.number for run in self.runs}

    def doubt_since(self, number: int, *, blind_only: bool = False) -> str:
        """Say which runs may have sent something else for an id since the run with this number; empty if none.

        With `blind_only`, those with delta count no more: what they send is in the ledger.
        """
        since = next((f"run {run.id}" for run in self.runs if run.number == number), "then")
        later = sum(run.number > number and not (blind_only and run.delta) for run in self.runs)
        after = [each for each in self.numbers_of_all if each > number]
        deleted = max(after, default=number) - number - len(after)
        doubts = [f"{counted(later, 'later run')} may have sent other values for it"] if later else []
        if deleted:
            doubts.append(f"{counted(deleted, 'later run')} of this state directory, deleted by now, may have")
        return f"since {since}, {', and '.join(doubts)}" if doubts else ""

    def syncs_since(self, number: int) -> int:
        """Return how many runs of the campaign have read a source since the one with this number."""
        return sum(run.number > number and run.kind == "sync" for run in self.runs)

    def in_ledger(self, record_id: str) -> InLedger | None:
        """Return what the ledger knows of an id."""
        latest = self.latest.get(record_id)
        if latest is None:
            return None
        journal = self.journal
        return InLedger(
            is_proven=latest.digest != 0,
            run_id=journal.run_id(latest.run),
            run_started_at=journal.started_at(latest.run),
            gone_since=journal.run_id(latest.gone_since) if latest.gone_since else None,
        )


@contextmanager
def kept_of(settings: Settings, ids: Sequence[str]) -> Iterator[Kept]:
    """Look up ids, all different, in what is kept of the campaign of these settings.

    Raises:
        StateFailed: the journal or a file beside it can't be read.
    """
    demand_journal(settings.state.dir)
    for attempt in range(ATTEMPTS):
        with journal_copy(settings.state.dir) as journal:
            runs, numbers = _runs_of_campaign(journal, settings)
            kept = Kept(journal, settings.state.dir / RUNS, runs, journal.ledger(target_of(settings)), numbers)
            try:
                _ask_ledger(kept, settings, ids)
            except NotTheLedger:
                if attempt < ATTEMPTS - 1:
                    continue  # a run has just replaced its files
                kept.problems.append("the files of the ledger are missing or damaged: what it knew is lost")
            _search_files(kept, settings, ids)
            yield kept
            return


def _search_files(kept: Kept, settings: Settings, ids: Sequence[str]) -> None:
    rows, campaign_id = kept.journal.chunk_rows, settings.api.campaign_id
    kept.waits = {each: waits for each in ids if (waits := rows.waits_from(campaign_id, each))}
    for run in kept.runs:
        _search_rejects(kept, run, ids)
        _search_gone(kept, run, ids)
    if kept.lost:
        some = ", ".join(sorted(kept.lost)[-LOST_NAMED_MAX:])
        kept.problems.append(f"rejected.ndjson is missing or cut in {counted(len(kept.lost), 'run')} ({some})")
    if kept.waits and (unfinished := kept.journal.unfinished_run("sync")) is not None:
        kept.problems.append(f"run {unfinished.id} waits to be continued by `sync`; until then, `replay` is refused")


def _runs_of_campaign(journal: SqliteJournal, settings: Settings) -> tuple[list[Run], list[int]]:
    """Return the runs of the campaign, the latest first, and the numbers of all that are known, ascending."""
    api, every = settings.api, journal.latest_runs(RUNS_LOOKED_AT)
    where = {"api.url": api.url, "api.org_id": api.org_id}
    runs = [
        run
        for run in reversed(every)
        if run.campaign_id == api.campaign_id
        and all(run.identity.get(name, value) == value for name, value in where.items())
    ]
    return runs, [run.number for run in every]


def _ask_ledger(kept: Kept, settings: Settings, ids: Sequence[str]) -> None:
    row = kept.row
    if row is None:
        return
    columns = columns_of(row, settings.state.dir)
    if columns is not None:
        stem, ids_path = paths_of(row, settings.state.dir)
        verify(stem, row.generation, row.checksum, ids_path, row.ids_bytes, row.ids_checksum)
    found = latest_of(columns, WaitingChanges(kept.journal, row), ids, row.key)
    kept.latest = {each: latest for each, latest in zip(ids, found, strict=True) if latest is not None}


def _search_rejects(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    path = kept.runs_dir / run.id / REJECTED
    if not run.rejected_bytes:
        return
    if not path.exists() or path.stat().st_size < run.rejected_bytes:
        kept.lost.add(run.id)
    found: dict[str, list[NotAccepted]] = {}
    for record_id, position, line in lines_of_ids(path, ids, run.rejected_bytes):
        found.setdefault(record_id, []).append(_not_accepted(kept, run, record_id, position, line))
    for record_id, lines in found.items():
        kept.not_accepted.setdefault(record_id, []).extend(reversed(lines))


def _not_accepted(kept: Kept, run: Run, record_id: str, position: int, line: bytes) -> NotAccepted:
    try:
        reject = _decode_reject(line)
    except msgspec.ValidationError:
        reject = _Reject()  # somebody has changed it: that it was not accepted is known still
    from_byte = kept.waits.get(record_id, {}).get(run.id)
    return NotAccepted(
        run_id=run.id,
        run_started_at=run.started_at,
        outcome=reject.outcome,
        reason=reject.reason,
        http_status=reject.http_status,
        path=reject.source.path,
        row=reject.source.row,
        waits=from_byte is not None and position >= from_byte,
        has_data=bool(bytes(reject.data)),
    )


def _search_gone(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    if not run.gone.get("found"):
        return
    path = kept.runs_dir / run.id / GONE_FILE
    if not path.exists():
        kept.problems.append(f"{GONE_FILE} of run {run.id} is missing: who was gone then is not known")
    for record_id, _, line in lines_of_ids(path, ids):
        try:
            told = _decode_gone(line)
        except msgspec.ValidationError:
            told = _Gone()
        listed = ListedGone(
            run_id=run.id,
            run_started_at=run.started_at,
            last_run=told.last_run,
            outcome=told.outcome,
            reason=told.reason,
        )
        kept.gone.setdefault(record_id, []).append(listed)


class _Place(msgspec.Struct):
    path: str = ""
    row: int = 0


class _Reject(msgspec.Struct):
    outcome: str = ""
    reason: str = ""
    http_status: int | None = None
    source: _Place = msgspec.field(default_factory=_Place)
    data: msgspec.Raw = msgspec.Raw()


class _Gone(msgspec.Struct):
    last_run: str | None = None
    outcome: str | None = None
    reason: str | None = None


_decode_reject = msgspec.json.Decoder(_Reject).decode
_decode_gone = msgspec.json.Decoder(_Gone).decode
