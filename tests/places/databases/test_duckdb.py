"""DuckDB files: the types that DuckDB gives its columns, read-only, and a writer that is waited for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from engine.sources.databases.address import DatabaseQuery
from engine.values.errors import ConfigError, Interrupted, SourceMissing, SourceUntrusted
from tests.places.databases.reading import lines_of, spooled

HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE loans AS SELECT 'loan_' || i AS id, i::DECIMAL(12, 2) AS emi FROM range(30000) r(i)"
        )
    return path


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("12.50::DECIMAL(10, 2)", "12.50"),
        ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
        ("18446744073709551615::UBIGINT", "18446744073709551615"),
        ("0.1::FLOAT", "0.1"),
        ("DATE '2026-11-05'", '"2026-11-05"'),
        ("TIMESTAMPTZ '2026-11-05 10:00:00+05:30'", '"2026-11-05T04:30:00Z"'),
        ("TIMESTAMP_NS '2026-11-05 10:00:00.123456789'", '"2026-11-05T10:00:00.123456789"'),
        ("TIME '10:00:00.5'", '"10:00:00.500000"'),
        ("'{\"a\": 1.50}'::JSON", '{"a": 1.50}'),
        ("[1.50, NULL]", "[1.50,null]"),
        ("{'a': 1, 'b': 'x'}", '{"a":1,"b":"x"}'),
        ("'open'::ENUM('open', 'closed')", '"open"'),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
        ("''", '""'),
        ("NULL::INT", ""),
    ],
)
def test_a_value_is_sent_as_it_is(bank: Path, tmp_path: Path, expression: str, sent: str) -> None:
    asked = DatabaseQuery(f"duckdb:///{bank}", query=f"SELECT 'a' AS id, {expression} AS value, 1 AS one")
    lines, reasons = lines_of(asked, tmp_path / "spool", None)
    value = f'"value":{sent},' if sent else ""
    assert (lines, reasons) == ([f'{{"id":"a","data":{{{value}"one":1}}}}'], [])


def test_all_rows_are_read(bank: Path, tmp_path: Path) -> None:
    lines, _ = lines_of(DatabaseQuery(f"duckdb:///{bank}", table="loans"), tmp_path / "spool", None)
    assert (len(lines), lines[-1]) == (30_000, '{"id":"loan_29999","data":{"emi":29999.00}}')


def test_a_writer_in_another_process_is_75(bank: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bank)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Interrupted, match="open to write"):
            spooled(DatabaseQuery(f"duckdb:///{bank}", table="loans"), tmp_path / "spool", None)
        holder.communicate()


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("SELECT * FROM nowhere", ConfigError, "nowhere"),
        ("SELEC 1", ConfigError, "syntax"),
        ("SELECT 1; SELECT 2", ConfigError, "one statement"),
        ("SELECT id, id FROM loans", ConfigError, "same name|source"),
        ("SELECT id, INTERVAL 1 DAY AS a FROM loans", ConfigError, "no JSON form"),
        ("SELECT id, id::INT AS a FROM loans", SourceUntrusted, "cannot be read"),
    ],
)
def test_what_cannot_be_asked(bank: Path, tmp_path: Path, query: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as raised:
        spooled(DatabaseQuery(f"duckdb:///{bank}", query=query), tmp_path / "spool", None)
    assert "loan_" not in str(raised.value)


def test_a_missing_file_is_66_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        spooled(DatabaseQuery(f"duckdb:///{tmp_path}/none.duckdb", table="loans"), tmp_path / "spool", None)
    assert list(tmp_path.iterdir()) == []
