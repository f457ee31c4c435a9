"""Counting with changes that are not merged yet comes to what merging them comes to."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies as st

from engine.ledger import Change, Voided, VoidedAll, acknowledged, keys_of, merge, open_columns, removed, tally

KEY = 7
IDS = [f"L{number}" for number in range(12)]

some_ids = st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=6)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("acknowledged"), some_ids),
        st.tuples(st.just("voided"), some_ids),
        st.tuples(st.just("removed"), some_ids),
        st.tuples(st.just("all voided"), st.just(list[str]())),
    ),
    max_size=8,
)


def change_of(kind: str, ids: list[str]) -> Change:
    keys = keys_of(ids, KEY)
    change = {
        "acknowledged": acknowledged(keys, b"\7" * 8 * len(ids), ids),
        "voided": Voided(keys),
        "removed": removed(keys, ids),
        "all voided": VoidedAll(),
    }[kind]
    assert change is not None
    return change


@settings(deadline=None, max_examples=60)
@given(changes, changes)
def test_it_is_what_merging_comes_to(merged: list[tuple[str, list[str]]], waiting: list[tuple[str, list[str]]]) -> None:
    with TemporaryDirectory() as where:
        stem, ids = Path(where, "ledger"), Path(where, "ids")
        first = merge(None, [(1, change_of(*each)) for each in merged], stem=stem, ids=ids, ids_bytes=0)
        base = open_columns(stem, first.generation, ids)
        left = [change_of(*each) for each in waiting]
        found = tally(base, left)
        second = merge(base, [(2, each) for each in left], stem=stem, ids=ids, ids_bytes=first.ids_bytes)
        assert (found.ids, found.good) == (second.header.records, second.header.valid)


def test_without_files_there_is_what_has_changed() -> None:
    assert tally(None, []) == (0, 0)
    kinds = [("acknowledged", IDS[:5]), ("voided", IDS[:1]), ("removed", IDS[1:3])]
    assert tally(None, [change_of(*each) for each in kinds]) == (3, 2)
