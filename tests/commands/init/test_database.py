"""`init` looks at a database: its columns, its types, and which of them could be the id."""

from __future__ import annotations

import sqlite3
import tomllib
from pathlib import Path

import pytest

from engine.commands.cli import main
from engine.commands.init.command import render
from engine.commands.init.database import survey_database
from engine.commands.init.proposal import propose
from engine.report.report import Report
from engine.sources.databases.address import DatabaseQuery
from engine.values.errors import ConfigError, SourceMissing


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE loans (loan_id TEXT, emi REAL)")
        connection.executemany("INSERT INTO loans VALUES (?, ?)", [(f"loan_{i}", i / 2) for i in range(20)])
        connection.execute("CREATE TABLE no_loans (loan_id TEXT)")
    return path


def test_a_table_is_looked_at_and_named(bank: Path) -> None:
    text = render(propose(survey_database(DatabaseQuery(f"sqlite:///{bank}", table="loans"))), "c")
    source = tomllib.loads(text)["source"]
    assert (source["database"], source["table"], source["id"]) == (f"sqlite:///{bank}", "loans", "loan_id")
    assert "path" not in source


def test_a_query_is_kept_as_it_was_asked(bank: Path) -> None:
    query = "SELECT loan_id, emi FROM loans\nWHERE emi > 1"
    text = render(propose(survey_database(DatabaseQuery(f"sqlite:///{bank}", query=query))), "c")
    assert tomllib.loads(text)["source"]["query"] == query


def test_an_empty_table_is_no_source(bank: Path) -> None:
    with pytest.raises(SourceMissing, match="holds no record"):
        survey_database(DatabaseQuery(f"sqlite:///{bank}", table="no_loans"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sqlite:///{bank}"], "one table"),
        (["sqlite:///{bank}", "--table", "a", "--query", "b"], "one table"),
        (["{bank}", "--table", "loans"], "for the url of a database"),
        (["postgresql://user:canary@host/bank", "--table", "loans"], "must not hold a password"),
    ],
)
def test_what_cannot_be_looked_at(bank: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        main(["init", *[argument.format(bank=bank) for argument in arguments]], no_run)
    assert "canary" not in str(raised.value)


def no_run(*_: object) -> Report:
    raise AssertionError("no run is made")
