"""What a server saw of one client: when its requests came, and which it accepted; and what that says of its pace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.scenarios import Scenario

WINDOW_S = 3.0
"""So long must a client keep up with a limit for the limit to count as found."""

FOUND_SHARE = 0.9
"""This share of a limit must be used ..."""

REFUSED_SHARE = 0.05
"""... and no more than this share of requests be refused."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: when it arrived and was answered, in seconds since the first one arrived, and how."""

    began_s: float
    ended_s: float
    status: str
    records: int


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """All requests of a client, in the order in which they were answered."""

    entries: list[Entry]

    @classmethod
    def of(cls, log: Iterable[Mapping[str, Any]]) -> Self:
        """Make it from the log of the stand-in (`LogEntry`)."""
        return cls([Entry(one["at_s"], one["at_s"] + one["took_s"], one["status"], one["records"]) for one in log])

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self.entries)

    @property
    def duration_s(self) -> float:
        """From the first request to the last answer."""
        return max((entry.ended_s for entry in self.entries), default=0.0)

    @property
    def refused(self) -> int:
        """How many came too fast (429)."""
        return sum(entry.status.startswith("429") for entry in self.entries)

    @property
    def failed(self) -> int:
        """How many met a failure of the server (503)."""
        return sum(entry.status.startswith("503") for entry in self.entries)

    @property
    def accepted(self) -> list[Entry]:
        """Those whose records were updated."""
        return [entry for entry in self.entries if entry.status.startswith("200")]

    @property
    def records(self) -> int:
        """How many records were updated."""
        return sum(entry.records for entry in self.accepted)

    @property
    def latency_p95_s(self) -> float:
        """How long 95 % of the accepted requests took at most."""
        took = sorted(entry.ended_s - entry.began_s for entry in self.accepted)
        return took[int(0.95 * (len(took) - 1))] if took else 0.0

    def accepted_per_s(self, step_s: float = 1.0) -> list[tuple[float, float]]:
        """Return how many requests a second were accepted around each point of time."""
        ends = [entry.ended_s for entry in self.accepted]
        steps = int(self.duration_s / step_s)
        window_s = 2 * step_s
        return [
            (step * step_s, sum(abs(end - step * step_s) <= window_s / 2 for end in ends) / window_s)
            for step in range(1, steps)
        ]

    def warm_share(self, scenario: Scenario) -> float:
        """Return the share of the possible that was reached between the first quarter of the requests and their end.

        The last tenth is left out: there is not enough left to do to keep a server busy.
        """
        ends = sorted(entry.ended_s for entry in self.accepted)
        first, last = len(ends) // 4, 9 * len(ends) // 10
        if last <= first:
            return 0.0
        possible = _possible(scenario, ends[first], ends[last])
        return (last - first) / possible if possible else 0.0

    def found_after_s(self, scenario: Scenario) -> list[float | None]:
        """Return for the limit, and for each change of it, after how many seconds the client has found it.

        None if it never did while that limit was in force.
        """
        starts = [at for at, _ in scenario.rates] or [0.0]
        if scenario.outage[1]:
            starts = [0.0, scenario.outage[1]]
        return [self._found_s(scenario, start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]

    def _found_s(self, scenario: Scenario, start_s: float, end_s: float | None) -> float | None:
        end_s = min(end_s or self.duration_s, self.duration_s)
        t_s = start_s
        while t_s + WINDOW_S <= end_s:
            if self._keeps_up(scenario, t_s):
                return t_s - start_s
            t_s += 0.1
        return None

    def _keeps_up(self, scenario: Scenario, t_s: float) -> bool:
        """Whether the limit is used, and not overstepped, from `t_s` on for as long as the window is."""
        within = [entry for entry in self.entries if t_s <= entry.began_s < t_s + WINDOW_S]
        refused = sum(entry.status.startswith("429") for entry in within)
        ended = sum(t_s <= entry.ended_s < t_s + WINDOW_S for entry in self.accepted)
        enough = ended >= FOUND_SHARE * _possible(scenario, t_s, t_s + WINDOW_S)
        return enough and refused <= REFUSED_SHARE * len(within)


def _possible(scenario: Scenario, from_s: float, to_s: float) -> float:
    """Return how many requests could be served in that time."""
    step_s = 0.01
    return sum(scenario.rate_at(from_s + step * step_s) * step_s for step in range(round((to_s - from_s) / step_s)))
