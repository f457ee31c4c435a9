"""Flat NDJSON as people's exports have it: the id in a column of its own, in one shape or another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import orjson

from benchmarks.portfolio import ID_COLUMN, Row

NULL_WORDS = ("N/A", "-")
"""What stands for null in one of the shapes."""

_NEVER_NULL = (ID_COLUMN, "payment_status")
"""Columns that every record has: a record without any field would be refused."""

_NAMES = ("सुनीता शर्मा", "முருகன் செல்வம்", "Asha Nair", "राजेश पाटील", "José D’Souza", "லட்சுமி")

_SEED = 15
"""Chance is the same on every machine: `Random.random` promises its sequence for all versions of Python."""


def _id_first(portfolio: Iterator[Row]) -> Iterator[bytes]:
    return map(orjson.dumps, portfolio)


def _integer_ids(portfolio: Iterator[Row]) -> Iterator[bytes]:
    for row in portfolio:
        yield orjson.dumps({**row, ID_COLUMN: int(row[ID_COLUMN].removeprefix("LN"))})


def _id_second(portfolio: Iterator[Row]) -> Iterator[bytes]:
    for row in portfolio:
        first = next(name for name in row if name != ID_COLUMN)
        yield orjson.dumps({first: row.pop(first), **row})


def _id_last(portfolio: Iterator[Row]) -> Iterator[bytes]:
    for row in portfolio:
        row[ID_COLUMN] = row.pop(ID_COLUMN)
        yield orjson.dumps(row)


def _with_nulls(share: float, nulls: tuple[Any, ...] = (None,)) -> Callable[[Iterator[Row]], Iterator[bytes]]:
    def lines(portfolio: Iterator[Row]) -> Iterator[bytes]:
        chance = Random(_SEED)
        for number, row in enumerate(portfolio):
            for name in row:
                if name not in _NEVER_NULL and chance.random() < share:
                    row[name] = nulls[number % len(nulls)]
            yield orjson.dumps(row)

    return lines


def _spaced(portfolio: Iterator[Row]) -> Iterator[bytes]:
    for row in portfolio:
        yield json.dumps(row, default=str).encode()


def _with_gaps(portfolio: Iterator[Row]) -> Iterator[bytes]:
    """Yield records of which some lack keys that others have, and some have keys that others lack."""
    chance = Random(_SEED)
    for row in portfolio:
        for name in ("emi_amount", "language", "dpd", "risk"):
            if chance.random() < 0.05:
                del row[name]
        if chance.random() < 0.03:
            row["remarks"] = "call after six"
        if chance.random() < 0.01:
            row["agent"] = {"name": "Asha", "branch": 7}
        yield orjson.dumps(row)


def _named(portfolio: Iterator[Row]) -> Iterator[Row]:
    """Yield the records with a name instead of a zone."""
    for number, row in enumerate(portfolio):
        del row["zone"]
        yield {**row, "name": _NAMES[number % len(_NAMES)]}


def _non_ascii(portfolio: Iterator[Row]) -> Iterator[bytes]:
    return map(orjson.dumps, _named(portfolio))


def _escaped(portfolio: Iterator[Row]) -> Iterator[bytes]:
    """Yield what pandas and `json.dumps` make of names: ASCII alone, with escapes."""
    for row in _named(portfolio):
        yield json.dumps(row, default=str, separators=(",", ":")).encode()


FLAT_LINES: dict[str, Callable[[Iterator[Row]], Iterator[bytes]]] = {
    "id-first": _id_first,
    "integer-ids": _integer_ids,
    "id-second": _id_second,
    "id-last": _id_last,
    "few-nulls": _with_nulls(0.02),
    "many-nulls": _with_nulls(1 / 3),
    "null-words": _with_nulls(0.02, NULL_WORDS),
    "spaced": _spaced,
    "gaps": _with_gaps,
    "non-ascii": _non_ascii,
    "escaped": _escaped,
}
"""From records to lines, without their ends, by the name of the shape."""
