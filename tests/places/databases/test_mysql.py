"""MySQL's protocol, spoken by a real MariaDB: every value as it is, all rows or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.sources.databases import mysql_watch
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.spooling import look_at
from engine.values.errors import AccessRefused, ConfigError, Interrupted
from tests.acceptance.engine_process import Engine
from tests.places.databases.mariadb import MariaDb
from tests.places.databases.postgres import PASSWORD
from tests.places.databases.proxy import Proxy
from tests.places.databases.reading import lines_of, spooled

ROWS = 20_000


@pytest.fixture(scope="module")
def bank() -> Iterator[MariaDb]:
    with MariaDb() as server:
        server.execute(
            "CREATE TABLE loans (id VARCHAR(20) PRIMARY KEY, emi DECIMAL(12, 2), note VARCHAR(200))",
            f"INSERT INTO loans SELECT CONCAT('loan_', seq), seq * 1.10, REPEAT('x', 100) FROM seq_1_to_{ROWS}",
        )
        yield server


@pytest.mark.parametrize(
    ("type_", "value", "sent"),
    [
        ("DECIMAL(10, 2)", "12.5", "12.50"),
        ("DECIMAL(65, 0)", "'" + "9" * 65 + "'", "9" * 65),
        ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
        ("INT(5) ZEROFILL", "42", "42"),
        ("TINYINT(1)", "1", "1"),
        ("TINYINT(1)", "-128", "-128"),
        ("BIT(1)", "b'1'", "1"),
        ("BIT(1)", "b'0'", "0"),
        ("BIT(64)", "b'" + "1" * 64 + "'", "18446744073709551615"),
        ("FLOAT", "16777215", "16777215"),
        ("FLOAT", "0.1", "0.1"),
        ("DOUBLE", "0.1 + 2e-1", "0.30000000000000004"),
        ("DATE", "'9999-12-31'", '"9999-12-31"'),
        ("DATETIME(6)", "'2026-11-05 10:00:00.5'", '"2026-11-05T10:00:00.500000"'),
        ("DATETIME", "'2026-11-05 10:00:00'", '"2026-11-05T10:00:00"'),
        ("TIMESTAMP NULL", "FROM_UNIXTIME(1793860200)", '"2026-11-05T06:30:00Z"'),
        ("TIME", "'-838:59:59'", '"-838:59:59"'),
        ("YEAR", "2026", "2026"),
        ("VARCHAR(50)", "''", '""'),
        ("VARCHAR(50)", r"'a\"b\\\n😀'", '"a\\"b\\\\\\n😀"'),
        ("VARCHAR(50)", r"'a\0b'", '"a\\u0000b"'),
        ("ENUM('open', 'closed')", "'closed'", '"closed"'),
        ("INT", "NULL", ""),
    ],
)
def test_a_value_is_sent_as_it_is(bank: MariaDb, tmp_path: Path, type_: str, value: str, sent: str) -> None:
    assert value_in(bank, tmp_path, type_, value) == (sent, [])


def value_in(bank: MariaDb, tmp_path: Path, type_: str, value: str) -> tuple[str, list[str]]:
    """Return a value as it would be sent, and why it would be refused."""
    bank.execute(
        "SET SESSION sql_mode = ''",
        "DROP TABLE IF EXISTS one",
        f"CREATE TABLE one (id VARCHAR(5), value {type_}, one INT)",
    )
    bank.execute("SET SESSION sql_mode = '', SESSION time_zone = '+05:30'", f"INSERT INTO one VALUES ('a', {value}, 1)")
    lines, reasons = lines_of(DatabaseQuery(bank.url, table="one"), tmp_path, PASSWORD)
    sent = lines[0].removeprefix('{"id":"a","data":{').removesuffix('"one":1}}') if lines else ""
    return sent.removesuffix(",").removeprefix('"value":'), reasons


@pytest.mark.parametrize(
    ("type_", "value"), [("DATE", "'0000-00-00'"), ("DATETIME", "'0000-00-00 00:00:00'"), ("DATE", "'2026-11-00'")]
)
def test_a_day_that_is_none_makes_its_record_invalid(bank: MariaDb, tmp_path: Path, type_: str, value: str) -> None:
    assert value_in(bank, tmp_path, type_, value) == ("", ["column 'value' is not a date in the years 0 to 9999"])


def test_bytes_have_no_form_and_are_named(bank: MariaDb, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'value' holds binary"):
        value_in(bank, tmp_path, "VARBINARY(5)", "x'00ff'")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"table": "nowhere"}, "nowhere"),
        ({"query": "SELECT nothing FROM loans"}, "nothing"),
        ({"query": "SELEC 1"}, "syntax"),
        ({"query": "SELECT 1 AS id, 2 AS id"}, "Duplicate column"),
        ({"query": "SELECT 1 AS other"}, r"source\.id"),
    ],
)
def test_a_wrong_question_is_the_configurations(bank: MariaDb, tmp_path: Path, asked: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spooled(DatabaseQuery(bank.url, **asked), tmp_path, PASSWORD)


def test_a_wrong_password_is_a_refusal(bank: MariaDb, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="SOURCE_PASSWORD") as raised:
        spooled(DatabaseQuery(bank.url, table="loans"), tmp_path, "canary")
    assert "canary" not in str(raised.value)


def test_a_cut_in_mid_result_is_read_again_from_the_start(bank: MariaDb, tmp_path: Path) -> None:
    with Proxy(bank.port, after=500_000, connections=1) as proxy:
        asked = DatabaseQuery(bank.url_by(proxy.port), table="loans")
        lines, reasons = lines_of(asked, tmp_path, PASSWORD, retry_window_s=60.0)
        assert proxy.accepted == 2
    assert (len(lines), len(set(lines)), reasons) == (ROWS, ROWS, [])


def test_a_connection_that_falls_silent_is_given_up(
    bank: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_watch, "SILENCE_S", 1.0)
    # The server must have so much to send that it waits for us: what it could send is in the buffers between us.
    query = "SELECT id, emi, REPEAT(note, 50) AS note FROM loans"
    proxy = Proxy(bank.port, after=500_000, connections=1, holds=True)
    with proxy, pytest.raises(Interrupted, match="was lost"):
        spooled(DatabaseQuery(bank.url_by(proxy.port), query=query), tmp_path, PASSWORD)


def test_a_query_that_takes_long_to_begin_is_waited_for(
    bank: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_watch, "SILENCE_S", 0.5)
    asked = DatabaseQuery(bank.url, query="SELECT id, emi FROM loans, (SELECT SLEEP(3) AS slow) AS slow")
    lines, _ = lines_of(asked, tmp_path, PASSWORD)
    assert len(lines) == ROWS


def test_the_server_is_looked_at(bank: MariaDb) -> None:
    told = [finding.text for finding in look_at(DatabaseQuery(bank.url, table="loans"), password=lambda: PASSWORD)]
    assert "as reader@%" in told[0]
    assert "rows" in told[1]


def test_a_night_from_the_database_to_the_api(make_engine: Callable[..., Engine], bank: MariaDb) -> None:
    engine = make_engine()
    engine.tables["source"] = {"database": bank.url, "table": "loans", "id": "id", "exclude": ["note"]}
    engine.configure(upload={"batch_size": 1000})
    engine.env["SOURCE_PASSWORD"] = PASSWORD
    outcome = engine.sync()
    assert outcome.exit_code == 0, outcome.err
    arrived = engine.server.state()
    assert (len(arrived), arrived["loan_7"]) == (ROWS, {"emi": 7.7})
