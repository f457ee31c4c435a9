"""The truth: which values each id has, how often it was updated, and what the stand-in noticed on the way."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import orjson

from engine.simulator.model.request_body import Record

EXAMPLES_MAX = 20
"""How many ids are kept as examples of a violation."""
LOG_MAX = 100_000
"""How many of the latest requests are kept in the log."""


@dataclass(slots=True)
class LogEntry:
    """One bulk request, under way or over."""

    at_s: float
    """When it arrived, in seconds since the first one."""
    took_s: float = 0.0
    status: str = "gone"
    """The status, then the fault that struck: `200`, `200 reset-after-apply`, `reset-mid-body`; `gone` if the client
    went away."""
    records: int = 0
    body_bytes: int = 0


@dataclass(slots=True)
class Stats:
    """What a test may wait for and check."""

    requests: int = 0
    """Bulk requests whose head arrived: one for every attempt of the client."""
    answered: int = 0
    """Bulk requests that are over, answered or not."""
    in_flight: int = 0
    peak_in_flight: int = 0
    held: int = 0
    """Requests that the gate holds right now."""
    body_bytes: int = 0
    records: int = 0
    """Records received in readable requests, valid or not."""
    applied: int = 0
    """Updates made: one for every record of every applied request."""
    repeated: int = 0
    """Updates that left their record exactly as it was (the same bytes again)."""
    overlaps: int = 0
    """Violations: requests that shared an id with another request in flight."""
    twice_in_request: int = 0
    """Violations: requests that named an id twice."""
    checks: int = 0
    """Requests for the list of campaigns."""
    by_status: dict[str, int] = field(default_factory=dict)
    example_ids: list[str] = field(default_factory=list)
    """Ids met in violations."""


class Ledger:
    """The state of the simulated server.

    Data is kept as the JSON text received, so that a test sees exactly what was sent. An update of a known id merges
    into it: a key that is absent stays as it was, a null is a value.
    """

    def __init__(self) -> None:
        self.stats = Stats()
        self.log: deque[LogEntry] = deque(maxlen=LOG_MAX)
        self._data: dict[str, dict[str, bytes]] = {"": {}}
        self._versions_beyond_first: Counter[tuple[str, str]] = Counter()
        self._ids_in_flight: list[tuple[str, set[str]]] = []

    def __len__(self) -> int:
        """Return how many ids have values, in all campaigns."""
        return sum(map(len, self._data.values()))

    def campaigns(self) -> dict[str, int]:
        """Return how many ids have values in each campaign that has any."""
        return {campaign: len(data) for campaign, data in self._data.items() if data}

    def snapshot(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return asdict(self.stats) | {"ids": len(self)}

    @contextmanager
    def flight(self, ids: Collection[str], campaign: str = "") -> Iterator[None]:
        """Keep these ids as in flight for a while, and notice whether another request in flight holds one of them."""
        mine = set(ids)
        others = [other for its_campaign, other in self._ids_in_flight if its_campaign == campaign]
        shared = set().union(*(mine & other for other in others if not mine.isdisjoint(other)))
        self.stats.overlaps += bool(shared)
        self.stats.twice_in_request += len(mine) != len(ids)
        self.stats.example_ids += sorted(shared)[: EXAMPLES_MAX - len(self.stats.example_ids)]
        self._ids_in_flight.append((campaign, mine))
        try:
            yield
        finally:
            self._ids_in_flight = [other for other in self._ids_in_flight if other[1] is not mine]

    def apply(self, records: Iterable[Record], campaign: str = "") -> None:
        """Update each record of a campaign, in order; an empty name is that of the one that there always is."""
        stats, data = self.stats, self._data.setdefault(campaign, {})
        for _, id_, new in records:
            stats.applied += 1
            old = data.setdefault(id_, new)
            if old is not new:
                self._versions_beyond_first[campaign, id_] += 1
                if old == new:
                    stats.repeated += 1
                else:
                    data[id_] = merge(old, new)

    def lines(self, ids: Iterable[str] | None = None, campaign: str = "") -> Iterator[bytes]:
        """Yield the state of a campaign as JSON lines `{"id", "versions", "data"}`.

        Those of all ids, or of those that are known of some.

        `versions` counts how often the record was updated.
        """
        data = self._data.get(campaign, {})
        for id_ in list(data) if ids is None else ids:
            if id_ in data:
                versions = 1 + self._versions_beyond_first[campaign, id_]
                yield b'{"id":%b,"versions":%d,"data":%b}\n' % (orjson.dumps(id_), versions, data[id_])


def merge(old: bytes, new: bytes) -> bytes:
    """Return the JSON object `old` with the keys of `new` set, every value as the very text it was sent as."""
    values = msgspec.json.decode(old, type=dict[str, msgspec.Raw])
    values.update(msgspec.json.decode(new, type=dict[str, msgspec.Raw]))
    return msgspec.json.encode(values)
