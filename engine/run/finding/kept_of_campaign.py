"""What is kept of one campaign, and which runs may have sent to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from engine.ledger import Latest
from engine.report import counted
from engine.run.finding.found import InLedger, ListedGone, NotAccepted
from engine.run.finding.rows_of_campaigns import NOWHERE
from engine.state import LedgerRow, Run, SqliteJournal


@dataclass(frozen=True)
class Runs:
    """The runs of a state directory."""

    here: Sequence[Run]
    """Those of the API and organisation that are asked about, the latest first."""
    numbers_of_all: Sequence[int]
    """The numbers of all that are known, ascending."""
    numbers_of_campaigns: Mapping[str, Mapping[str, int]]
    """Of each campaign the number that it has in runs with many, by the ids of these."""

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The numbers of the runs of the API, by their ids."""
        return {run.id: run.number for run in self.here}

    @cached_property
    def _with_campaigns(self) -> set[str]:
        """The ids of the runs with many campaigns of which it is known which ones these were."""
        return {run_id for runs in self.numbers_of_campaigns.values() for run_id in runs}

    def may_be_of(self, run: Run, campaign_id: str) -> bool:
        """Whether a run may have sent to a campaign; of `NOWHERE`, whether it may have had rows that are for none.

        What a run with many campaigns had in flight when it was killed is noted nowhere: only one that has tried every
        record is known to have had no other campaigns than those that are noted.
        """
        if run.campaign_id:
            return campaign_id == run.campaign_id
        if campaign_id == NOWHERE or run.id in self.numbers_of_campaigns.get(campaign_id, {}):
            return True
        return run.sending and not (run.tried and run.id in self._with_campaigns)


@dataclass
class KeptOfCampaign:
    """What the journal and the files beside it say of ids in a campaign."""

    journal: SqliteJournal
    campaign_id: str
    all_runs: Runs
    row: LedgerRow | None
    """Its ledger; None without one."""
    lost: set[str]
    """As that of `Kept`."""
    latest: dict[str, Latest] = field(default_factory=dict)
    not_accepted: dict[str, list[NotAccepted]] = field(default_factory=dict)
    waits: dict[str, dict[str, int]] = field(default_factory=dict)
    """The runs by which each id still waits to be delivered, each with the byte from which its lines count."""
    gone: dict[str, list[ListedGone]] = field(default_factory=dict)

    @cached_property
    def runs(self) -> list[Run]:
        """Those that may have sent to it, the latest first."""
        return [run for run in self.all_runs.here if self.all_runs.may_be_of(run, self.campaign_id)]

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of the runs, by their ids."""
        return self.all_runs.numbers

    def number_in(self, run: Run) -> int | None:
        """Return the number that it has among the campaigns of a run; None if it is not known to be one of them."""
        if run.campaign_id:
            return 0
        return self.all_runs.numbers_of_campaigns.get(self.campaign_id, {}).get(run.id)

    def knows(self, record_id: str) -> bool:
        """Whether anything is kept of an id."""
        return any(record_id in known for known in (self.latest, self.not_accepted, self.waits, self.gone))

    def doubt_since(self, number: int, *, blind_only: bool = False) -> str:
        """Say which runs may have sent something else for an id since the run with this number; empty if none.

        With `blind_only`, those with delta count no more: what they send is in the ledger.
        """
        since = next((f"run {run.id}" for run in self.runs if run.number == number), "then")
        later = sum(run.number > number and not (blind_only and run.delta) for run in self.runs)
        after = [each for each in self.all_runs.numbers_of_all if each > number]
        deleted = max(after, default=number) - number - len(after)
        doubts = [f"{counted(later, 'later run')} may have sent other values for it"] if later else []
        if deleted:
            doubts.append(f"{counted(deleted, 'later run')} of this state directory, deleted by now, may have")
        return f"since {since}, {', and '.join(doubts)}" if doubts else ""

    def syncs_since(self, number: int) -> int:
        """Return how many runs of the campaign have read a source since the one with this number."""
        return sum(run.number > number and run.kind == "sync" for run in self.runs)

    def acknowledged_by(self, record_id: str) -> int:
        """Return the number of the run that has acknowledged an id last, as the ledger knows it; 0 if it does not."""
        latest = self.latest.get(record_id)
        return latest.run if latest is not None else 0

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
