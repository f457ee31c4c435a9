"""SQL Server by recorded answers: how each type is asked for, under which isolation, and what is complained of."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import mssql_python
import pyarrow as pa
import pytest

from engine.sources.databases import mssql
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable
from engine.sources.databases.mssql_errors import of_number, translated
from engine.sources.databases.mssql_facts import POLICIES, ROWS, WHO, WITHOUT_SNAPSHOT
from engine.sources.databases.spooling import connected, look_at
from engine.sources.spec import SourceSpec
from engine.values.errors import AccessRefused, ConfigError, SourceUntrusted
from tests.sources.databases.portfolio import describing
from tests.sources.databases.recorded import (
    PASSWORD,
    Answer,
    Answers,
    Recorded,
    lines_of,
    mssql as recorded_mssql,
    mssql_error,
    put_in_place,
    spooled,
)

URL = "mssql://reader@db.example.com/bank"
ASKED = DatabaseQuery(URL, table="dbo.loans")
TABLE = "SELECT * FROM [dbo].[loans]"
ID = ("id", "varchar(20)", 0, None, None)
TEXT = pa.large_string()
ISOLATION = mssql.ISOLATION
SERVER = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the driver give out a connection that answers so; return it."""

    def connect(driver: str, connected: Any) -> None:
        if driver == "mssql":
            monkeypatch.setattr(mssql_python, "connect", connected)

    def given(answers: Answers) -> Recorded:
        connection = recorded_mssql(answers)
        put_in_place([connection], connect)
        return connection

    return given


def of_table(type_: str, scale: int, selected: str, array: pa.Array, *, more: bool = False) -> Answers:
    table = pa.table({"id": pa.array(["a"], TEXT), "v": array})
    return {
        describing(TABLE): Answer(rows=[ID, ("v", type_, scale, None, None)]),
        f"SELECT [id], {selected} FROM [dbo].[loans]": Answer(batches=[table], more=more),
    }


def lines_from(tmp_path: Path, asked: DatabaseQuery = ASKED, **spec: Any) -> tuple[list[str], list[str]]:
    of = SourceSpec((asked.label,), format="parquet", id="id", constants={"one": 1}, **spec)
    return lines_of(spooled(asked, tmp_path, of), of)


@pytest.mark.parametrize(
    ("type_", "scale", "selected", "value", "sent"),
    [
        ("decimal(12,2)", 2, "[v]", pa.array([Decimal("12.50")], pa.decimal128(12, 2)), "12.50"),
        ("numeric(38,0)", 0, "[v]", pa.array([Decimal("9" * 38)], pa.decimal128(38)), "9" * 38),
        ("money", 4, "[v]", pa.array([Decimal("12.5000")], pa.decimal128(19, 4)), "12.5000"),
        ("smallmoney", 4, "[v]", pa.array([Decimal("-0.0100")], pa.decimal128(10, 4)), "-0.0100"),
        ("bigint", 0, "[v]", pa.array([-(2**63)], pa.int64()), "-9223372036854775808"),
        ("tinyint", 0, "[v]", pa.array([255], pa.uint8()), "255"),
        ("bit", 0, "[v]", pa.array([True]), "true"),
        ("real", 0, "[v]", pa.array([0.1], pa.float32()), "0.1"),
        ("float", 0, "[v]", pa.array([0.1 + 0.2]), "0.30000000000000004"),
        ("date", 0, "[v]", pa.array([date(9999, 12, 31)]), '"9999-12-31"'),
        ("datetime", 3, "[v]", pa.array([1_793_860_200_003_000], pa.timestamp("us")), '"2026-11-05T06:30:00.003000"'),
        ("datetime2(3)", 3, "[v]", pa.array([1_793_860_200_000_000], pa.timestamp("us")), '"2026-11-05T06:30:00"'),
        ("datetime2(7)", 7, "CONVERT(varchar(27), [v], 121) AS [v]",
            pa.array(["2026-11-05 10:00:00.1234567"], TEXT), '"2026-11-05T10:00:00.1234567"'),
        ("datetime2(7)", 7, "CONVERT(varchar(27), [v], 121) AS [v]",
            pa.array(["2026-11-05 10:00:00.5000000"], TEXT), '"2026-11-05T10:00:00.500000"'),
        ("datetimeoffset(6)", 6, "[v]",
            pa.array([1_793_860_200_000_000], pa.timestamp("us", "+00:00")), '"2026-11-05T06:30:00Z"'),
        ("datetimeoffset(7)", 7, "CONVERT(varchar(34), [v], 121) AS [v]",
            pa.array(["2026-11-05 10:00:00.0000001 +05:30"], TEXT), '"2026-11-05T04:30:00.0000001Z"'),
        ("time(3)", 3, "[v]", pa.array([time(23, 59, 59, 500000)], pa.time64("ns")), '"23:59:59.500000"'),
        ("time(7)", 7, "CONVERT(varchar(16), [v], 121) AS [v]", pa.array(["23:59:59.9999999"], TEXT),
            '"23:59:59.9999999"'),
        ("char(4)", 0, "[v]", pa.array(["ab  "], TEXT), '"ab  "'),
        ("nvarchar(max)", 0, "[v]", pa.array(['ä"😀'], TEXT), '"ä\\"😀"'),
        ("uniqueidentifier", 0, "[v]", pa.array(["6f9619ff-8b86-d011-b42d-00c04fc964ff"], TEXT),
            '"6F9619FF-8B86-D011-B42D-00C04FC964FF"'),
        ("xml", 0, "[v]", pa.array(["<a/>"], TEXT), '"<a/>"'),
        ("json", 0, "[v]", pa.array(['{"a":1.10}'], TEXT), '{"a":1.10}'),
        ("nvarchar(10)", 0, "[v]", pa.array([None], TEXT), ""),
    ],
)  # fmt: skip
def test_a_value_is_sent_as_it_is(
    give: Any, tmp_path: Path, type_: str, scale: int, selected: str, value: pa.Array, sent: str
) -> None:
    give(of_table(type_, scale, selected, value))
    member = f'"v":{sent},' if sent else ""
    assert lines_from(tmp_path) == ([f'{{"id":"a","data":{{{member}"one":1}}}}'], [])


