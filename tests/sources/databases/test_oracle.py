"""Oracle by recorded answers: how each type is asked for, and what becomes of what the server writes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import pyarrow as pa
import pytest

from engine.sources.databases import oracle
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable
from engine.sources.databases.oracle_errors import translated
from engine.sources.databases.oracle_facts import POLICIES, ROWS, WHO
from engine.sources.databases.spooling import connected, look_at
from engine.sources.spec import SourceSpec
from engine.values.errors import AccessRefused, ConfigError, SourceUntrusted
from tests.sources.databases.recorded import (
    PASSWORD,
    Answer,
    Answers,
    lines_of,
    oracle as recorded_oracle,
    oracle_column,
    oracle_error,
    put_in_place,
    spooled,
)

ASKED = DatabaseQuery("oracle://reader@db.example.com/bank", table="loans")
TEXT = pa.large_string()


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the driver give out a connection that answers so; return what it is called with."""

    def connect(driver: str, connected: Any) -> None:
        if driver == "oracle":
            monkeypatch.setattr(oracledb, "connect", connected)

    return lambda answers: put_in_place([recorded_oracle(answers)], connect)


def one_value(
    give: Any, tmp_path: Path, described: Any, asked_as: str, array: pa.Array, **spec: Any
) -> tuple[list[str], list[str]]:
    """Return the line of a row with this value, or why it is refused."""
    table = pa.table({"ID": pa.array(["a"], TEXT), "V": array})
    statement = 'SELECT * FROM "LOANS"'
    give(
        {
            f"SELECT * FROM (\n{statement}\n) asked WHERE 1 = 0": Answer(
                [oracle_column("ID", oracledb.DB_TYPE_VARCHAR), described]
            ),
            f'SELECT asked."ID" AS "ID", {asked_as} AS "V" FROM (\n{statement}\n) asked': Answer(batches=[table]),
        }
    )
    of = SourceSpec((ASKED.label,), format="parquet", id="ID", constants={"one": 1}, **spec)
    return lines_of(spooled(ASKED, tmp_path, of), of)


NUMBER = "TO_CHAR(asked.\"V\", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
DAYS = "SYYYY-MM-DD HH24:MI:SS"


