"""Sources whose ids repeat, a ledger on the disk, and what a person would say has to be sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from engine.ledger import Change, Merged, Voided, acknowledged, keys_and_digests, merge, open_columns
from engine.reading.comparing import Comparing
from engine.values import Block, Place, Refusal, Span

KEY = 0x5EED
IDS = ["a", "b", "c", "ü" * 7, 'x"\\\n']

Data = dict[str, str | int]


class Record(NamedTuple):
    id: str
    data: Data

    @property
    def line(self) -> bytes:
        return json.dumps({"id": self.id, "data": self.data}, ensure_ascii=False, separators=(",", ":")).encode()


Item = Record | None
"""A record, or a row that was refused."""

SOME_DATA: list[Data] = [{"p": 0}, {"p": 1}, {"p": 0, "q": 1}, {"q": "long " * 12}]
"""Few, so that records often equal each other, and what the ledger knows."""

fields = st.sampled_from(SOME_DATA)
records = st.builds(Record, st.sampled_from(IDS), fields)


@st.composite
def sources(draw: st.DrawFn) -> list[Block]:
    """Draw the blocks of a source."""
    drawn = draw(st.lists(records, max_size=24))
    cuts = draw(st.lists(st.integers(0, len(drawn)), max_size=4))
    edges = [0, *sorted(cuts), len(drawn)]
    return [block_of(drawn[start:end], start, draw(st.integers(0, 2))) for start, end in pairwise(edges)]


def block_of(some: Sequence[Record], first_row: int = 0, refused: int = 0) -> Block:
    """Return a block of records, and of rows before them that were refused."""
    return Block(
        ids=[record.id for record in some],
        lines=b"\n".join(record.line for record in some),
        spans=[Span("file", first_row, len(some))] if some else [],
        refusals=[Refusal("not a record", Place("file", first_row), id=None)] * refused,
    )


def items_of(blocks: Iterable[Block]) -> list[Item]:
    """Return what stands in a source, in the order in which it is counted."""
    items: list[Item] = []
    for block in blocks:
        items += [None] * len(block.refusals)
        items += [record_of(line) for line in block.lines.split(b"\n") if line]
    return items


def record_of(line: bytes) -> Record:
    """Return the record of a line."""
    return Record(**json.loads(line))


class Ledger:
    """A ledger in a directory, of runs that are numbered from 1."""

    def __init__(self, where: Path) -> None:
        self._stem, self._ids = where / "ledger", where / "ledger.ids"
        self._merged: Merged | None = None
        self.changes: list[tuple[int, Change]] = []

    def acknowledge(self, run: int, some: Sequence[Record]) -> None:
        """Note that records were acknowledged."""
        keys, digests = keys_and_digests(b"\n".join(record.line for record in some), len(some), KEY)
        change = acknowledged(keys, digests, [record.id for record in some])
        if change is not None:
            self.changes.append((run, change))

    def void(self, run: int, keys: bytes) -> None:
        """Note that other values may be on their way."""
        self.changes.append((run, Voided(keys)))

    def comparing(self, *, due: Iterable[int] = (), is_full: bool = False) -> Comparing:
        """Merge what has changed; return what a pass is compared with. What the runs `due` acknowledged is too old."""
        before = self._merged
        base = open_columns(self._stem, before.generation, self._ids) if before else None
        length = before.ids_bytes if before else 0
        self._merged = merged = merge(base, self.changes, stem=self._stem, ids=self._ids, ids_bytes=length)
        self.changes = []
        tags = tuple(number for number, tag in enumerate(merged.header.tags) if tag.run in due)
        return Comparing(KEY, str(self._stem), merged.generation, str(self._ids), is_full=is_full, due=tags)

    def ids(self) -> list[str]:
        """Return the ids of all entries, in their order."""
        assert self._merged, "asked for before it was merged"
        columns = open_columns(self._stem, self._merged.generation, self._ids)
        return [columns.id(entry) for entry in range(len(columns))]


@dataclass
class Expected:
    """What is to be sent of a source, record by record: `good` are the values that the ledger knows to be good."""

    good: dict[str, Data]
    due: frozenset[str] = frozenset()
    is_full: bool = False
    passed: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)

    def differs(self, record_id: str, data: Data) -> bool:
        """Whether it must be sent, whatever came before."""
        return self.is_full or record_id in self.due or self.good.get(record_id) != data

    def chunk(self, items: Iterable[Item], bytes_max: int) -> ExpectedChunk:
        """Return what a chunk holds that accounts for these items, which come next."""
        result = ExpectedChunk()
        for item in items:
            if item is None or not (self.differs(*item) or item.id in self.passed):
                result.refused += item is None
                result.unchanged += item is not None
                continue
            self.passed.add(item.id)
            if len(item.line) > bytes_max:
                result.refused += 1
                continue
            result.superseded += item.id in result.held
            result.held[item.id] = result.held.get(item.id, {}) | item.data
        if result.superseded:
            same = [
                each for each, data in result.held.items() if not self.differs(each, data) and each not in self.sent
            ]
            result.unchanged += len(same)
            for each in same:
                del result.held[each]
        for each, data in result.held.items():
            if each in self.sent or self.good.get(each, data) != data:
                result.voids.add(each)
        self.sent |= result.held.keys()
        return result


@dataclass
class ExpectedChunk:
    """A chunk as a person would count it."""

    held: dict[str, Data] = field(default_factory=dict)
    unchanged: int = 0
    superseded: int = 0
    refused: int = 0
    voids: set[str] = field(default_factory=set)
    """Ids whose entries must be void before it leaves."""
