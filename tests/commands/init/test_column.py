"""What `init` finds in one column."""

from __future__ import annotations

from hypothesis import given, strategies as st

from engine.commands.init.column import ColumnSurvey, plain_name, rank_ids
from engine.sources import ColumnShape


def test_names_made_plain() -> None:
    assert [plain_name(name) for name in ("Loan ID", "loanId", "LOAN-ID ", "loan_id")] == ["loan_id"] * 4


@given(st.lists(st.text(max_size=3), min_size=1, max_size=50))
def test_uniqueness_is_exact(values: list[str]) -> None:
    column = ColumnSurvey("x")
    for value in values:
        column.add(value)
    assert column.is_unique == (all(map(str.strip, values)) and len(set(values)) == len(values))
    assert rank_ids([column]) == [column]


@given(st.lists(st.integers(-(10**14), 10**14), min_size=1))
def test_integers_are_seen_as_such(numbers: list[int]) -> None:
    column = ColumnSurvey("amount")
    for number in numbers:
        column.add(str(number))
    assert column.guess is not None
    assert column.guess.shape == ColumnShape(type="integer")
    column.add("007")
    assert column.guess is None
