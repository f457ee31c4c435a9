"""Which runs provably read what today's source holds, and what became of it there.

What a run has sent is not kept, so it is proven: a chunk of today's source that has the digest which the journal notes
for a run's chunk was in that run, record for record. Where delta decides what a chunk holds, it is the whole source
that must be the same, and what decides which record is for which campaign.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from engine.report import iso
from engine.run.continuing import source_changes
from engine.run.finding.found import NotAccepted, Sent
from engine.run.finding.in_source import Met, Record, Survey
from engine.run.finding.judging import EITHER, UNCHANGED, UNPROVEN, UPDATED
from engine.run.finding.kept_of_campaign import KeptOfCampaign
from engine.run.job import changed_settings, mapping_of, source_identity_of
from engine.run.opened_ledger import DIGEST_VERSION
from engine.settings import Settings
from engine.state import ChunkRow, Run
from engine.values import SEQ_BITS, ChunkCounts, Outcome

RUNS_TRACED_MAX = 100
"""So many of the latest runs that read the source are asked whether they sent what it holds today."""


class TodaysSource:
    """What today's source is, compared with those of runs."""

    def __init__(self, settings: Settings, survey: Survey) -> None:
        self.survey, self.mapping = survey, mapping_of(settings)
        self._identity = source_identity_of(settings)
        self._same: dict[str, bool] = {}

    def is_that_of(self, run: Run) -> bool:
        """Whether a run has read the very same, in the same way."""
        if run.id not in self._same:
            before, now = run.fingerprint or {}, self.survey.contents
            contents = [tuple(each) for each in before.values()]
            is_whole = bool(contents) and all(digest is not None for _, digest in contents)
            is_same = is_whole and contents == [tuple(each) for each in now.values()]
            self._same[run.id] = is_same and not self.changed_settings(run)
        return self._same[run.id]

    def changed_settings(self, run: Run) -> list[str]:
        """Return the settings of what is read, and of which record is for which campaign, that differ."""
        before = {name: value for name, value in run.identity.items() if name.startswith(("source.", "route."))}
        return changed_settings(before, self._identity)


class Proofs:
    """Which runs provably read what today's source holds for a campaign."""

    def __init__(self, kept: KeptOfCampaign, source: TodaysSource) -> None:
        self._kept, self._source, self._survey = kept, source, source.survey
        self._runs = [run for run in kept.runs if run.kind == "sync"][:RUNS_TRACED_MAX]
        self._can_compare = (
            kept.row is not None and kept.row.mapping == source.mapping and kept.row.digest_version == DIGEST_VERSION
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
        number = self._kept.number_in(run)
        if number is None:
            return None
        first, rows = number << SEQ_BITS, self._kept.journal.chunk_rows
        if run.delta:
            position = first + record.position
            row = rows.at(run.id, position) if self._source.is_that_of(run) else None
            return _in_campaign(row, first) if row is not None and position < row.seq + row.counts.read else None
        if record.chunk is None:
            return None
        row = rows.at(run.id, first + record.chunk.seq)
        is_it = row is not None and (row.seq, row.digest) == (first + record.chunk.seq, record.chunk.digest)
        return _in_campaign(row, first) if row is not None and is_it else None

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
        if names := self._source.changed_settings(run):
            return [f"settings have changed since run {run.id} ({', '.join(names)}): what it sent cannot be told"]
        return [f"run {run.id} did not try it to the end, or cut its chunks otherwise (upload.batch_size)"]


def _in_campaign(row: ChunkRow, first: int) -> ChunkRow:
    """Return a chunk as it counts in its campaign."""
    return replace(row, seq=row.seq - first)
