"""What the state directory keeps of single ids: entries of the ledger, reject files, lists of who is gone.

Nothing is locked or written: it is a look at a copy of the journal, also while a run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.ledger import Latest, NotTheLedger, latest_of
from engine.report import GONE_FILE
from engine.run.finding.found import InLedger, ListedGone, NotAccepted
from engine.run.ledger_facts import ATTEMPTS, FILES_MISSING
from engine.run.ledger_of_run import WaitingChanges, columns_of, target_of
from engine.settings import Settings
from engine.state import REJECTED, RUNS, LedgerRow, Run, SqliteJournal, journal_copy, lines_of_ids

RUNS_LOOKED_AT = 10_000
"""So many of the latest runs at most are looked at, those of other campaigns among them."""


@dataclass(slots=True)
class Kept:
    """The journal, and what it and the files beside it say of the ids that are asked for."""

    journal: SqliteJournal
    runs_dir: Path
    runs: list[Run]
    """Those of the campaign, the latest first."""
    row: LedgerRow | None
    """The ledger of the campaign; None without one."""
    latest: dict[str, Latest] = field(default_factory=dict)
    not_accepted: dict[str, list[NotAccepted]] = field(default_factory=dict)
    gone: dict[str, list[ListedGone]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    """The ids of runs whose reject file is gone, though it had lines."""
    problems: list[str] = field(default_factory=list)
    """What can't be looked at."""

    def is_later(self, run_id: str, other: str) -> bool:
        """Whether a run of the campaign began later than another."""
        numbers = {run.id: run.number for run in self.runs}
        return numbers[run_id] > numbers[other]

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
    for attempt in range(ATTEMPTS):
        with journal_copy(settings.state.dir) as journal:
            runs, row = _runs_of_campaign(journal, settings), journal.ledger(target_of(settings))
            kept = Kept(journal, settings.state.dir / RUNS, runs, row)
            try:
                _ask_ledger(kept, settings, ids)
            except NotTheLedger:
                if attempt < ATTEMPTS - 1:
                    continue  # a run has just replaced its files
                kept.problems.append(f"{FILES_MISSING} or damaged: what it knew is lost")
            for run in kept.runs:
                _search_rejects(kept, run, ids)
                _search_gone(kept, run, ids)
            yield kept
            return


def _runs_of_campaign(journal: SqliteJournal, settings: Settings) -> list[Run]:
    api = settings.api
    where = {"api.url": api.url, "api.org_id": api.org_id}
    return [
        run
        for run in reversed(journal.latest_runs(RUNS_LOOKED_AT))
        if run.campaign_id == api.campaign_id
        and all(run.identity.get(name, value) == value for name, value in where.items())
    ]


def _ask_ledger(kept: Kept, settings: Settings, ids: Sequence[str]) -> None:
    row = kept.row
    if row is None:
        return
    columns = columns_of(row, settings.state.dir)
    found = latest_of(columns, WaitingChanges(kept.journal, row), ids, row.key)
    kept.latest = {each: latest for each, latest in zip(ids, found, strict=True) if latest is not None}


def _search_rejects(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    path = kept.runs_dir / run.id / REJECTED
    if not run.rejected_bytes:
        return
    if not path.exists():
        kept.lost.add(run.id)
        return
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
    from_byte = kept.journal.chunk_rows.waits_from(run.campaign_id, record_id).get(run.id)
    return NotAccepted(
        run_id=run.id,
        run_started_at=run.started_at,
        outcome=reject.outcome,
        reason=reject.reason,
        http_status=reject.http_status,
        path=reject.source.path,
        row=reject.source.row,
        waits=from_byte is not None and position >= from_byte,
    )


def _search_gone(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    if not run.gone.get("found"):
        return
    for record_id, _, line in lines_of_ids(kept.runs_dir / run.id / GONE_FILE, ids):
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


class _Gone(msgspec.Struct):
    last_run: str | None = None
    outcome: str | None = None
    reason: str | None = None


_decode_reject = msgspec.json.Decoder(_Reject).decode
_decode_gone = msgspec.json.Decoder(_Gone).decode