def test_a_seventh_digit_is_kept_in_any_query(give: Any, tmp_path: Path) -> None:
    query = "WITH o AS (SELECT 'x' AS x) SELECT id, [a]]b] FROM o ORDER BY 1;"
    doubled = query.rstrip(";").replace("'", "''")
    asked_as = f"EXECUTE sp_executesql N'{doubled}' WITH RESULT SETS (([id] varchar(20), [a]]b] varchar(27)))"
    row = pa.table({"id": pa.array(["a"], TEXT), "a]b": pa.array(["2026-11-05 10:00:00.1234567"], TEXT)})
    give(
        {
            describing(query.rstrip(";")): Answer(rows=[ID, ("a]b", "datetime2(7)", 7, None, None)]),
            asked_as: Answer(batches=[row]),
        }
    )
    found = lines_from(tmp_path, DatabaseQuery(URL, query=query))
    assert found == (['{"id":"a","data":{"a]b":"2026-11-05T10:00:00.1234567","one":1}}'], [])


@pytest.mark.parametrize("type_", ["varbinary(max)", "rowversion", "hierarchyid", "sql_variant"])
def test_a_type_without_a_form_is_named_or_not_even_asked_for(give: Any, tmp_path: Path, type_: str) -> None:
    give(of_table(type_, 0, "[v]", pa.array([b""], pa.large_binary())))
    with pytest.raises(ConfigError, match="'v'"):
        lines_from(tmp_path)
    give(of_table(type_, 0, "CAST(NULL AS bit) AS [v]", pa.array([None], pa.bool_())))
    assert lines_from(tmp_path, exclude=frozenset({"v"}))[0] == ['{"id":"a","data":{"one":1}}']


