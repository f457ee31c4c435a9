"""The keys of a database: one question, no files beside it, and where its password comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.settings.loading import from_tables, load
from engine.settings.source import SourceTable
from engine.values.errors import ConfigError

URL = "postgresql://reader@db.example.com/bank"


def source(**keys: Any) -> SourceTable:
    return from_tables({"api": {"campaign_id": "c"}, "source": {"database": URL, "id": "loan_id"} | keys}).source


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"source\.table: missing"),
        ({"table": "a", "query": "SELECT 1"}, r"source\.table: does not go with source\.query"),
        ({"query": "SELECT 1", "query_file": "a.sql"}, r"source\.query_file: does not go with source\.query"),
        ({"table": "a", "path": "a.csv"}, r"source\.path: does not go with source\.database"),
        ({"table": "a", "format": "csv"}, r"source\.format: is for files"),
        ({"table": "a", "delimiter": ";"}, r"source\.delimiter: is for CSV"),
        ({"table": "a", "encoding": "latin-1"}, r"source\.encoding: is for files"),
        ({"table": "a", "types": {"b": "integer"}}, r"source\.types: is for CSV"),
        ({"table": "a", "id": None}, r"source\.id: missing"),
        ({"query": "  "}, r"source\.query: must not be empty"),
        ({"table": "a", "database": "postgresql://u:canary@h/d"}, r"source\.database: must not hold a password"),
        ({"database": None, "table": "a", "path": "a.csv"}, r"source\.table: is asked of a database"),
    ],
)
def test_what_does_not_go_together(keys: dict[str, Any], message: str) -> None:
    given = {"database": URL, "id": "loan_id"} | keys
    tables = {"api": {"campaign_id": "c"}, "source": {key: value for key, value in given.items() if value is not None}}
    with pytest.raises(ConfigError, match=message) as raised:
        from_tables(tables)
    assert "canary" not in str(raised.value)


def test_a_query_in_a_file_is_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "loans.sql"
    path.write_text("SELECT 1 AS loan_id", encoding="utf-8")
    by_file, by_text = source(query_file=str(path)), source(query="SELECT 1 AS loan_id")
    assert by_file.identity() == by_text.identity()
    assert by_file.spec().paths == (f"{URL} (query {path})",)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_file_without_a_query_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "loans.sql"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"source\.query_file: '.*loans\.sql' (cannot be read|is empty|is not UTF-8)"):
        source(query_file=str(path)).spec()


def test_the_password_stands_in_a_variable_and_in_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    table = source(table="loans", password_env="BANK_PASSWORD")
    assert table.password() is None
    monkeypatch.setenv("BANK_PASSWORD", "canary")
    assert table.password() == "canary"
    assert "canary" not in repr(table) + str(table.identity())


def test_a_variable_of_a_password_may_be_called_like_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    keys = f'database = "{URL}"\ntable = "loans"\nid = "loan_id"\npassword_env = "ENGINE_SOURCE_PASSWORD"\n'
    path.write_text(f'[api]\ncampaign_id = "c"\n[source]\n{keys}', encoding="utf-8")
    assert load(path, environ={"ENGINE_SOURCE_PASSWORD": "canary"}).source.password_env == "ENGINE_SOURCE_PASSWORD"


def test_a_feed_is_called_by_the_table() -> None:
    assert source(table="loans").feed() == f"{URL} loans"
