"""What the state directory keeps of single ids: entries of ledgers, reject files, lists of who is gone.

Nothing is locked or written: it is a look at a copy of the journal, also while a run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.ledger import NotTheLedger, latest_of, verify
from engine.report import GONE_FILE, counted, shown
from engine.run.finding.found import ListedGone, NotAccepted
from engine.run.finding.kept_of_campaign import KeptOfCampaign, Runs
from engine.run.finding.rows_of_campaigns import NOWHERE
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
    """The journal, and what it and the files beside it say of the ids that are asked for, campaign by campaign."""

    journal: SqliteJournal
    runs_dir: Path
    runs: Runs
    campaign_id: str
    """The only campaign that is asked about; empty if that is every one."""
    rows: dict[str, LedgerRow]
    """The ledgers, by their campaigns."""
    campaigns: dict[str, KeptOfCampaign] = field(default_factory=dict)
    """Those of which anything was asked."""
    lost: set[str] = field(default_factory=set)
    """The ids of runs whose reject file is gone, or cut, though it had lines."""
    problems: list[str] = field(default_factory=list)
    """What can't be looked at."""

    def of(self, campaign_id: str) -> KeptOfCampaign:
        """Return what is kept of a campaign."""
        if campaign_id not in self.campaigns:
            row = self.rows.get(campaign_id)
            self.campaigns[campaign_id] = KeptOfCampaign(self.journal, campaign_id, self.runs, row, self.lost)
        return self.campaigns[campaign_id]

    def key_of(self, campaign_id: str) -> int:
        """Return the secret of the ledger of a campaign; any number without one."""
        row = self.rows.get(campaign_id)
        return row.key if row is not None else 0

    def is_asked_about(self, campaign_id: str) -> bool:
        """Whether a campaign is one that is asked about."""
        return self.campaign_id in ("", campaign_id)

    def knowing(self, record_id: str) -> list[str]:
        """Return the campaigns in which something is kept of an id."""
        return [campaign_id for campaign_id, each in self.campaigns.items() if each.knows(record_id)]


@contextmanager
def kept_of(settings: Settings, ids: Sequence[str]) -> Iterator[Kept]:
    """Look up ids, all different, in what is kept of the campaign of these settings, or with `[route]` of all of them.

    Raises:
        StateFailed: the journal or a file beside it can't be read.
    """
    demand_journal(settings.state.dir)
    for attempt in range(ATTEMPTS):
        with journal_copy(settings.state.dir) as journal:
            kept = _begun(journal, settings)
            damaged = _ask_ledgers(kept, settings, ids)
            if damaged and attempt < ATTEMPTS - 1:
                continue  # a run has just replaced its files
            for campaign_id in damaged:
                whose = "" if kept.campaign_id else f" of campaign {shown(campaign_id)}"
                kept.problems.append(f"the files of the ledger{whose} are missing or damaged: what it knew is lost")
            _search_files(kept, ids)
            yield kept
            return


def _begun(journal: SqliteJournal, settings: Settings) -> Kept:
    api, every = settings.api, journal.latest_runs(RUNS_LOOKED_AT)
    where = {"api.url": api.url, "api.org_id": api.org_id}
    here = [run for run in reversed(every) if all(run.identity.get(name, at) == at for name, at in where.items())]
    numbers_of_all = [run.number for run in every]
    runs = Runs(here, numbers_of_all, journal.chunk_rows.numbers_of_campaigns())
    rows = {}
    for row in journal.ledgers():
        *target, campaign_id = json.loads(row.target)
        if target == json.loads(target_of(settings))[:2] and api.campaign_id in ("", campaign_id):
            rows[campaign_id] = row
    return Kept(journal, settings.state.dir / RUNS, runs, api.campaign_id, rows)


def _ask_ledgers(kept: Kept, settings: Settings, ids: Sequence[str]) -> list[str]:
    """Ask every ledger; return the campaigns whose one is damaged."""
    damaged = []
    for campaign_id, row in kept.rows.items():
        try:
            columns = columns_of(row, settings.state.dir)
            if columns is not None:
                stem, ids_path = paths_of(row, settings.state.dir)
                verify(stem, row.generation, row.checksum, ids_path, row.ids_bytes, row.ids_checksum)
            found = latest_of(columns, WaitingChanges(kept.journal, row), ids, row.key)
        except NotTheLedger:
            damaged.append(campaign_id)
            continue
        latest = {each: one for each, one in zip(ids, found, strict=True) if one is not None}
        if latest:
            kept.of(campaign_id).latest = latest
    return damaged