def test_snapshot_comes_before_the_statement(give: Any, tmp_path: Path) -> None:
    connection = give(of_table("bit", 0, "[v]", pa.array([True])))
    lines_from(tmp_path)
    assert connection.asked[:2] == [ISOLATION, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"]


def test_versioned_reads_see_one_state_as_well(give: Any, tmp_path: Path) -> None:
    answers = of_table("bit", 0, "[v]", pa.array([True]))
    connection = give({**answers, ISOLATION: Answer(rows=[(0, True)])})
    assert len(lines_from(tmp_path)[0]) == 1
    assert connection.asked[1] == "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"


def test_a_database_without_either_must_be_accepted(give: Any, tmp_path: Path) -> None:
    answers = {**of_table("bit", 0, "[v]", pa.array([True])), ISOLATION: Answer(rows=[(0, False)])}
    give(answers)
    with pytest.raises(ConfigError, match=r"may be missed or come twice.*source\.without_snapshot = true"):
        lines_from(tmp_path)
    connection = give(answers)
    accepted = DatabaseQuery(URL, table="dbo.loans", without_snapshot=True)
    assert len(lines_from(tmp_path, accepted)[0]) == 1
    assert connection.asked[1] == "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
    assert not [statement for statement in connection.asked if "NOLOCK" in statement or "UNCOMMITTED" in statement]


def test_the_server_is_looked_at(give: Any) -> None:
    give(
        {
            describing(TABLE): Answer(rows=[ID]),
            ISOLATION: Answer(rows=[(0, False)]),
            WHO: Answer(rows=[("16.0.4175.1", "reader", "reader")]),
            ROWS.format("[dbo].[loans]"): Answer(rows=[(1_234_567,)]),
            POLICIES: Answer(
                rows=[("dbo", "branches", "p1"), ("dbo", "Loans", "p2"), ("x", "loans", "p3"), ("x", None, "p")]
            ),
        }
    )  # fmt: skip
    asked = DatabaseQuery(URL, table="dbo.loans", without_snapshot=True)
    assert [(found.text, found.is_warning) for found in look_at(asked, password=lambda: PASSWORD)] == [
        ("SQL Server 16.0.4175.1, as reader (reader)", False),
        (f"{WITHOUT_SNAPSHOT}; source.without_snapshot accepts that", True),
        ("the server expects 1,234,567 rows", False),
        ("the security policy p2 of dbo.Loans may apply to reader: rows that it hides are not read", True),
    ]


def test_more_than_one_statement_is_refused(give: Any, tmp_path: Path) -> None:
    give(of_table("bit", 0, "[v]", pa.array([True]), more=True))
    with pytest.raises(ConfigError, match="must be one statement"):
        lines_from(tmp_path)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([(None, None, None, 208, "Invalid object name 'loans'.")], ConfigError, "Invalid object name 'loans'"),
        ([(None, None, None, 229, "The SELECT permission was denied")], AccessRefused, "SELECT permission"),
        ([], ConfigError, "must be a SELECT"),
        ([ID, ("", "int", 0, None, None)], ConfigError, "no name"),
        ([ID, ID], ConfigError, "same name, 'id'"),
    ],
)
def test_a_statement_is_held_against_the_server_before_it_runs(
    give: Any, rows: Any, kind: type[Exception], message: str
) -> None:
    give({describing(TABLE): Answer(rows=rows)})
    with pytest.raises(kind, match=message):
        connected(ASKED, PASSWORD, lambda: None)


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("mssql://reader@db/bank", "Server={db,1433};Database={bank};Encrypt={yes};UID={reader};PWD={a;b}}c};"),
        ("mssql://db:99/my%20bank", "Server={db,99};Database={my bank};Encrypt={yes};Trusted_Connection={yes};"),
        (
            "mssql://db/bank?authentication=ActiveDirectoryMSI",
            "Server={db,1433};Database={bank};Encrypt={yes};Authentication={ActiveDirectoryMSI};",
        ),
    ],
)
def test_a_url_becomes_what_the_driver_takes(url: str, given: str) -> None:
    assert mssql._connection_string(url, "a;b}c") == given


def test_encryption_cannot_be_turned_off() -> None:
    with pytest.raises(ConfigError, match="only application_intent, authentication"):
        mssql._connection_string("mssql://reader@db/bank?encrypt=no", None)


@pytest.mark.parametrize(
    ("state", "text", "kind"),
    [
        ("42000", f'{SERVER}Cannot open database "bank" requested by the login. The login failed.', AccessRefused),
        ("42000", f"{SERVER}The SELECT permission was denied on the object 'loans'.", AccessRefused),
        ("08001", "[Microsoft][ODBC Driver 18 for SQL Server]SSL Provider: [certificate verify failed]", AccessRefused),
        ("HYT00", "[Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired", Unreachable),
        ("08S01", "[Microsoft][ODBC Driver 18 for SQL Server]Communication link failure", Unreachable),
        ("42000", f"{SERVER}Database 'bank' is being recovered. Waiting until recovery is finished.", Unreachable),
        ("42S02", f"{SERVER}Invalid object name 'loans'.", ConfigError),
        ("42S22", f"{SERVER}Invalid column name 'nothing'.", ConfigError),
        ("22012", f"{SERVER}Divide by zero error encountered.", SourceUntrusted),
        ("22003", f"{SERVER}Arithmetic overflow error converting expression to data type int.", SourceUntrusted),
        ("42000", f"{SERVER}Snapshot isolation transaction failed accessing database 'x' because snapshot isolation is "
            "not allowed in this database.", ConfigError),
        ("40001", f"{SERVER}Transaction (Process ID 52) was deadlocked on 'Anna'.", Ended),
    ],
)  # fmt: skip
def test_what_the_server_complains_of_is_understood(state: str, text: str, kind: type[Exception]) -> None:
    said = translated(mssql_error(state, text), ASKED)
    assert type(said) is kind
    assert "Anna" not in str(said)
    assert "ODBC" not in str(said)


def test_what_the_driver_says_of_a_connection_string_is_not_repeated() -> None:
    error = mssql_python.ConnectionStringParseError(["Unknown keyword 'canary'"])
    assert "canary" not in str(translated(error, ASKED))


def test_libraries_of_the_system_that_are_missing_are_named() -> None:
    error = mssql_python.OperationalError("Connection operation failed", "Failed to load the driver. Please read …")
    assert "apt-get install libltdl7" in str(translated(error, ASKED))
    assert isinstance(of_number(208, "Invalid object name", ASKED), ConfigError)
