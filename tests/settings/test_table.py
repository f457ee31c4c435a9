"""Tables: typed keys, read in their order, every mistake kept, and written as they always were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from engine.settings.kinds import ALWAYS, SECRET, Bounds, MistakeAt, Mistakes
from engine.settings.source import SourceTable
from engine.settings.table import MISSING, UNKNOWN, Context, Table, Text, check


class Inner(Table):
    size: Annotated[int, Bounds(at_least=1)] = 1


class Example(Table):
    name: Text
    word: Literal["on", "off"] = "on"
    many: dict[Text, Inner] = {}  # noqa: RUF012 - a Table is immutable
    either: Literal["all"] | dict[str, str] = "all"
    share: float | None = None
    key: Annotated[str | None, SECRET, ALWAYS] = None

    @check("key")
    @staticmethod
    def _goes_with_a_word(value: str | None, context: Context) -> str | None:
        if value is None and context.earlier.get("word") == "off":
            raise MistakeAt(("word",), "needs a key")
        return value


def mistakes(given: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValueError) as caught:
        Example.read(given)
    found = caught.value.found if isinstance(caught.value, Mistakes) else [((), str(caught.value))]
    return [(".".join(where), what) for where, what in found]


def test_a_table_is_read_and_cannot_be_changed() -> None:
    table = Example.read({"name": "a", "many": {"x": {"size": 3}}, "share": 2, "key": "canary"})
    assert (table.name, table.word, table.many["x"].size, table.share) == ("a", "on", 3, 2.0)
    assert type(table.share) is float
    assert "canary" not in repr(table)
    assert Example.read(table) is table
    with pytest.raises(AttributeError):
        table.name = "b"  # type: ignore[misc]  # what the test is about
    changed = table.changed(name="b")
    assert (changed.name, changed.key, table.name) == ("b", "canary", "a")
    assert table.as_plain(without=frozenset(["key"])) == {
        "name": "a",
        "word": "on",
        "many": {"x": {"size": 3}},
        "either": "all",
        "share": 2.0,
    }


def test_one_that_is_made_needs_its_keys_and_no_other() -> None:
    with pytest.raises(TypeError, match="name"):
        Example()  # type: ignore[call-arg]  # what the test is about
    with pytest.raises(TypeError, match="nmae"):
        Example(name="a", nmae="b")  # type: ignore[call-arg]  # what the test is about


def test_all_mistakes_are_found_at_once_each_where_it_is() -> None:
    given = {"word": "canary", "many": {"x": {"size": 0, "colour": 1}, "": {"size": True}}, "share": "1", "either": 5}
    assert mistakes(given) == [
        ("name", MISSING),
        ("word", 'must be one of "on" or "off"'),
        ("many.x.size", "must be at least 1"),
        ("many.x.colour", UNKNOWN),
        ("many", "has a name that must not be empty"),
        ("many..size", "must be a whole number, not a boolean"),
        ("either", 'must be "all"'),
        ("share", "must be a number, not text"),
    ]


@pytest.mark.parametrize(
    ("given", "where", "what"),
    [
        (7, "", "must be a table, not a whole number"),
        ({"name": "a", "word": "off"}, "word", "needs a key"),
        ({"name": "a", "share": 10**400}, "share", "must be a finite number"),
        ({"name": "a", "either": {"x": 1}}, "either.x", "must be text in quotes, not a whole number"),
        ({"name": "a", 5: 1}, "5", UNKNOWN),
    ],
)
def test_one_mistake(given: Any, where: str, what: str) -> None:
    assert mistakes(given) == [(where, what)]


def test_what_decides_whether_a_run_goes_on_is_written_as_in_every_version() -> None:
    source = SourceTable.read(
        {
            "path": ["a.csv", "b.csv"],
            "id": "loan_id",
            "rename": {"a": "b"},
            "columns": {"c": {"thousands": ",", "map": {"1": True}}},
            "where": {"open": True},
            "key_file": "k",
        }
    )
    of_column: dict[str, object] = {
        **{"field": None, "null_values": [], "trim": False, "strip": "", "decimal": ".", "thousands": ","},
        **{"date_format": None, "true": [], "false": [], "map": {"1": True}, "default": None, "type": "number"},
    }
    usual: dict[str, object] = {
        **dict.fromkeys(("database", "query", "table", "endpoint", "region", "format", "delimiter", "quote", "escape")),
        **dict.fromkeys(("encoding", "id", "fields")),
        **{"path": [], "exclude": [], "rename": {}, "types": {}, "columns": {}, "constants": {}, "where": {}},
        **{"null_values": [], "nulls": "omit"},
    }
    assert SourceTable.default_identity() == usual
    assert source.identity() == usual | {
        "path": ["a.csv", "b.csv"],
        "id": "loan_id",
        "rename": {"a": "b"},
        "columns": {"c": of_column},
        "where": {"open": ["true"]},
    }


def test_a_path_is_written_as_text() -> None:
    class Paths(Table):
        dir: Path = Path("x")

    assert Paths().as_plain() == {"dir": "x"}
