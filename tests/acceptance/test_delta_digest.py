"""What is a change and what is none: every kind of value, every border between fields, names and ids."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.acceptance.nights import MakeEngine, night, server_has, with_delta
from tests.acceptance.portfolios import Portfolio

pytestmark = pytest.mark.nights


ABSENT = object()
VALUES = [
    *(ABSENT, None, "", "null", 0, -0.0, 0.0, "0", False, "false", 1, 1.0, True, "1", "1.0", "true", " 1", 10, 1e22),
    *("a", "A", "ä", "a\u0308", "a ", "a\u0000", [], [1], ["1"], [[1]], [1, 2], [2, 1], {}, {"a": 1}, {"a": None}),
]
"""Values of which no two are the same, though some are to Python, in other formats, or to a careless digest."""

BORDERS: list[dict[str, Any]] = [
    {"a": "bc", "x": "y"},
    {"ab": "c", "x": "y"},
    {"a": "b", "c": "", "x": "y"},
    {"a": "y", "x": "bc"},
    {"x": "bc", "a": "yy"},
    {"a": {"bc": "x"}},
    {"a": {"bc": "x"}, "y": None},
    {"a": {"bc": "x", "y": None}},
    {"a": 'bc","x":"y'},
    {"a": "bc", "b": "bc"},
    {"a": "bc", "b": "cb"},
    {"a": "cb", "b": "bc"},
    {"a": "bcbc"},
    {"a": 1, "b": 23},
    {"a": 12, "b": 3},
    {"a": [1, 2], "b": [3]},
    {"a": [1], "b": [2, 3]},
    {"a": 1},
    {"A": 1},
    {"a\u0301": 1},
    {"á": 1},
]
"""Data whose names and values are nearly the same when they are put one behind the other."""


def data_of(value: object) -> dict[str, Any]:
    return {"kept": 0} if value is ABSENT else {"kept": 0, "value": value}


def pairs_of(kinds: list[dict[str, Any]]) -> tuple[Portfolio, Portfolio]:
    """Return two exports in which some loan has each of these data after each other one."""
    pairs = list(permutations(kinds, 2))
    before, after = ({f"loan_{n}": pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    return before, after


def check_all_are_told_apart(kinds: list[dict[str, Any]], make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), upload={"batch_size": 10_000})
    before, after = pairs_of(kinds)
    night(engine, before)
    assert night(engine).counts == {"read": len(before), "unchanged": len(before)}
    assert night(engine, after).counts == {"read": len(after), "updated": len(after)}
    assert server_has(engine, after)


def test_every_kind_of_value_is_told_apart_from_every_other(make_engine: MakeEngine) -> None:
    check_all_are_told_apart([data_of(value) for value in VALUES], make_engine)


def test_every_border_between_names_and_values_is_told_apart(make_engine: MakeEngine) -> None:
    check_all_are_told_apart(BORDERS, make_engine)


def test_ids_that_share_their_values_are_told_apart(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    ids = ["1", "01", "1 ", "1.0", "11", "a", "A", "ä", "a\u0308", "x" * 10_000, '"', "\\", "\u0000", "😀"]
    export: Portfolio = {}
    for id_ in ids:
        export[id_] = {"a": 1}
        assert night(engine, export).counts.get("updated") == 1, id_
    assert server_has(engine, export)


def test_the_order_of_fields_does_not_count_but_that_within_a_value_does(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    export: Portfolio = {"loan_1": {"a": 1, "b": "2"}, "loan_2": {"a": {"x": 1, "y": 2}, "b": [1, 2]}}
    turned: Portfolio = {"loan_1": {"b": "2", "a": 1}, "loan_2": {"a": {"y": 2, "x": 1}, "b": [1, 2]}}
    night(engine, export)
    assert night(engine, turned).counts == {"read": 2, "unchanged": 1, "updated": 1}
    assert server_has(engine, turned)


def test_spaces_between_values_do_not_hide_a_change(make_engine: MakeEngine) -> None:
    """Whether other spaces are a change is the engine's to say; another value behind them is one."""
    engine = with_delta(make_engine())
    path = engine.home / "loans.ndjson"
    for line in (
        '{"id":"x","data":{"a":"b c"}}',
        '{"id":"x","data":{ "a" : "bc" }}',
        '{ "id":"x","data":{"a":"b  c"}}',
    ):
        path.write_text(line + "\n")
        assert night(engine).counts == {"read": 1, "updated": 1}
    assert server_has(engine, {"x": {"a": "b  c"}})
