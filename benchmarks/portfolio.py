"""The records of the benchmarks' inputs: portfolios of 8 columns, every value following from the number of its row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

ID_COLUMN = "loan_id"

Row = dict[str, Any]

_ID_STEP, _ID_RANGE = 61_803_399, 100_000_000
"""Ids step through their range by a number without a common factor, so that neighbours are far apart and all differ."""


def rows(records: int, *, sorted_ids: bool = False) -> Iterator[Row]:
    """Yield so many records, id first."""
    first_due = date(2026, 12, 1)
    due_dates = [first_due + timedelta(days=day) for day in range(28)]
    for row in range(records):
        yield {
            ID_COLUMN: id_of(row, sorted_ids=sorted_ids),
            "emi_amount": (row * 7_919 % 900_000 + 100_000)
            * 0.01,  # with the noise of computed numbers: 1871.0900000000001
            "emi_due_date": due_dates[row % 28],
            "payment_status": ("due", "paid", "overdue", "partial")[row * 31 % 4],
            "language": ("hi", "en", "ta", "te", "mr")[row * 17 % 5],
            "dpd": row * 13 % 97,
            "zone": ("N1", "N2", "S1", "S2", "E1", "W1")[row * 7 % 6],
            "risk": row * 37 % 100 * 0.01,
        }


def id_of(row: int, *, sorted_ids: bool = False) -> str:
    """Return the id of the record in a row, counted from 0."""
    number = row if sorted_ids else row * _ID_STEP % _ID_RANGE
    return f"LN{number:08}"


CHANGED_EVERY, GONE_EVERY, NEW_PER = 50, 200, 200
"""Of the next night's portfolio: 2 % changed, 0.5 % gone, 0.5 % new."""

_FIRST_CHANGED, _FIRST_GONE = 7, 3


def next_night(records: int, *, sorted_ids: bool = False) -> Iterator[Row]:
    """Yield what the next export holds of so many records: changes all over it, and what is new at its end."""
    for number, row in enumerate(rows(records + new_next_night(records), sorted_ids=sorted_ids)):
        if number < records:
            if number % GONE_EVERY == _FIRST_GONE:
                continue
            if number % CHANGED_EVERY == _FIRST_CHANGED:
                row["dpd"] += 1
        yield row


def new_next_night(records: int) -> int:
    """Return how many records are new in the next export; one at least."""
    return -(-records // NEW_PER)


def changed_next_night(records: int) -> int:
    """Return how many of so many records have changed in the next export."""
    return len(range(_FIRST_CHANGED, records, CHANGED_EVERY))


def gone_next_night(records: int) -> int:
    """Return how many of so many records the next export holds no more."""
    return len(range(_FIRST_GONE, records, GONE_EVERY))


def with_a_fifth_null(portfolio: Iterator[Row]) -> Iterator[Row]:
    """Yield the records with a fifth of the values of three columns missing, in many combinations."""
    for number, row in enumerate(portfolio):
        for place, name in enumerate(("emi_amount", "payment_status", "risk")):
            if number // 5**place % 5 == place:
                row[name] = None
        yield row
