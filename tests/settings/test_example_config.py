"""`config.example.toml` documents every key with its default, and nothing that does not exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.settings.kinds import Kind
from engine.settings.loading import from_tables, load
from engine.settings.table import keys_of, tables_of
from engine.settings.tables import Settings
from engine.settings.values import Threshold, as_duration

EXAMPLE = Path(__file__).parent.parent.parent / "config.example.toml"
KEY_LINE = re.compile(r"^#?([a-z_]+) = ", re.MULTILINE)


def tables_with_everything() -> dict[str, dict[str, Any]]:
    """Return the example with every commented-out key switched on."""
    text = re.sub(r"^#([a-z_]+ = )", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tomllib.loads(text)


def kinds() -> dict[str, dict[str, Kind]]:
    return {name: keys_of(table) for name, table in tables_of(Settings).items()}


def test_it_loads_as_it_stands() -> None:
    assert load(EXAMPLE, environ={}).source.id == "loan_id"


def test_it_names_every_key_and_no_other() -> None:
    written = {table: sorted(keys) for table, keys in tables_with_everything().items()}
    assert written == {table: sorted(keys) for table, keys in kinds().items()}


def test_every_key_stands_once_below_an_explanation() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(KEY_LINE.findall(text)) == sum(map(len, kinds().values()))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if KEY_LINE.match(line):
            assert re.match(r"# \S", lines[number - 1]), f"no explanation above {line!r}"


def defaults() -> list[tuple[str, str, object]]:
    return [
        (table, key, kind.default)
        for table, keys in kinds().items()
        for key, kind in keys.items()
        if kind.default is not None and not kind.is_always_checked
    ]


@pytest.mark.parametrize(("table", "key", "default"), defaults(), ids=lambda value: str(value)[:30])
def test_a_commented_key_shows_its_default(table: str, key: str, default: object) -> None:
    written = tables_with_everything()[table][key]
    match default:
        case Path() | Threshold():
            assert written == str(default)
        case tuple():
            assert tuple(written) == default
        case float() if isinstance(written, str):
            assert as_duration(written) == default
        case _:
            assert written == default
            assert type(written) is type(default)


def test_a_database_shows_a_valid_example() -> None:
    tables, of_files = tables_with_everything(), {"path", "format", "delimiter", "quote", "escape", "encoding", "types"}
    source = {key: value for key, value in tables["source"].items() if key not in of_files}
    for left_out in ({"query", "query_file"}, {"query", "table"}, {"query_file", "table"}):
        tables["source"] = {key: value for key, value in source.items() if key not in left_out} | {"fields": ["emi"]}
        assert from_tables(tables).source.database == "postgresql://reader@db.example.com/bank"


def test_keys_without_a_default_show_a_valid_example() -> None:
    tables = tables_with_everything()
    tables["source"]["fields"] = ["emi_amount"]
    for key in ("database", "query", "query_file", "table"):
        del tables["source"][key]
    settings = from_tables(tables)
    for table, key in [("api", "proxy"), ("upload", "deadline"), ("guard", "max_shrink"), ("notify", "command")]:
        assert getattr(getattr(settings, table), key) is not None
