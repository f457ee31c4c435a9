"""What a pass is told of its records, as a dict would tell it.

Where a new id shares its key with one of the ledger, more may be sent and be present, never less.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine.ledger import keys_and_digests, keys_of
from engine.ledger.lookup import seen_between
from engine.reading import comparison as module
from engine.reading.comparison import Comparison
from engine.values import Block, Place, Refusal, Span
from tests.reading import nights
from tests.reading.nights import IDS, KEY, Data, Expected, Ledger, Record, block_of, fields, items_of, sources

contents = st.dictionaries(st.sampled_from(IDS), fields)


def few_keys(keys: bytes) -> bytes:
    """Return two different keys at most, in place of any."""
    return array("Q", [(key & 1) << 40 | 1 << 63 for key in array("Q", keys)]).tobytes()


@pytest.fixture(params=[False, True], ids=["keys", "shared keys"], scope="module")
def keys_are_shared(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether different ids have the same keys."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:

            def shared(lines: bytes, count: int, key: int) -> tuple[bytes, bytes]:
                keys, digests = keys_and_digests(lines, count, key)
                return few_keys(keys), digests

            patch.setattr(module, "keys_and_digests", shared)
            patch.setattr(nights, "keys_and_digests", shared)
            patch.setattr(module, "keys_of", lambda ids, key: few_keys(keys_of(ids, key)))
        yield request.param


def keys_as_seen(ids: Sequence[str]) -> set[bytes]:
    keys = module.keys_of(ids, KEY)
    return {keys[at : at + 8] for at in range(0, len(keys), 8)}


@given(sources(), contents, st.integers(0, 3))
@settings(max_examples=100)
def test_a_record_is_wanted_if_it_is_new_or_other_or_another_of_its_id_was_wanted_before(
    keys_are_shared: bool,
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[Block],
    good: dict[str, Data],
    cut: int,
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    ledger.acknowledge(1, [Record(*each) for each in good.items()])
    compared, expected = Comparison(ledger.comparing()), Expected(good)
    for block in blocks:
        records = [item for item in items_of([block]) if item is not None]
        looked = compared.look(block)
        edges = sorted({0, min(cut, len(records)), len(records)})
        wanted = [index for start, stop in pairwise(edges) for index in compared.wanted(looked, start, stop).tolist()]
        for index, record in enumerate(records):
            is_wanted = expected.differs(*record) or record.id in expected.passed
            assert is_wanted <= (index in wanted)
            assert keys_are_shared or (index in wanted) is is_wanted
            if is_wanted:
                expected.passed.add(record.id)
        sent = np.array(list({records[index].id: index for index in wanted}.values()), np.int64)  # of an id the last
        entries = compared.send(looked.keys[sent], looked.digests[sent], looked.entries[sent], b"")
        voids = {entries.voids[at : at + 8] for at in range(0, len(entries.voids), 8)}
        needed = {
            records[index].id
            for index in sent.tolist()
            if records[index].id in expected.sent
            or good.get(records[index].id, records[index].data) != records[index].data
        }
        assert keys_as_seen(sorted(needed)) <= voids <= keys_as_seen([records[index].id for index in sent.tolist()])
        if not keys_are_shared:
            assert voids == keys_as_seen(sorted(needed))
        expected.sent |= {records[index].id for index in sent.tolist()}


@given(sources(), contents, st.lists(st.sampled_from(IDS), max_size=3), st.lists(st.sampled_from(IDS), max_size=3))
@settings(max_examples=60)
def test_whoever_stands_in_the_source_is_present_whatever_became_of_the_row(
    keys_are_shared: bool,
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[Block],
    good: dict[str, Data],
    refused: list[str],
    filtered: list[str],
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    ledger.acknowledge(1, [Record(*each) for each in good.items()])
    compared = Comparison(ledger.comparing())
    nameless = sum(len(block.refusals) for block in blocks)
    others = block_of([])
    others.refusals = [Refusal("no data", Place("file", 1), id=each) for each in refused]
    others.refusals.append(Refusal("a footer", Place("file", 9), id=None, is_no_record=True))
    others.filtered, others.filtered_ids = [Span("file", 1, len(filtered) + 2)], filtered
    for block in [*blocks, others]:
        compared.look(block)
    present = {item.id for item in items_of(blocks) if item is not None} | {*refused, *filtered}
    held = ledger.ids()
    seen = seen_between(compared.presence.seen, 0, len(held)).tolist()
    found = {each for each, is_seen in zip(held, seen, strict=True) if is_seen}
    assert found >= present & good.keys()
    assert keys_are_shared or found <= present
    assert compared.presence.unidentified == nameless + 2