@pytest.mark.parametrize(
    ("type_", "precision", "scale", "asked_as", "value", "sent"),
    [
        (oracledb.DB_TYPE_NUMBER, 12, 2, 'asked."V"', pa.array([Decimal("12.50")], pa.decimal128(12, 2)), "12.50"),
        (oracledb.DB_TYPE_NUMBER, 18, 0, 'asked."V"', pa.array([Decimal(10**18 - 1)], pa.decimal128(18)), "9" * 18),
        (oracledb.DB_TYPE_NUMBER, 38, 0, 'asked."V"', pa.array([Decimal("9" * 38)], pa.decimal128(38)), "9" * 38),
        (oracledb.DB_TYPE_NUMBER, 0, -127, NUMBER, pa.array(["12.5"], TEXT), "12.5"),
        (oracledb.DB_TYPE_NUMBER, 0, -127, NUMBER, pa.array(["-.5"], TEXT), "-0.5"),
        (oracledb.DB_TYPE_NUMBER, 0, 0, NUMBER, pa.array(["1.5E+125"], TEXT), "1.5E+125"),
        (oracledb.DB_TYPE_NUMBER, 126, -127, NUMBER, pa.array(["7"], TEXT), "7"),
        (oracledb.DB_TYPE_NUMBER, 10, -2, NUMBER, pa.array(["1200"], TEXT), "1200"),
        (oracledb.DB_TYPE_NUMBER, 2, 5, NUMBER, pa.array([".00012"], TEXT), "0.00012"),
        (oracledb.DB_TYPE_BINARY_FLOAT, 0, 0, 'asked."V"', pa.array([0.1], pa.float32()), "0.1"),
        (oracledb.DB_TYPE_BINARY_DOUBLE, 0, 0, 'asked."V"', pa.array([0.1 + 0.2]), "0.30000000000000004"),
        (oracledb.DB_TYPE_BOOLEAN, 0, 0, 'asked."V"', pa.array([False]), "false"),
        (oracledb.DB_TYPE_CHAR, 0, 0, 'asked."V"', pa.array(["ab  "], TEXT), '"ab  "'),
        (oracledb.DB_TYPE_NCLOB, 0, 0, 'asked."V"', pa.array(['ä"😀'], TEXT), '"ä\\"😀"'),
        (oracledb.DB_TYPE_DATE, 0, 0, f"TO_CHAR(asked.\"V\", '{DAYS}')",
            pa.array([" 2026-11-05 00:00:00"], TEXT), '"2026-11-05T00:00:00"'),
        (oracledb.DB_TYPE_TIMESTAMP, 0, 6, f"TO_CHAR(asked.\"V\", '{DAYS}.FF6')",
            pa.array([" 2026-11-05 10:00:00.500000"], TEXT), '"2026-11-05T10:00:00.500000"'),
        (oracledb.DB_TYPE_TIMESTAMP, 0, 9, f"TO_CHAR(asked.\"V\", '{DAYS}.FF9')",
            pa.array([" 9999-12-31 10:00:00.123456789"], TEXT), '"9999-12-31T10:00:00.123456789"'),
        (oracledb.DB_TYPE_TIMESTAMP_TZ, 0, 6, f"TO_CHAR(SYS_EXTRACT_UTC(asked.\"V\"), '{DAYS}.FF6')",
            pa.array([" 2026-11-05 04:30:00.000000"], TEXT), '"2026-11-05T04:30:00Z"'),
        (oracledb.DB_TYPE_TIMESTAMP_TZ, 0, 9, f"TO_CHAR(SYS_EXTRACT_UTC(asked.\"V\"), '{DAYS}.FF9')",
            pa.array([" 2026-11-05 04:30:00.500000000"], TEXT), '"2026-11-05T04:30:00.500000Z"'),
        (oracledb.DB_TYPE_TIMESTAMP_LTZ, 0, 3, f"TO_CHAR(asked.\"V\", '{DAYS}.FF6')",
            pa.array([" 2026-11-05 04:30:00.250000"], TEXT), '"2026-11-05T04:30:00.250000Z"'),
        (oracledb.DB_TYPE_INTERVAL_DS, 2, 6, 'TO_CHAR(asked."V")',
            pa.array(["+01 02:00:00.000000"], TEXT), '"+01 02:00:00.000000"'),
        (oracledb.DB_TYPE_ROWID, 0, 0, 'ROWIDTOCHAR(asked."V")', pa.array(["AAAR"], TEXT), '"AAAR"'),
        (oracledb.DB_TYPE_JSON, 0, 0, 'JSON_SERIALIZE(asked."V" RETURNING CLOB)',
            pa.array(['{"a":[1.10,null]}'], TEXT), '{"a":[1.10,null]}'),
        (oracledb.DB_TYPE_VECTOR, 0, 0, 'VECTOR_SERIALIZE(asked."V" RETURNING CLOB)',
            pa.array(["[1.5E+000,2]"], TEXT), "[1.5E+000,2]"),
        (oracledb.DB_TYPE_XMLTYPE, 0, 0, 'XMLSERIALIZE(CONTENT asked."V" AS CLOB)',
            pa.array(["<a/>"], TEXT), '"<a/>"'),
        (oracledb.DB_TYPE_VARCHAR, 0, 0, 'asked."V"', pa.array([None], TEXT), ""),
    ],
)  # fmt: skip
def test_a_value_is_sent_as_it_is(
    give: Any, tmp_path: Path, type_: Any, precision: int, scale: int, asked_as: str, value: pa.Array, sent: str
) -> None:
    found = one_value(give, tmp_path, oracle_column("V", type_, precision, scale), asked_as, value)
    member = f'"V":{sent},' if sent else ""
    assert found == ([f'{{"id":"a","data":{{{member}"one":1}}}}'], [])


def test_a_document_in_text_is_a_document(give: Any, tmp_path: Path) -> None:
    described = oracle_column("V", oracledb.DB_TYPE_CLOB, is_json=True)
    lines, _ = one_value(give, tmp_path, described, 'asked."V"', pa.array(['{"a": 1}'], TEXT))
    assert lines == ['{"id":"a","data":{"V":{"a": 1},"one":1}}']


@pytest.mark.parametrize("text", ["-4712-01-01 00:00:00", " 0000-00-00 00:00:00"])
def test_a_day_that_is_none_makes_its_record_invalid(give: Any, tmp_path: Path, text: str) -> None:
    described = oracle_column("V", oracledb.DB_TYPE_DATE)
    written = f"TO_CHAR(asked.\"V\", '{DAYS}')"
    found = one_value(give, tmp_path, described, written, pa.array([text], TEXT))
    assert found == ([], ["column 'V' is not a date in the years 0 to 9999"])


@pytest.mark.parametrize(
    ("type_", "message"),
    [(oracledb.DB_TYPE_RAW, "'V' holds binary"), (oracledb.DB_TYPE_OBJECT, r"'V' is of a type .*\(OBJECT\)")],
)
def test_a_type_without_a_form_is_named_or_left_out(give: Any, tmp_path: Path, type_: Any, message: str) -> None:
    nothing = "CAST(NULL AS VARCHAR2(1))"
    with pytest.raises(ConfigError, match=message):
        one_value(give, tmp_path, oracle_column("V", type_), nothing, pa.array([None], TEXT))
    left_out = frozenset({"V"})
    lines, _ = one_value(give, tmp_path, oracle_column("V", type_), nothing, pa.array([None], TEXT), exclude=left_out)
    assert lines == ['{"id":"a","data":{"one":1}}']