def _search_files(kept: Kept, ids: Sequence[str]) -> None:
    waiting = kept.journal.chunk_rows.waiting(ids)
    for record_id, campaigns in waiting.items():
        for campaign_id in filter(kept.is_asked_about, campaigns):
            kept.of(campaign_id).waits[record_id] = campaigns[campaign_id]
    for run in kept.runs.here:
        if not kept.campaign_id or kept.runs.may_be_of(run, kept.campaign_id):
            _search_rejects(kept, run, ids)
            _search_gone(kept, run, ids)
    if kept.lost:
        some = ", ".join(sorted(kept.lost)[-LOST_NAMED_MAX:])
        kept.problems.append(f"rejected.ndjson is missing or cut in {counted(len(kept.lost), 'run')} ({some})")
    is_waiting = any(each.waits for each in kept.campaigns.values())
    if is_waiting and (unfinished := kept.journal.unfinished_run("sync")) is not None:
        kept.problems.append(f"run {unfinished.id} waits to be continued by `sync`; until then, `replay` is refused")


def _search_rejects(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    path = kept.runs_dir / run.id / REJECTED
    if not run.rejected_bytes:
        return
    if not path.exists() or path.stat().st_size < run.rejected_bytes:
        kept.lost.add(run.id)
    found: dict[tuple[str, str], list[NotAccepted]] = {}
    for record_id, position, line in lines_of_ids(path, ids, run.rejected_bytes):
        try:
            reject = _decode_reject(line)
        except msgspec.ValidationError:
            reject = _Reject()  # somebody has changed it: that it was not accepted is known still
        campaign_id = run.campaign_id or reject.campaign_id or NOWHERE
        if kept.is_asked_about(campaign_id):
            line_found = _not_accepted(kept, run, campaign_id, record_id, position, reject)
            found.setdefault((campaign_id, record_id), []).append(line_found)
    for (campaign_id, record_id), lines in found.items():
        kept.of(campaign_id).not_accepted.setdefault(record_id, []).extend(reversed(lines))


def _not_accepted(
    kept: Kept, run: Run, campaign_id: str, record_id: str, position: int, reject: _Reject
) -> NotAccepted:
    from_byte = kept.of(campaign_id).waits.get(record_id, {}).get(run.id)
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
        fits_config=run.campaign_id == kept.campaign_id,
    )


def _search_gone(kept: Kept, run: Run, ids: Sequence[str]) -> None:
    path = kept.runs_dir / run.id / GONE_FILE
    if run.campaign_id and not run.gone.get("found"):
        return
    if not path.exists():
        if _found_gone(kept, run):
            kept.problems.append(f"{GONE_FILE} of run {run.id} is missing: who was gone then is not known")
        return
    for record_id, _, line in lines_of_ids(path, ids):
        try:
            told = _decode_gone(line)
        except msgspec.ValidationError:
            told = _Gone()
        campaign_id = run.campaign_id or told.campaign_id
        if not kept.is_asked_about(campaign_id):
            continue
        listed = ListedGone(
            run_id=run.id,
            run_started_at=run.started_at,
            last_run=told.last_run,
            outcome=told.outcome,
            reason=told.reason,
            moved_to=told.moved_to,
        )
        kept.of(campaign_id).gone.setdefault(record_id, []).append(listed)


def _found_gone(kept: Kept, run: Run) -> bool:
    """Whether somebody was gone, of whom a list was written."""
    if run.campaign_id:
        return True
    campaigns = kept.journal.campaigns(run).values() if run.delta else ()
    asked = [each.gone for each in campaigns if kept.is_asked_about(each.id)]
    return any(gone.get("found") or gone.get("moved") for gone in asked)


class _Place(msgspec.Struct):
    path: str = ""
    row: int = 0


class _Reject(msgspec.Struct):
    outcome: str = ""
    reason: str = ""
    http_status: int | None = None
    source: _Place = msgspec.field(default_factory=_Place)
    data: msgspec.Raw = msgspec.Raw()
    campaign_id: str | None = None


class _Gone(msgspec.Struct):
    last_run: str | None = None
    outcome: str | None = None
    reason: str | None = None
    campaign_id: str = ""
    moved_to: str | None = None


_decode_reject = msgspec.json.Decoder(_Reject).decode
_decode_gone = msgspec.json.Decoder(_Gone).decode
