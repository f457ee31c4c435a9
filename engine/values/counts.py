"""The accounts of a run: what became of its records, and the equation that must always hold between the sums.

`ChunkCounts` is the only place that names the states in which a record can end. The journal's columns, the report and
its equation, the metrics and all words are derived from its fields: a new state is one line there, and one migration
that gives the journal its column (`engine/state/migrations.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Self

from engine.values.errors import AccountsDoNotBalance

IDS_COUNTED_EXACTLY = 200_000
"""Up to so many different ids of a source are counted one by one; beyond that, how many repeat is an estimate."""

EXAMPLE_IDS_MAX = 5
"""How many example ids a reason keeps."""


def _state(means: str, *, told: int, accepted: bool = True, answered: bool = False) -> int:
    """Return the field of a state: what it `means`, and in which place people are told of it (`told`).

    A state that is not `accepted` needs a person, and its records are in the reject file. `answered`: by the API.
    """
    found: int = field(default=0, metadata={"means": means, "told": told, "accepted": accepted, "answered": answered})
    return found


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """How many records were read and how many of them ended in each state, exactly one a record. Counts add up.

    Rows that the configuration leaves out are `filtered`; they are not read.
    """

    read: int = 0
    filtered: int = 0
    invalid: int = _state("refused here, never sent", told=4, accepted=False)
    superseded: int = _state("merged into a later record of the same id", told=3)
    unchanged: int = _state("needed no update", told=2)
    updated: int = _state("on the server", told=1, answered=True)
    rejected: int = _state("refused by the API", told=5, accepted=False, answered=True)
    unknown: int = _state("sent, but the API's answer does not prove them", told=6, accepted=False, answered=True)

    def __add__(self, other: Self) -> Self:
        names = self.__dataclass_fields__  # as `fields` has them, which takes longer: this is done for each request
        return type(self)(*[getattr(self, name) + getattr(other, name) for name in names])

    @property
    def states(self) -> dict[str, int]:
        """How many records ended in each state, by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata}

    @property
    def sent(self) -> int:
        """Records that have an answer of the API: what a share of rejects is a share of."""
        return sum(getattr(self, f.name) for f in fields(self) if f.metadata.get("answered"))

    @property
    def not_accepted(self) -> int:
        """Records that need a person: refused here, refused by the API, or left unproven by it."""
        return sum(getattr(self, name) for name in NOT_ACCEPTED)

    def check(self) -> None:
        """Check the equation of the contract.

        Raises:
            AccountsDoNotBalance: `read` is not the sum of the states, or a count is negative.
        """
        states = self.states
        if self.read != sum(states.values()) or min(states.values()) < 0:
            parts = " + ".join(f"{name} {count}" for name, count in states.items())
            raise AccountsDoNotBalance(f"the accounts do not balance: read {self.read} is not {parts}; this is a bug")


@dataclass(frozen=True, slots=True)
class RecordCounts(ChunkCounts):
    """What became of the records of a run, those included that were read and have not come to their end."""

    pending: int = _state("not tried to the end yet", told=7)

    @classmethod
    def of(cls, settled: ChunkCounts, *, pending: int) -> RecordCounts:
        """Return the accounts of a run in which so much is `settled`, and as many records more were read as pend."""
        return cls(read=settled.read + pending, filtered=settled.filtered, **settled.states, pending=pending)


STATE_MEANINGS: Mapping[str, str] = {
    f.name: f.metadata["means"]
    for f in sorted((f for f in fields(RecordCounts) if f.metadata), key=lambda f: f.metadata["told"])
}
"""What each state of a record means, in the order in which people read them."""

NOT_ACCEPTED = tuple(f.name for f in fields(ChunkCounts) if not f.metadata.get("accepted", True))
"""The states of the records that need a person."""


@dataclass(slots=True)
class RequestCounts:
    """Wire attempts of a run. `sent = succeeded + throttled + failed`.

    `split` of them served to isolate records; `in_doubt` are those whose end is unknown, so that they may land late.
    """

    sent: int = 0
    succeeded: int = 0
    throttled: int = 0
    failed: int = 0
    split: int = 0
    in_doubt: int = 0

    def __add__(self, other: RequestCounts) -> RequestCounts:
        return RequestCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(slots=True)
class Reason:
    """Why records were not accepted: how many, and a few ids to look at. `reason` never contains record data."""

    outcome: str
    reason: str
    count: int
    example_ids: list[str]
