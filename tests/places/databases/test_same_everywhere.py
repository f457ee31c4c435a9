"""The same portfolio in all places gives the same lines, to the last digit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.sources.databases.address import DatabaseQuery
from engine.sources.spec import SourceSpec
from engine.sources.stored.local import LocalStore
from tests.places.databases.mariadb import MariaDb
from tests.places.databases.postgres import PASSWORD, Postgres
from tests.places.databases.reading import lines_in, lines_of

COLUMNS = "id VARCHAR(20), emi DECIMAL(12, 2), rate {double}, days BIGINT, due DATE, note VARCHAR(100), seen {moment}"
ROWS = [
    "('a', 12.50, 0.1, 9223372036854775807, '2026-11-05', 'ä \"quoted\"', '2026-11-05 04:30:00')",
    "('b', -0.01, 1e20, -1, '0001-01-01', '', '2026-11-05 04:30:00.000001')",
    "('c', 9999999999.99, 5e-324, 0, '9999-12-31', NULL, NULL)",
    "('d', NULL, 123456789.125, NULL, NULL, 'x', '2000-02-29 23:59:59.999999')",
]
INSERTS = [f"INSERT INTO same VALUES {row}" for row in ROWS]


def create(double: str, moment: str) -> str:
    return f"CREATE TABLE same ({COLUMNS.format(double=double, moment=moment)})"


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """What the same rows are in a Parquet file."""
    moments = [datetime(2026, 11, 5, 4, 30, tzinfo=UTC), datetime(2026, 11, 5, 4, 30, 0, 1, UTC)]
    table = pa.table(
        {
            "id": ["a", "b", "c", "d"],
            "emi": pa.array([Decimal("12.50"), Decimal("-0.01"), Decimal("9999999999.99"), None], pa.decimal128(12, 2)),
            "rate": [0.1, 1e20, 5e-324, 123456789.125],
            "days": [9223372036854775807, -1, 0, None],
            "due": pa.array([date(2026, 11, 5), date(1, 1, 1), date(9999, 12, 31), None]),
            "note": ['ä "quoted"', "", None, "x"],
            "seen": pa.array(
                [*moments, None, datetime(2000, 2, 29, 23, 59, 59, 999999, UTC)], pa.timestamp("us", "UTC")
            ),
        }
    )
    parquet.write_table(table, tmp_path / "same.parquet")
    [file] = LocalStore().list(str(tmp_path / "same.parquet"))
    return lines_in(file, SourceSpec((file.path,), format="parquet", id="id"))[0]


@pytest.fixture
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


def test_postgresql(postgres: Postgres, lines: list[str], tmp_path: Path) -> None:
    postgres.execute("DROP TABLE IF EXISTS same", create("DOUBLE PRECISION", "TIMESTAMPTZ"))
    postgres.execute(*in_utc(INSERTS))
    assert lines_of(DatabaseQuery(postgres.url, table="same"), tmp_path / "spool", PASSWORD) == (lines, [])


def in_utc(inserts: list[str]) -> list[str]:
    """Moments with their zone."""
    return [insert.removesuffix("')") + "+00')" if insert.endswith("')") else insert for insert in inserts]


def test_mariadb(mariadb: MariaDb, lines: list[str], tmp_path: Path) -> None:
    mariadb.execute("SET time_zone = '+00:00'", create("DOUBLE", "TIMESTAMP(6) NULL"), *INSERTS)
    assert lines_of(DatabaseQuery(mariadb.url, table="same"), tmp_path / "spool", PASSWORD) == (lines, [])


def test_duckdb(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "same.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in (create("DOUBLE", "TIMESTAMPTZ"), *in_utc(INSERTS)):
            connection.execute(statement)
    assert lines_of(DatabaseQuery(f"duckdb:///{path}", table="same"), tmp_path / "spool", None) == (lines, [])


def test_sqlite_has_neither_decimals_nor_moments(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "same.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE same (id, emi TEXT, rate REAL, days INTEGER, due TEXT, note TEXT, seen TEXT)")
        for insert in INSERTS:
            connection.execute(insert)
    query = "SELECT id, rate, days, due, note FROM same"
    found, _ = lines_of(DatabaseQuery(f"sqlite:///{path}", query=query), tmp_path / "spool", None)
    spec = SourceSpec((str(tmp_path / "same.parquet"),), format="parquet", id="id", exclude=frozenset({"emi", "seen"}))
    [file] = LocalStore().list(str(tmp_path / "same.parquet"))
    assert found == lines_in(file, spec)[0]
