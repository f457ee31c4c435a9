"""What the lender has: records whose ids repeat, some that no API would take, some that are no records at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

import orjson

from engine.values import Block, Place, Refusal, Span

PATH = "portfolio.ndjson"
VERSION = "version"
"""The field that holds the number of the record, so that the latest one of an id is known wherever it turns up."""
POISON = "poison"
"""The field that makes the API refuse a record."""

Data = dict[str, object]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The records in source order, and the blocks in which the source yields them."""

    records: list[tuple[str, Data]]
    blocks: list[Block]
    campaign_of: Mapping[int, str] = field(default_factory=dict)
    """With many campaigns, that of each record by its version; empty for what is for none."""

    @classmethod
    def make(cls, rng: Random) -> Portfolio:
        """Draw a portfolio."""
        ids = [_id(rng, number) for number in range(rng.choice((3, 8, 20, 60)))]
        poison_share = rng.choice((0, 0, 0.03, 0.2))
        refused_share = rng.choice((0, 0, 0.1))
        records: list[tuple[str, Data]] = []
        blocks: list[Block] = []
        row = 1
        for _ in range(rng.randint(1, 8)):
            block = Block([], b"", [])
            lines = []
            for _ in range(rng.randint(0, 8)):
                if rng.random() < refused_share:
                    block.refusals.append(Refusal("not valid JSON", Place(PATH, row), raw="{"))
                else:
                    record_id, data = rng.choice(ids), _data(rng, len(records), poison_share)
                    records.append((record_id, data))
                    block.ids = [*block.ids, record_id]
                    block.spans = [*block.spans, Span(PATH, row, 1)]
                    lines.append(orjson.dumps({"id": record_id, "data": data}))
                row += 1
            block.lines = b"\n".join(lines)
            blocks.append(block)
        return cls(records, blocks)

    def routed(self, rng: Random) -> Portfolio:
        """Return the same with a campaign for nearly each record."""
        names = ["", *(f"camp_{number}" for number in range(rng.randint(1, 4)))]
        often = [1, *(rng.choice((5, 30)) for _ in names[1:])]
        texts = rng.choices(names, often, k=len(self.records))
        return replace(self, campaign_of=dict(enumerate(texts)))

    def key(self, record: tuple[str, Data]) -> str:
        """Return what stands for the id of a record, in its campaign."""
        record_id, data = record
        return f"{self.campaign_of[cast(int, data[VERSION])]}: {record_id}" if self.campaign_of else record_id

    def read(self) -> Iterator[Block]:
        """Read the source once more: the same blocks each time."""
        version = 0
        for block in self.blocks:
            count = len(block.ids)
            texts = [self.campaign_of[each] for each in range(version, version + count)] if self.campaign_of else None
            yield Block(list(block.ids), block.lines, list(block.spans), list(block.refusals), routed_by=texts)
            version += count

    @property
    def rows(self) -> int:
        """Records and refused lines."""
        return len(self.records) + sum(len(block.refusals) for block in self.blocks)


def _id(rng: Random, number: int) -> str:
    return rng.choice((f"loan_{number}", f"{100_000 + number}", f"00{number}", f"kärnten {number}"))


def _data(rng: Random, version: int, poison_share: float) -> Data:
    names = rng.sample(("amount", "name", "city"), rng.randint(0, 3))
    data: Data = {VERSION: version} | {name: f"{name} {version}" for name in names}
    return data | {POISON: True} if rng.random() < poison_share else data
