"""Nights from each database; see `night_contract`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest

from tests.places.databases.mariadb import MariaDb
from tests.places.databases.postgres import ADMIN_PASSWORD, PASSWORD, Postgres
from tests.places.databases.proxy import Proxy
from tests.places.night_contract import Loan, NightPlace, TestNights, in_zone, texts_of
from tests.places.night_files import arrow_of

__all__ = ["TestNights"]

HELD_AFTER_BYTES = 300_000
COLUMNS = "id VARCHAR(40), emi {decimal}, rate {double}, days BIGINT, due DATE, note {text}, seen {moment}"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


@pytest.fixture(params=["postgresql", "mariadb", "duckdb", "sqlite"])
def night(request: pytest.FixtureRequest, tmp_path: Path) -> NightPlace:
    return PLACES[request.param](request, tmp_path)


def of_postgresql(request: pytest.FixtureRequest, _: Path) -> NightPlace:
    server: Postgres = request.getfixturevalue("postgres")

    def put(rows: Sequence[Loan]) -> None:
        columns = COLUMNS.format(decimal="NUMERIC(12, 2)", double="DOUBLE PRECISION", text="TEXT", moment="TIMESTAMPTZ")
        server.execute("DROP TABLE IF EXISTS nights", f"CREATE TABLE nights ({columns})")
        url = server._url("admin", "bank")
        with (
            psycopg.connect(url, password=ADMIN_PASSWORD, autocommit=True) as connection,
            connection.cursor() as cursor,
            cursor.copy("COPY nights FROM STDIN") as copy,
        ):
            for loan in rows:
                copy.write_row(loan._replace(seen=in_zone(loan.seen)))

    return served(server.url, server.url_by, server.port, put)


def of_mariadb(request: pytest.FixtureRequest, _: Path) -> NightPlace:
    server: MariaDb = request.getfixturevalue("mariadb")

    def put(rows: Sequence[Loan]) -> None:
        columns = COLUMNS.format(decimal="DECIMAL(12, 2)", double="DOUBLE", text="TEXT", moment="TIMESTAMP(6) NULL")
        server.execute("DROP TABLE IF EXISTS nights", f"CREATE TABLE nights ({columns})")
        with pymysql.connect(
            host="127.0.0.1", port=server.port, user="admin", password=ADMIN_PASSWORD, database="bank", autocommit=True
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            cursor.execute("SET time_zone = '+00:00'")
            cursor.executemany(f"INSERT INTO nights VALUES ({','.join(['%s'] * 7)})", rows)

    return served(server.url, server.url_by, server.port, put)


def served(url: str, url_by: Callable[[int], str], port: int, put: Callable[[Sequence[Loan]], None]) -> NightPlace:
    @contextmanager
    def holding() -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
        with Proxy(port, after=HELD_AFTER_BYTES, connections=1, holds=True) as proxy:
            yield {"database": url_by(proxy.port)}, proxy.wait

    env = {"SOURCE_PASSWORD": PASSWORD}
    return NightPlace({"database": url, "table": "nights"}, put, env, (PASSWORD,), holding=holding)


def of_duckdb(_: pytest.FixtureRequest, tmp_path: Path) -> NightPlace:
    path = tmp_path / "bank.duckdb"

    def put(rows: Sequence[Loan]) -> None:
        table = arrow_of(rows)
        with duckdb.connect(str(path)) as connection:
            connection.register("rows", table)
            connection.execute("CREATE OR REPLACE TABLE nights AS SELECT * FROM rows")

    return NightPlace({"database": f"duckdb:///{path}", "table": "nights"}, put)


def of_sqlite(_: pytest.FixtureRequest, tmp_path: Path) -> NightPlace:
    path = tmp_path / "bank.db"

    def put(rows: Sequence[Loan]) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE IF EXISTS nights")
            connection.execute("CREATE TABLE nights (id, emi, rate REAL, days INTEGER, due, note, seen)")
            values = [(loan.id, *({**texts_of(loan), "rate": loan.rate, "days": loan.days}).values()) for loan in rows]
            connection.executemany(f"INSERT INTO nights VALUES ({','.join('?' * 7)})", values)
        connection.close()

    # SQLite has no exact decimals: as text they would be sent between quotes.
    source = {"database": f"sqlite:///{path}", "table": "nights"}
    return NightPlace(source, put, lacks=frozenset({"emi"}))


PLACES = {"postgresql": of_postgresql, "mariadb": of_mariadb, "duckdb": of_duckdb, "sqlite": of_sqlite}
