"""The same portfolio as a file of Parquet, and as SQL Server and Oracle answer it: with ugly values of all kinds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import oracledb
import pyarrow as pa

from tests.sources.databases.recorded import Answer, Answers, oracle_column

IDS = ["a", "b", "c", "d"]
EMI = pa.array([Decimal("12.50"), Decimal("-0.01"), Decimal("9999999999.99"), None], pa.decimal128(12, 2))
RATE = pa.array([0.1, 1e20, 5e-324, 123456789.125])
DAYS = [9223372036854775807, -1, 0, None]
DUE = [date(2026, 11, 5), date(1, 1, 1), date(9999, 12, 31), None]
NOTE = ['ä "quoted" 😀', "x", None, "a\nb"]
SEEN = [
    datetime(2026, 11, 5, 4, 30, tzinfo=UTC),
    datetime(2026, 11, 5, 4, 30, 0, 1, UTC),
    None,
    datetime(2000, 2, 29, 23, 59, 59, 999999, UTC),
]
OPEN = [True, False, None, True]


def as_parquet() -> pa.Table:
    return pa.table(
        {
            "id": IDS,
            "emi": EMI,
            "rate": RATE,
            "days": pa.array(DAYS, pa.int64()),
            "due": DUE,
            "note": NOTE,
            "seen": pa.array(SEEN, pa.timestamp("us", "UTC")),
            "open": OPEN,
        }
    )


ORACLE_QUERY = "SELECT id, emi, rate, days, TO_CHAR(due, 'YYYY-MM-DD') AS due, note, seen, open FROM loans"
ORACLE_ASKED = (
    'SELECT asked."id" AS "id", asked."emi" AS "emi", asked."rate" AS "rate", asked."days" AS "days", '
    'asked."due" AS "due", asked."note" AS "note", '
    'TO_CHAR(SYS_EXTRACT_UTC(asked."seen"), \'SYYYY-MM-DD HH24:MI:SS.FF6\') AS "seen", '
    'asked."open" AS "open" FROM (\n' + ORACLE_QUERY + "\n) asked"
)
ORACLE_COLUMNS = [
    oracle_column("id", oracledb.DB_TYPE_VARCHAR),
    oracle_column("emi", oracledb.DB_TYPE_NUMBER, 12, 2),
    oracle_column("rate", oracledb.DB_TYPE_BINARY_DOUBLE),
    oracle_column("days", oracledb.DB_TYPE_NUMBER, 19, 0),
    oracle_column("due", oracledb.DB_TYPE_VARCHAR),
    oracle_column("note", oracledb.DB_TYPE_CLOB),
    oracle_column("seen", oracledb.DB_TYPE_TIMESTAMP_TZ, 0, 6),
    oracle_column("open", oracledb.DB_TYPE_BOOLEAN),
]


def oracle_batch() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(IDS, pa.large_string()),
            "emi": EMI,
            "rate": RATE,
            "days": pa.array([None if each is None else Decimal(each) for each in DAYS], pa.decimal128(19, 0)),
            "due": pa.array([None if each is None else each.isoformat() for each in DUE], pa.large_string()),
            "note": pa.array(NOTE, pa.large_string()),
            "seen": pa.array([each and f" {each:%Y-%m-%d %H:%M:%S.%f}" for each in SEEN], pa.large_string()),
            "open": OPEN,
        }
    )


def oracle_answers(*batches: pa.Table | Exception) -> Answers:
    return {
        f"SELECT * FROM (\n{ORACLE_QUERY}\n) asked WHERE 1 = 0": Answer(ORACLE_COLUMNS),
        ORACLE_ASKED: Answer(batches=batches or [oracle_batch()]),
    }


MSSQL_QUERY = (
    "WITH open AS (SELECT * FROM loans) SELECT id, emi, rate, days, due, note, seen, [open] FROM open ORDER BY 1"
)
MSSQL_COLUMNS = [
    ("id", "varchar(20)", 0, None, None),
    ("emi", "decimal(12,2)", 2, None, None),
    ("rate", "float", 0, None, None),
    ("days", "bigint", 0, None, None),
    ("due", "date", 0, None, None),
    ("note", "nvarchar(max)", 0, None, None),
    ("seen", "datetimeoffset(6)", 6, None, None),
    ("open", "bit", 0, None, None),
]


def mssql_batch() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(IDS, pa.large_string()),
            "emi": EMI,
            "rate": RATE,
            "days": pa.array(DAYS, pa.int64()),
            "due": pa.array(DUE, pa.date32()),
            "note": pa.array(NOTE, pa.large_string()),
            "seen": pa.array(SEEN, pa.timestamp("us", "+00:00")),
            "open": OPEN,
        }
    )


def describing(statement: str) -> str:
    quoted = statement.replace("'", "''")
    return (
        "SELECT name, system_type_name, scale, error_number, error_message FROM "
        f"sys.dm_exec_describe_first_result_set(N'{quoted}', NULL, 0) WHERE is_hidden = 0 ORDER BY column_ordinal"
    )


def mssql_answers(*batches: pa.Table | Exception) -> Answers:
    return {
        describing(MSSQL_QUERY): Answer(rows=MSSQL_COLUMNS),
        MSSQL_QUERY: Answer(batches=batches or [mssql_batch()]),
    }
