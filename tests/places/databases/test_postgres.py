"""PostgreSQL, a real one: every value as it is, all rows or none, and what is said when that cannot be."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.sources.databases import postgres as module
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.spooling import look_at
from engine.values.errors import AccessRefused, ConfigError, Interrupted, SourceUntrusted
from tests.acceptance.engine_process import Engine, wait_until_it_says
from tests.places.databases.postgres import PASSWORD, PgBouncer, Postgres
from tests.places.databases.proxy import Proxy
from tests.places.databases.reading import lines_of, spooled

ROWS = 20_000
LOANS = f"""
CREATE TABLE loans AS SELECT 'loan_' || i AS id, (i * 1.10)::numeric(12, 2) AS emi, date '2026-11-05' + i % 28 AS due,
    repeat('x', 100) AS note FROM generate_series(1, {ROWS}) AS i
"""


@pytest.fixture(scope="module")
def bank(postgres: Postgres) -> Postgres:
    postgres.execute("DROP TABLE IF EXISTS loans", LOANS)
    return postgres


def values_of(postgres: Postgres, tmp_path: Path, expression: str) -> tuple[str, list[str]]:
    """Return a value as it would be sent, and why it would be refused."""
    asked = DatabaseQuery(postgres.url, query=f"SELECT 'a' AS id, {expression} AS value, 1 AS one")
    lines, reasons = lines_of(asked, tmp_path, PASSWORD)
    sent = lines[0].removeprefix('{"id":"a","data":{').removesuffix('"one":1}}') if lines else ""
    return sent.removesuffix(",").removeprefix('"value":'), reasons


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("12.50::numeric(10, 2)", "12.50"),
        ("12.500::numeric", "12.500"),
        ("333333333333333333333333333333.3333::numeric", "333333333333333333333333333333.3333"),
        ("repeat('9', 60)::numeric", "9" * 60),
        ("-0.00::numeric", "0.00"),
        ("1200::numeric(5, -2)", "1200"),
        ("9223372036854775807::bigint", "9223372036854775807"),
        ("(-32768)::smallint", "-32768"),
        ("4294967295::oid", "4294967295"),
        ("0.1::real", "0.1"),
        ("0.1::float8 + 0.2", "0.30000000000000004"),
        ("5e-324::float8", "5e-324"),
        ("1.7976931348623157e308::float8", "1.7976931348623157e+308"),
        ("true", "true"),
        ("'-$1,234.50'::money", "-1234.50"),
        ("date '9999-12-31'", '"9999-12-31"'),
        ("date '0001-01-01'", '"0001-01-01"'),
        ("timestamptz '2026-11-05 10:00:00+05:30'", '"2026-11-05T04:30:00Z"'),
        ("timestamptz '2026-11-05 10:00:00.000001Z'", '"2026-11-05T10:00:00.000001Z"'),
        ("timestamp '2026-11-05 10:00:00.5'", '"2026-11-05T10:00:00.500000"'),
        ("time '23:59:59.999999'", '"23:59:59.999999"'),
        ("interval '1 day 2 hours'", '"P1DT2H"'),
        ("''::text", '""'),
        ("E'a\"b\\\\\\n,\\u00e4'", '"a\\"b\\\\\\n,ä"'),
        ("'ab '::char(5)", '"ab   "'),
        ("'null'::jsonb", ""),
        ('\'{"a": 1.50, "b": [null]}\'::jsonb', '{"a": 1.50, "b": [null]}'),
        ("E'{\\n\"a\":\\t1}'::json", '{ "a":\t1}'),
        ("ARRAY[1.50, NULL]", "[1.50,null]"),
        ("ARRAY['a,b', '\"']", '["a,b","\\""]'),
        ("ARRAY[]::int[]", "[]"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
        ("inet '10.0.0.1/8'", '"10.0.0.1/8"'),
        ("NULL::text", ""),
        ("NULL::int[]", ""),
    ],
)
def test_a_value_is_sent_as_it_is(postgres: Postgres, tmp_path: Path, expression: str, sent: str) -> None:
    assert values_of(postgres, tmp_path, expression) == (sent, [])


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("'NaN'::numeric", "column 'value' is not a number"),
        ("'Infinity'::float8", "column 'value' is not a finite number"),
        ("timestamptz 'infinity'", "column 'value' is not a date in the years 0 to 9999"),
        ("date '-infinity'", "column 'value' is not a date in the years 0 to 9999"),
        ("date '4713-01-01 BC'", "column 'value' is not a date in the years 0 to 9999"),
        ("timestamp '294276-12-31 23:59:59'", "column 'value' is not a date in the years 0 to 9999"),
        ("time '24:00:00'", "column 'value' is not a time of day"),
    ],
)
def test_a_value_without_a_form_makes_its_record_invalid(
    postgres: Postgres, tmp_path: Path, expression: str, reason: str
) -> None:
    assert values_of(postgres, tmp_path, expression) == ("", [reason])


def test_bytes_have_no_form_and_are_named_before_a_row_is_read(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'value' holds binary"):
        values_of(postgres, tmp_path, "'\\x00ff'::bytea")


def test_a_day_of_the_year_0_is_what_parquet_would_send(postgres: Postgres, tmp_path: Path) -> None:
    assert values_of(postgres, tmp_path, "date '0001-12-31 BC'") == ('"0000-12-31"', [])


def test_integers_of_any_length_can_be_ids(postgres: Postgres, tmp_path: Path) -> None:
    asked = DatabaseQuery(postgres.url, query="SELECT 123456789012345678901234567890::numeric(30) AS id, 1 AS a;")
    assert lines_of(asked, tmp_path, PASSWORD) == (['{"id":"123456789012345678901234567890","data":{"a":1}}'], [])


def test_rows_of_child_tables_are_read(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS parent CASCADE",
        "CREATE TABLE parent (id text, a int)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES ('p', 1)",
        "INSERT INTO child VALUES ('c', 2)",
    )
    lines, _ = lines_of(DatabaseQuery(postgres.url, table="public.parent"), tmp_path, PASSWORD)
    assert sorted(lines) == ['{"id":"c","data":{"a":2}}', '{"id":"p","data":{"a":1}}']


def test_names_are_exact_whatever_is_in_them(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute(
        'DROP TABLE IF EXISTS "Odd ""name.x"', 'CREATE TABLE "Odd ""name.x" AS SELECT \'a\' AS id, 1 AS "B,b"'
    )
    asked = DatabaseQuery(postgres.url, table='"Odd ""name.x"')
    assert lines_of(asked, tmp_path, PASSWORD) == (['{"id":"a","data":{"B,b":1}}'], [])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"table": "nowhere"}, 'relation "nowhere" does not exist'),
        ({"query": "SELECT nothing FROM loans"}, 'column "nothing" does not exist'),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "SELECT 1 AS id; SELECT 2 AS id"}, "multiple commands"),
        ({"query": "DELETE FROM loans RETURNING id, emi"}, "read-only"),
        ({"query": "SELECT 1 AS id, 2 AS id"}, "same name, 'id'"),
        ({"query": "SELECT 1 AS other"}, r"source\.id"),
    ],
)
def test_a_wrong_question_is_the_configurations(bank: Postgres, tmp_path: Path, asked: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spooled(DatabaseQuery(bank.url, **asked), tmp_path, PASSWORD)


def test_a_comment_behind_the_query_hides_nothing(bank: Postgres, tmp_path: Path) -> None:
    lines, _ = lines_of(DatabaseQuery(bank.url, query="SELECT id, emi FROM loans -- all of them"), tmp_path, PASSWORD)
    assert len(lines) == ROWS


def test_a_table_that_may_not_be_read_is_a_refusal(bank: Postgres, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="permission denied"):
        spooled(DatabaseQuery(bank.url.replace("reader", "stranger"), table="loans"), tmp_path, PASSWORD)


def test_a_value_that_the_query_fails_on_is_not_repeated(bank: Postgres, tmp_path: Path) -> None:
    asked = DatabaseQuery(bank.url, query="SELECT id, note::int AS a FROM loans")
    with pytest.raises(SourceUntrusted, match="fails on a value") as raised:
        spooled(asked, tmp_path, PASSWORD)
    assert "xxx" not in str(raised.value)


def test_a_cut_in_mid_result_is_read_again_from_the_start(bank: Postgres, tmp_path: Path) -> None:
    with Proxy(bank.port, after=500_000, connections=1) as proxy:
        asked = DatabaseQuery(bank.url_by(proxy.port), table="loans")
        lines, reasons = lines_of(asked, tmp_path, PASSWORD, retry_window_s=60.0)
        assert proxy.accepted == 2
    assert (len(lines), len(set(lines)), reasons) == (ROWS, ROWS, [])


def test_cuts_that_do_not_end_are_75_and_leave_nothing(bank: Postgres, tmp_path: Path) -> None:
    with Proxy(bank.port, after=500_000) as proxy, pytest.raises(Interrupted, match="lost in mid-read"):
        spooled(DatabaseQuery(bank.url_by(proxy.port), table="loans"), tmp_path, PASSWORD)
    assert list(tmp_path.iterdir()) == []


def test_nobody_at_the_port_is_75(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="cannot be reached"):
        spooled(DatabaseQuery("postgresql://reader@127.0.0.1:9/bank", table="loans"), tmp_path, PASSWORD)


def test_a_connection_that_falls_silent_is_given_up(
    bank: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 1.0)
    proxy = Proxy(bank.port, after=500_000, connections=1, holds=True)
    with proxy, pytest.raises(Interrupted, match="nothing has come"):
        spooled(DatabaseQuery(bank.url_by(proxy.port), table="loans"), tmp_path, PASSWORD)


def test_a_query_that_takes_long_to_begin_is_waited_for(
    bank: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.5)
    asked = DatabaseQuery(bank.url, query="SELECT id, emi FROM loans, (SELECT pg_sleep(3)) AS slow")
    lines, _ = lines_of(asked, tmp_path, PASSWORD)
    assert len(lines) == ROWS


def test_a_statement_timeout_is_named_when_it_strikes_again(bank: Postgres, tmp_path: Path) -> None:
    bank.execute("ALTER ROLE reader SET statement_timeout = '300ms'")
    try:
        asked = DatabaseQuery(bank.url, query="SELECT id, emi FROM loans, (SELECT pg_sleep(2)) AS slow")
        with pytest.raises(SourceUntrusted, match=r"statement timeout, twice"):
            spooled(asked, tmp_path, PASSWORD, retry_window_s=60.0)
    finally:
        bank.execute("ALTER ROLE reader RESET statement_timeout")


def test_a_pooler_in_transaction_mode_is_as_good(bank: Postgres, tmp_path: Path) -> None:
    with PgBouncer(bank) as pooler:
        lines, _ = lines_of(DatabaseQuery(pooler.url, table="loans"), tmp_path, PASSWORD)
        assert len(lines) == ROWS
        with pytest.raises(AccessRefused):
            spooled(DatabaseQuery(pooler.url, table="loans"), tmp_path, "wrong")


def test_row_policies_are_told_of(postgres: Postgres) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS hidden",
        "CREATE TABLE hidden AS SELECT 'a' AS id, 1 AS a",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
    )
    findings = look_at(DatabaseQuery(postgres.url, table="hidden"), password=lambda: PASSWORD)
    assert [finding.text for finding in findings if finding.is_warning] == [
        "row policies of hidden apply to reader: rows that they hide are not read"
    ]


def engine_of(make_engine: Callable[..., Engine], bank: Postgres, **source: Any) -> Engine:
    engine = make_engine()
    engine.tables["source"] = {"database": bank.url, "table": "loans", "id": "id", "exclude": ["note"]} | source
    engine.configure(upload={"batch_size": 1000})
    engine.env["SOURCE_PASSWORD"] = PASSWORD
    return engine


def has_all(engine: Engine) -> bool:
    arrived = engine.server.state()
    return len(arrived) == ROWS and arrived["loan_7"] == {"emi": 7.7, "due": "2026-11-12"}


def test_a_night_from_the_database_to_the_api(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    engine = engine_of(make_engine, bank)
    outcome = engine.sync()
    assert outcome.exit_code == 0, outcome.err
    assert outcome.report["source"] == f"{bank.url} (table loans)"
    assert has_all(engine)
    assert not (engine.home / "engine-state" / "spool").exists()


def test_a_wrong_password_is_77_and_stands_nowhere(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    engine = engine_of(make_engine, bank)
    engine.env["SOURCE_PASSWORD"] = "canary-of-a-password"
    outcome = engine.sync()
    assert outcome.exit_code == 77
    assert "SOURCE_PASSWORD" in outcome.err
    written = [path.read_bytes() for path in engine.home.rglob("*") if path.is_file()]
    assert all(b"canary" not in each for each in [outcome.out.encode(), outcome.err.encode(), *written])


@pytest.mark.parametrize("holds_at", [3_000, 600_000])
def test_a_process_that_is_killed_while_it_reads_leaves_the_next_one_all(
    make_engine: Callable[..., Engine], bank: Postgres, holds_at: int
) -> None:
    with Proxy(bank.port, after=holds_at, connections=1, holds=True) as proxy:
        engine = engine_of(make_engine, bank, database=bank.url_by(proxy.port))
        process = engine.start("sync")
        proxy.wait()
        assert PASSWORD.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()
        process.communicate()
        assert engine.sync().exit_code == 0
    assert has_all(engine)
    assert not (engine.home / "engine-state" / "spool").exists()


def test_a_process_that_is_killed_while_it_sends_goes_on_with_what_it_has_read(
    make_engine: Callable[..., Engine], bank: Postgres
) -> None:
    engine = engine_of(make_engine, bank)
    engine.configure(upload={"requests_per_second": 5.0})
    process = engine.start("sync", "--log-format", "json")
    wait_until_it_says(process, b'"progress"')
    process.kill()
    process.communicate()
    [spool] = (engine.home / "engine-state" / "spool").iterdir()
    read_at = spool.stat().st_mtime_ns
    engine.configure(upload={"requests_per_second": 500.0})
    process = engine.start("sync", "--json")
    outcome = engine.outcome(process)
    assert outcome.exit_code == 0, outcome.err
    assert outcome.report["resumes"] == 1
    assert read_at
    assert b"database_read" not in outcome.err.encode()
    assert has_all(engine)


def test_a_signal_ends_a_read_at_once(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    with Proxy(bank.port, after=600_000, holds=True) as proxy:
        engine = engine_of(make_engine, bank, database=bank.url_by(proxy.port))
        process = engine.start("sync", "--json")
        proxy.wait()
        os.kill(process.pid, signal.SIGTERM)
        assert engine.outcome(process).exit_code == 75


def test_only_what_has_changed_is_sent(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    engine = engine_of(make_engine, bank)
    engine.configure(delta={"mode": "changed"})
    assert engine.sync().records == {"read": ROWS, "updated": ROWS}
    bank.execute("UPDATE loans SET emi = 1.00 WHERE id = 'loan_9'")
    try:
        assert engine.sync().records == {"read": ROWS, "unchanged": ROWS - 1, "updated": 1}
    finally:
        bank.execute("UPDATE loans SET emi = 9.90 WHERE id = 'loan_9'")
    assert json.dumps(engine.server.state()["loan_9"]["emi"]) == "1.0"


def test_init_check_and_dry_run(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    engine = engine_of(make_engine, bank)
    made = engine.run("init", bank.url, "--table", "loans", "--campaign", engine.server.campaign_id)
    assert made.exit_code == 0, made.err
    assert f'database = "{bank.url}"\ntable = "loans"' in made.out
    checked = engine.run("check")
    assert checked.exit_code == 0, checked.out
    assert "sessions are in UTC" in checked.out
    assert "rows" in checked.out
    assert "the first" in checked.out
    dry = engine.run("sync", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.err
    assert json.loads(dry.out)["records"]["to_send"] == ROWS
    assert '{"id":"loan_1","data":{"emi":1.10,"due":"2026-11-06"}}' in dry.out
    assert engine.server.state() == {}
    assert not (engine.home / "engine-state" / "spool").exists()


def test_check_says_what_the_next_sync_does(make_engine: Callable[..., Engine], bank: Postgres) -> None:
    engine = engine_of(make_engine, bank)
    engine.configure(upload={"requests_per_second": 5.0})
    process = engine.start("sync", "--log-format", "json")
    wait_until_it_says(process, b'"progress"')
    process.kill()
    process.communicate()
    assert "the next sync resumes it" in engine.run("check").out
    for spool in (engine.home / "engine-state" / "spool").iterdir():
        spool.unlink()
    assert "the next sync begins a new run instead" in engine.run("check").out
    engine.configure(upload={"requests_per_second": 500.0})
    assert engine.sync().exit_code == 0
    assert has_all(engine)
