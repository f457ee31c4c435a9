"""The sums of a run, and the equation that must always hold between them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from engine.values.errors import AccountsDoNotBalance

EXAMPLE_IDS_MAX = 5
"""How many example ids a reason keeps."""


@dataclass(slots=True)
class RecordCounts:
    """What became of the records of a run; each record read is in exactly one of the other states."""

    read: int = 0
    invalid: int = 0
    superseded: int = 0
    unchanged: int = 0
    updated: int = 0
    rejected: int = 0
    unknown: int = 0
    pending: int = 0

    @property
    def sent(self) -> int:
        """Records that have an answer of the API: what a share of rejects is a share of."""
        return self.updated + self.rejected + self.unknown

    def __add__(self, other: RecordCounts) -> RecordCounts:
        return RecordCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def check(self) -> None:
        """Check the equation of the contract.

        Raises:
            AccountsDoNotBalance: `read` is not the sum of the states, or a count is negative.
        """
        states = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "read"}
        if self.read != sum(states.values()) or min(states.values()) < 0:
            parts = " + ".join(f"{name} {count}" for name, count in states.items())
            raise AccountsDoNotBalance(f"the accounts do not balance: read {self.read} is not {parts}; this is a bug")


@dataclass(slots=True)
class RequestCounts:
    """Wire attempts of a run. `sent = succeeded + throttled + failed`; `split` of them served to isolate records."""

    sent: int = 0
    succeeded: int = 0
    throttled: int = 0
    failed: int = 0
    split: int = 0

    def add(self, other: RequestCounts) -> None:
        """Add the counts of `other` to these."""
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))


@dataclass(slots=True)
class Reason:
    """Why records were not accepted: how many, and a few ids to look at. `reason` never contains record data."""

    outcome: str
    reason: str
    count: int
    example_ids: list[str]
