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


def column_of(name: str, *values: object) -> ColumnSurvey:
    column = ColumnSurvey(name)
    for value in values:
        column.add(str(value))
    return column


def test_what_mostly_repeats_is_no_id_whatever_its_name() -> None:
    groups = column_of("loan_id", *[number % 4 for number in range(40)])
    accounts = column_of("account", *range(40))
    corrected = column_of("lead_id", *range(35), *range(5))  # the last record of an id wins: it is the id all the same
    assert rank_ids([groups, accounts]) == [accounts, groups]
    assert rank_ids([groups, accounts, corrected]) == [corrected, accounts, groups]