def test_whole_numbers_without_a_scale_are_ids_and_others_are_not(give: Any, tmp_path: Path) -> None:
    statement = 'SELECT * FROM "LOANS"'
    id_ = NUMBER.replace('"V"', '"ID"')
    ids = pa.table({"ID": pa.array(["100200300400500600700", "1.5", None], TEXT)})
    give(
        {
            f"SELECT * FROM (\n{statement}\n) asked WHERE 1 = 0": Answer(
                [oracle_column("ID", oracledb.DB_TYPE_NUMBER, 0, -127)]
            ),
            f'SELECT {id_} AS "ID" FROM (\n{statement}\n) asked': Answer(batches=[ids]),
        }
    )
    of = SourceSpec((ASKED.label,), format="parquet", id="ID", constants={"one": 1})
    lines, reasons = lines_of(spooled(ASKED, tmp_path, of), of)
    assert lines == ['{"id":"100200300400500600700","data":{"one":1}}']
    assert reasons == ["id is not a whole number", "id is null"]


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("loans", 'SELECT * FROM "LOANS"'),
        ("Bank.Loans", 'SELECT * FROM "BANK"."LOANS"'),
        ('bank."Loans"', 'SELECT * FROM "BANK"."Loans"'),
    ],
)
def test_a_name_is_folded_unless_it_is_quoted(give: Any, table: str, statement: str) -> None:
    answers: Answers = {
        f"SELECT * FROM (\n{statement}\n) asked WHERE 1 = 0": Answer([oracle_column("ID", oracledb.DB_TYPE_CHAR)])
    }
    give(answers)
    with connected(DatabaseQuery(ASKED.url, table=table), None, lambda: None) as session:
        assert session.names == ["ID"]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("oracle://reader@db/bank", {"user": "reader", "host": "db", "port": 1521, "service_name": "bank"}),
        ("oracle://a%40b@db:99/bank?protocol=tcps", {"user": "a@b", "port": 99, "protocol": "tcps"}),
        ("oracle:///bank_high?config_dir=/etc/tns", {"user": None, "dsn": "bank_high", "config_dir": "/etc/tns"}),
    ],
)
def test_a_url_becomes_what_the_driver_takes(url: str, given: dict[str, Any]) -> None:
    assert oracle._parameters(url).items() >= given.items()


def test_what_is_unknown_behind_a_url_is_named() -> None:
    with pytest.raises(ConfigError, match="only config_dir, protocol, wallet_location"):
        oracle._parameters("oracle://reader@db/bank?sslmode=off")


def test_the_server_is_looked_at(give: Any) -> None:
    asked = DatabaseQuery(ASKED.url, table="bank.loans")
    give(
        {
            'SELECT * FROM (\nSELECT * FROM "BANK"."LOANS"\n) asked WHERE 1 = 0': Answer(
                [oracle_column("ID", oracledb.DB_TYPE_CHAR)]
            ),
            WHO: Answer(rows=[("READER", "BANK", "23.0.0.0.0")]),
            ROWS: Answer(rows=[(1_234_567,)]),
            POLICIES: Answer(rows=[("BANK", "BRANCHES", "P1"), ("BANK", "LOANS", "P2"), ("OTHER", "LOANS", "P3")]),
        }
    )
    assert [(found.text, found.is_warning) for found in look_at(asked, password=lambda: PASSWORD)] == [
        ("Oracle 23.0.0.0.0, as READER; one snapshot; sessions are in UTC", False),
        ("the server expects 1,234,567 rows", False),
        ("the policy P2 of BANK.LOANS may apply to READER: rows that it hides are not read", True),
    ]


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("ORA-28000: The account is locked.", 28000, AccessRefused),
        ("ORA-01031: insufficient privileges", 1031, AccessRefused),
        ("ORA-12514: TNS:listener does not currently know of service requested", 12514, Unreachable),
        ("ORA-01033: ORACLE initialization or shutdown in progress", 1033, Unreachable),
        ("ORA-03113: end-of-file on communication channel", 3113, Unreachable),
        ("DPY-6001: Service \"x\" is not registered with the listener", 0, Unreachable),
        ("ORA-00904: \"NOTHING\": invalid identifier", 904, ConfigError),
        ("ORA-00918: NAME: column ambiguously specified", 918, ConfigError),
        ("ORA-01476: divisor is equal to zero", 1476, SourceUntrusted),
        ("ORA-01555: snapshot too old", 1555, Ended),
        ("ORA-00040: active time limit exceeded - call aborted", 40, Ended),
        ("ORA-20001: the customer 'Anna' has no branch", 20001, Ended),
    ],
)  # fmt: skip
def test_what_the_server_complains_of_is_understood(text: str, code: int, kind: type[Exception]) -> None:
    said = translated(oracle_error(text, code), ASKED)
    assert type(said) is kind
    assert "Anna" not in str(said)
    assert "https://" not in str(said)


def test_a_port_where_nobody_listens_is_out_of_reach() -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        connected(DatabaseQuery("oracle://reader@127.0.0.1:9/bank", table="loans"), PASSWORD, lambda: None)
