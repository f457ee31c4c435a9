"""Urls of databases: what is taken, what is refused, and that no secret of theirs is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sources.databases.address import DatabaseQuery, check_url, file_of
from engine.values.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader@db.example.com/bank",
        "postgres://reader@[::1]:5432/bank?sslmode=verify-full",
        "postgresql://reader@one:5432,two:5432/bank",
        "postgresql:///?service=bank",
        "mariadb://reader@localhost/bank",
        "sqlite:///bank.db",
        "duckdb:////srv/bank.duckdb",
    ],
)
def test_a_url_is_taken_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://reader:canary@host/bank", "must not hold a password"),
        ("postgresql://reader@host/bank?password=canary", "must not hold a password"),
        ("mysql://reader:canary@host:port/bank", "is no url|password"),
        ("bank.db", "must be the url of a database"),
        ("redis://canary@host/0", "must be the url of a database"),
        ("postgresql://reader@host", "must name the database"),
        ("sqlite://", "must name a file"),
        ("mysql://reader@host:canary/bank", "is no url"),
    ],
)
def test_what_is_refused_is_not_repeated(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        check_url(url)
    assert "canary" not in str(raised.value)


def test_a_file_is_named_from_here_or_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rooted = tmp_path / "bank.db"
    assert file_of(f"sqlite:///{tmp_path}/bank.db") == rooted
    assert file_of("sqlite:///bank.db") == Path("bank.db")
    rooted.touch()
    assert file_of("sqlite://" + str(rooted)) == rooted
    assert file_of("sqlite:///with%20space.db") == Path("with space.db")


def test_a_file_that_could_be_two_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rooted = tmp_path / "bank.db"
    rooted.touch()
    here = tmp_path / str(rooted).lstrip("/")
    here.parent.mkdir(parents=True)
    here.touch()
    with pytest.raises(ConfigError, match="four slashes"):
        file_of("sqlite://" + str(rooted))


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("loans", 'SELECT * FROM "loans"'),
        ("public.Loans", 'SELECT * FROM "public"."Loans"'),
        ('"a.b"', 'SELECT * FROM "a.b"'),
        ('bank."odd ""name"', 'SELECT * FROM "bank"."odd ""name"'),
    ],
)
def test_a_table_is_named_exactly(table: str, statement: str) -> None:
    assert DatabaseQuery("postgresql://h/d", table=table).statement() == statement


@pytest.mark.parametrize("table", ["a..b", ".a", 'a"b', '"a'])
def test_what_is_no_name_of_a_table(table: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.table"):
        DatabaseQuery("postgresql://h/d", table=table).statement()


def test_a_query_loses_its_semicolon_and_nothing_else() -> None:
    asked = DatabaseQuery("postgresql://h/d", query=" SELECT ';' AS a ;\n")
    assert asked.statement() == "SELECT ';' AS a"


def test_feeds_differ_by_what_is_asked_not_by_where_it_is_written() -> None:
    by_text = DatabaseQuery("postgresql://h/d", query="SELECT 1")
    by_file = DatabaseQuery("postgresql://h/d", query="SELECT 1", query_file="a.sql")
    assert by_text.feed == by_file.feed != DatabaseQuery("postgresql://h/d", query="SELECT 2").feed
    assert by_file.label == "postgresql://h/d (query a.sql)"
