"""Did loan X arrive? What the state directory and today's source say of single ids, and what that proves.

What a run has sent is not kept, so it is proven: a chunk of today's source that has the digest which the journal notes
for a run's chunk was in that run, record for record. Where delta decides what a chunk holds, it is the whole source
that must be the same. What is not proven is told as not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from engine.outlets import NoProgress, ProgressDisplay
from engine.report import iso
from engine.run.continuing import source_changes
from engine.run.finding.found import Found, InSource, NotAccepted, Sent
from engine.run.finding.in_source import Met, Record, Survey, survey_source
from engine.run.finding.judging import EITHER, UNCHANGED, UNPROVEN, UPDATED, Evidence, judge
from engine.run.finding.kept import Kept, kept_of
from engine.run.job import changed_settings, mapping_of, source_identity_of
from engine.run.opened_ledger import DIGEST_VERSION
from engine.settings import Settings
from engine.state import ChunkRow, Run
from engine.values import ChunkCounts, ConfigError, Outcome

RUNS_TRACED_MAX = 100
"""So many of the latest runs that read the source are asked whether they sent what it holds today."""


def find(
    settings: Settings, ids: Sequence[str], *, reads_source: bool = True, display: ProgressDisplay | None = None
) -> list[Found]:
    """Return what is known of each of these ids, all different, in their order.

    Raises:
        StateFailed: the journal or a file beside it can't be read.
        ConfigError: the source holds several campaigns.
    """
    if settings.route.column is not None:
        raise ConfigError(
            "find does not look through the campaigns of [route] yet: rejected.ndjson and gone.ndjson of each run name "
            "the campaign of an id"
        )
    with kept_of(settings, ids) as kept:
        survey = Survey(problem="today's source was not read (--no-source)")
        if reads_source:
            survey = survey_source(settings, ids, kept.row.key if kept.row else 0, display or NoProgress())
        proofs = _Proofs(settings, kept, survey)
        return [_found(record_id, settings, kept, survey, proofs) for record_id in ids]


def _found(record_id: str, settings: Settings, kept: Kept, survey: Survey, proofs: _Proofs) -> Found:
    found = Found(
        id=record_id,
        campaign_id=settings.api.campaign_id,
        ledger=kept.in_ledger(record_id),
        not_accepted=kept.not_accepted.get(record_id, []),
        gone=kept.gone.get(record_id, []),
        source_read=not survey.problem,
        notes=[*kept.problems, *([survey.problem] if survey.problem else [])],
    )
    met = survey.met.get(record_id)
    if met is not None:
        found.source = InSource(
            count=met.count,
            rows=met.rows,
            same_values=None if survey.problem else proofs.same_values(record_id, met),
            sent=proofs.sent(record_id, met.record) if met.record is not None else [],
        )
        if met.record is not None and not found.source.sent:
            found.notes += proofs.why_not()
    found.answer, doubts = judge(found, _evidence(record_id, kept, met))
    found.notes += doubts
    return found


def _evidence(record_id: str, kept: Kept, met: Met | None) -> Evidence:
    latest = kept.latest.get(record_id)
    return Evidence(
        numbers=kept.numbers,
        doubt_since=kept.doubt_since,
        sent_blindly_since=partial(kept.doubt_since, blind_only=True),
        syncs_since=kept.syncs_since,
        acknowledged_by=latest.run if latest is not None else 0,
        waits_for=[each for each in kept.waits.get(record_id, ()) if each in kept.numbers],
        has_record=met is not None and met.record is not None,
        last_state=met.rows[-1].state if met is not None else "",
    )


class _Proofs:
    """Which runs provably read what today's source holds."""

    def __init__(self, settings: Settings, kept: Kept, survey: Survey) -> None:
        self._kept, self._survey = kept, survey
        self._runs = [run for run in kept.runs if run.kind == "sync"][:RUNS_TRACED_MAX]
        self._identity = source_identity_of(settings)
        self._same_source = {run.id for run in self._runs if self._is_of_same_source(run)}
        self._can_compare = (
            kept.row is not None
            and kept.row.mapping == mapping_of(settings)
            and kept.row.digest_version == DIGEST_VERSION
        )

    def same_values(self, record_id: str, met: Met) -> bool | None:
        """Return whether the last record equals what was acknowledged last; None if that is not known."""
        latest = self._kept.latest.get(record_id)
        if not self._can_compare or latest is None or not latest.digest or met.record is None:
            return None
        if latest.digest == met.record.digest and (met.records == 1 or met.record.all_merged):
            return True
        return False if met.records == 1 else None  # else, runs may have merged its rows otherwise

    def sent(self, record_id: str, record: Record) -> list[Sent]:
        """Return the runs that read this record, the latest first."""
        found = []
        for run in self._runs:
            chunk = self._chunk_of(run, record)
            if chunk is not None:
                found.append(
                    Sent(
                        run_id=run.id,
                        run_started_at=run.started_at,
                        chunk=chunk.seq,
                        chunk_records=chunk.counts.read,
                        outcome=self._outcome(run, record_id, record, chunk.counts),
                        settled_at=iso(datetime.fromtimestamp(chunk.settled_at, UTC)) if chunk.settled_at else None,
                    )
                )
        return found

    def _chunk_of(self, run: Run, record: Record) -> ChunkRow | None:
        """Return the chunk that this record was in; None if that is not proven, or it was not tried to the end."""
        rows = self._kept.journal.chunk_rows
        if run.delta:
            row = rows.at(run.id, record.position) if run.id in self._same_source else None
            return row if row is not None and record.position < row.seq + row.counts.read else None
        if record.chunk is None:
            return None
        row = rows.at(run.id, record.chunk.seq)
        is_it = row is not None and (row.seq, row.digest) == (record.chunk.seq, record.chunk.digest)
        return row if is_it else None

    def _outcome(self, run: Run, record_id: str, record: Record, counts: ChunkCounts) -> str:
        """Return what became of a record in a chunk with these counts."""
        rejected = self._rejected(run, record_id, record)
        if rejected is not None:
            return rejected.outcome
        failures = sum(getattr(counts, str(each)) for each in (Outcome.REJECTED, Outcome.UNKNOWN))
        if failures and (run.id in self._kept.lost or run.id in self._kept.waits.get(record_id, ())):
            return UNPROVEN
        if not counts.unchanged:
            return UPDATED
        if not counts.updated and not failures:
            return UNCHANGED
        latest = self._kept.latest.get(record_id)
        if latest is not None and latest.run == run.number:
            return UPDATED
        return UNCHANGED if latest is not None and latest.digest and latest.run < run.number else EITHER

    def _rejected(self, run: Run, record_id: str, record: Record) -> NotAccepted | None:
        """Return the line by which the run told that this very record was not accepted."""
        before, now = list(run.fingerprint or {}), list(self._survey.contents)
        renamed = dict(zip(before, now, strict=False)) if len(before) == len(now) else {}
        for line in self._kept.not_accepted.get(record_id, ()):
            path = line.path if line.path in now else renamed.get(line.path, line.path)
            is_it = line.run_id == run.id and line.row == record.place.row and path == record.place.path
            if is_it and line.outcome != Outcome.INVALID:
                return line
        return None

    def _is_of_same_source(self, run: Run) -> bool:
        before, now = run.fingerprint or {}, self._survey.contents
        contents = [tuple(each) for each in before.values()]
        is_whole = bool(contents) and all(digest is not None for _, digest in contents)
        return is_whole and contents == [tuple(each) for each in now.values()] and not self._changed_settings(run)

    def _changed_settings(self, run: Run) -> list[str]:
        before = {name: value for name, value in run.identity.items() if name.startswith("source.")}
        return changed_settings(before, self._identity)

    def why_not(self) -> list[str]:
        """Say why it is not known what became of a record in the latest run that read the source."""
        if self._survey.problem:
            return []
        if not self._runs:
            return ["no run of this campaign that read the source is known"]
        run = self._runs[0]
        changes = source_changes(run.fingerprint or {}, self._survey.contents)
        if changes:
            return [f"the source has changed since run {run.id} ({'; '.join(changes)}): what it sent cannot be told"]
        if names := self._changed_settings(run):
            return [f"settings have changed since run {run.id} ({', '.join(names)}): what it sent cannot be told"]
        return [f"run {run.id} did not try it to the end, or cut its chunks otherwise (upload.batch_size)"]
