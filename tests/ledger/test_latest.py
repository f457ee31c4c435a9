"""What is known of single ids: the same with files and with changes that wait to be merged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, strategies as st

from engine.ledger import Change, Voided, VoidedAll, acknowledged, keys_of, latest_of, merge, open_columns, removed
from engine.ledger.latest import COMPARED_ONE_BY_ONE_MAX

KEY = 11
IDS = ["a", "b", "loan 3", "ä", "12345678901234567890"]
which = st.sets(st.sampled_from(IDS), min_size=1).map(sorted)
changes = st.one_of(
    which.map(lambda some: Voided(keys_of(some, KEY))),
    st.just(VoidedAll()),
    which.map(lambda some: removed(keys_of(some, KEY), some)),
    st.tuples(which, st.integers(1, 9)).map(
        lambda given: acknowledged(
            keys_of(given[0], KEY), np.full(len(given[0]), given[1], np.uint64).tobytes(), given[0]
        )
    ),
)


@given(st.lists(changes, max_size=12), st.integers(0, 12))
def test_changes_that_wait_count_as_if_they_were_merged(some: list[Change], merged_at: int) -> None:
    numbered = list(enumerate(some, 1))
    with tempfile.TemporaryDirectory() as place:
        stem, ids = Path(place, "ledger"), Path(place, "ids")
        first = merge(None, numbered[:merged_at], stem=stem, ids=ids, ids_bytes=0)
        columns = open_columns(stem, first.generation, ids)
        found = latest_of(columns, numbered[merged_at:], IDS, KEY)
        waiting = latest_of(None, numbered, IDS, KEY)
        every = merge(None, numbered, stem=Path(place, "whole"), ids=Path(place, "whole.ids"), ids_bytes=0)
        whole = latest_of(open_columns(Path(place, "whole"), every.generation, Path(place, "whole.ids")), [], IDS, KEY)
        strangers = [f"stranger {number}" for number in range(COMPARED_ONE_BY_ONE_MAX)]
        among_many = latest_of(None, numbered, [*strangers, *IDS], KEY)
    assert found == whole
    assert waiting == whole
    assert among_many == [None] * len(strangers) + whole
