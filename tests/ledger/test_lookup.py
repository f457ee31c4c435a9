"""Which entry has a key: the accelerator, arrays and a search one by one say the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine.ledger import Columns, acceleration
from engine.ledger.columns import DROPPED_BITS, KEY_BITS, key_type
from engine.ledger.lookup import (
    KeysBefore,
    Seen,
    digests_in_arrays,
    digests_of_entries,
    find,
    find_in_arrays,
    seen_between,
)

Numbers = np.ndarray[Any, np.dtype[np.uint64]]

keys = st.integers(0, (1 << 64) - 1) | st.integers(0, 7).map(lambda number: number << 61 | number << 12)
"""Any, and some that lie close to each other, in different buckets."""


class InMemory(SimpleNamespace):
    """Columns that are in no files, of these keys."""

    def __len__(self) -> int:
        return len(self.keys)


def columns_of(some: list[int], bucket_bits: int) -> Columns:
    low_bits = KEY_BITS - bucket_bits
    short = np.sort(np.array(some, np.uint64) >> DROPPED_BITS)
    filled = np.bincount((short >> np.uint64(low_bits)).astype(np.int64), minlength=1 << bucket_bits)
    low = (short & np.uint64((1 << low_bits) - 1)).astype(key_type(bucket_bits))
    header = SimpleNamespace(low_bits=low_bits, bucket_max=int(filled.max()))
    edges = np.append(0, np.cumsum(filled)).astype(np.uint32)
    return cast(Columns, InMemory(keys=low, edges=edges, header=header))


@pytest.mark.parametrize("bucket_bits", [0, 1, 19, 20])
@given(st.lists(keys, min_size=1, max_size=200), st.lists(keys, max_size=200))
def test_the_first_entry_of_a_key_is_found(bucket_bits: int, held: list[int], others: list[int]) -> None:
    columns = columns_of(held, bucket_bits)
    wanted = [*held, *others]
    order = sorted(each >> int(DROPPED_BITS) for each in held)
    expected = [order.index(short) if (short := each >> int(DROPPED_BITS)) in order else -1 for each in wanted]
    numbers = np.array(wanted, np.uint64)
    assert find_in_arrays(columns, numbers).tolist() == expected
    assert find(columns, numbers).tolist() == expected
    assert find(columns, np.repeat(numbers, 2)[::2]).tolist() == expected


def test_what_are_no_columns_is_refused() -> None:
    if acceleration.accelerator is None:
        pytest.skip(acceleration.why_pure)
    columns, some = columns_of([1 << 63], 4), np.array([1], np.uint64)
    good = (columns.edges, columns.keys, KEY_BITS - 4, some, np.empty(1, np.int64))
    for place, bad in ((0, columns.edges[:-1]), (0, b""), (2, 0), (2, KEY_BITS + 1), (4, np.empty(2, np.int64))):
        with pytest.raises(ValueError, match="these are no columns of a ledger"):
            acceleration.accelerator.find(*good[:place], bad, *good[place + 1 :])


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=150), st.data())
def test_digests_of_entries_are_those_of_the_column(digests: list[int], data: st.DataObject) -> None:
    entries = data.draw(st.lists(st.integers(-1, len(digests) - 1), max_size=200))
    columns = cast(Columns, InMemory(keys=digests, digests=np.array(digests, np.uint64)))
    expected = [digests[entry] if entry >= 0 else 0 for entry in entries]
    assert digests_of_entries(columns, np.array(entries, np.int64)).tolist() == expected
    assert digests_in_arrays(columns, np.array(entries, np.int64)).tolist() == expected


def test_what_the_accelerator_is_not_given_room_for_is_refused() -> None:
    if acceleration.accelerator is None:
        pytest.skip(acceleration.why_pure)
    column, entries = np.arange(3, dtype=np.uint64), np.arange(3)
    for room in (np.empty(2, np.uint64), np.empty(4, np.uint64)):
        with pytest.raises(ValueError, match="there is not one for each entry"):
            acceleration.accelerator.take(column, entries, room)
        with pytest.raises(ValueError, match="there is not one for each entry"):
            acceleration.accelerator.look(np.zeros(1, np.uint8), entries, room, True)
    beyond, room = np.array([3, 1 << 62, -(1 << 63), 2]), np.empty(4, np.uint64)
    acceleration.accelerator.take(column, beyond, room)
    assert room.tolist() == [0, 0, 0, 2]


@given(st.lists(st.lists(st.integers(-1, 40), max_size=30), max_size=4))
def test_who_is_added_hears_whether_it_was_there_before(some: list[list[int]]) -> None:
    seen, in_arrays, known = Seen(41), Seen(41), set[int]()
    for entries in some:
        numbers = np.array(entries, np.int64)
        expected = [entry in known or entry in entries[:at] for at, entry in enumerate(entries)]
        expected = [was and entry >= 0 for was, entry in zip(expected, entries, strict=True)]
        assert seen.add(numbers).tolist() == expected
        assert in_arrays.look_in_arrays(numbers, adds=True).tolist() == expected
        assert bytes(seen) == bytes(in_arrays)
        known |= set(entries)


@given(st.lists(st.integers(-1, 40), max_size=60), st.integers(0, 41), st.integers(0, 41))
def test_entries_that_were_seen_are_remembered(some: list[int], start: int, stop: int) -> None:
    seen = Seen(41)
    seen.add(np.array(some, np.int64))
    expected = [entry in some for entry in range(41)]
    assert seen.has(np.arange(41)).tolist() == expected
    assert not seen.has(np.array([-1]))[0]
    assert seen.look_in_arrays(np.arange(-1, 41), adds=False).tolist() == [False, *expected]
    assert seen_between(bytes(seen), start, max(start, stop)).tolist() == expected[start : max(start, stop)]


def test_keys_that_came_before_are_remembered_and_hardly_any_others() -> None:
    before, rng = KeysBefore(), np.random.default_rng(7)
    known, others = (rng.integers(0, 1 << 63, 20_000, np.uint64) for _ in range(2))
    assert not before.may_have(known).any()
    before.add(known)
    assert before.may_have(known).all()
    assert before.may_have(others).sum() < 3
