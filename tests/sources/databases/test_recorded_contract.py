"""What every database promises, of those two whose answers are recorded: SQL Server and Oracle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.sources.databases import spooling, worker
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.spooling import first_rows
from engine.sources.spec import SourceSpec
from engine.sources.stored.local import LocalStore
from engine.values.errors import AccessRefused, ConfigError, EngineError, Interrupted, SourceUntrusted
from tests.sources.databases import portfolio, recorded
from tests.sources.databases.recorded import PASSWORD, Recorded, lines_of, mssql_error, oracle_error, spooled

DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
SERVER = f"{DRIVER}[SQL Server]"


class Kind(NamedTuple):
    """One of the two: how it is asked, and how it complains."""

    asked: DatabaseQuery
    connection: Callable[..., Recorded]
    batch: Callable[[], pa.Table]
    cut: Callable[[], Exception]
    refused: Callable[[], Exception]
    away: Callable[[], Exception]
    on_a_value: Callable[[], Exception]
    ended: Callable[[], Exception]


def oracle_of(*batches: Any) -> Recorded:
    return recorded.oracle(portfolio.oracle_answers(*batches))


def mssql_of(*batches: Any) -> Recorded:
    return recorded.mssql(portfolio.mssql_answers(*batches))


KINDS = {
    "oracle": Kind(
        DatabaseQuery("oracle://reader@db.example.com/bank", query=portfolio.ORACLE_QUERY),
        oracle_of,
        portfolio.oracle_batch,
        lambda: oracle_error("DPY-4011: the database or network closed the connection"),
        lambda: oracle_error("ORA-01017: invalid username/password; logon denied", 1017),
        lambda: oracle_error("DPY-6005: cannot connect to database (CONNECTION_ID=x).\n[Errno 111] Connection refused"),
        lambda: oracle_error("ORA-01722: unable to convert string value containing 'secret of a customer'", 1722),
        lambda: oracle_error("ORA-01555: snapshot too old: rollback segment number 9 with name 'U9' too small", 1555),
    ),
    "mssql": Kind(
        DatabaseQuery("mssql://reader@db.example.com/bank", query=portfolio.MSSQL_QUERY),
        mssql_of,
        portfolio.mssql_batch,
        lambda: mssql_error("08S01", DRIVER + "TCP Provider: Error code 0x2746"),
        lambda: mssql_error("28000", SERVER + "Login failed for user 'reader'."),
        lambda: mssql_error("08001", DRIVER + "TCP Provider: Error code 0x2749"),
        lambda: mssql_error(
            "22018",
            SERVER + "Conversion failed when converting the varchar value 'secret of a customer'",
        ),
        lambda: mssql_error(
            "HY000",
            SERVER + "Snapshot isolation transaction aborted in database 'x'.",
        ),
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Have the driver give out recorded connections; see `put_in_place`."""
    monkeypatch.setattr(spooling, "PAUSES_S", (0.001,))

    def in_place(driver: str, connected: Any) -> None:
        monkeypatch.setattr(recorded.DRIVERS[driver], "connect", connected)

    return lambda *connections: recorded.put_in_place(connections, in_place)


def spec_of(kind: Kind, **more: Any) -> SourceSpec:
    return SourceSpec((kind.asked.label,), format="parquet", id="id", **more)


def test_the_same_portfolio_gives_the_same_lines(kind: Kind, connect: Any, tmp_path: Path) -> None:
    parquet.write_table(portfolio.as_parquet(), tmp_path / "same.parquet")
    [file] = LocalStore().list(str(tmp_path / "same.parquet"))
    expected = lines_of(file, SourceSpec((file.path,), format="parquet", id="id"))
    connection = kind.connection()
    connect(connection)
    found = spooled(kind.asked, tmp_path / "spool", spec_of(kind))
    assert lines_of(found, spec_of(kind)) == expected
    assert len(expected[0]) == len(portfolio.IDS)
    assert not [statement for statement in connection.asked if "NOLOCK" in statement.upper()]


def test_many_batches_are_all_read_and_the_connection_is_closed(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connection = kind.connection(*[kind.batch()] * 3)
    connect(connection)
    found = spooled(kind.asked, tmp_path, spec_of(kind))
    assert len(lines_of(found, spec_of(kind))[0]) == 3 * len(portfolio.IDS)
    for thread in threading.enumerate():
        if thread.name.startswith("reads "):
            thread.join(60)
    assert connection.closed


def test_the_first_rows_are_told_from_all(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.connection(*[kind.batch()] * 3), kind.connection())
    look = partial(first_rows, kind.asked, None, tmp_path, password=lambda: PASSWORD)
    assert look(rows_max=5)[1] is False
    assert look(rows_max=5)[1] is True


def test_a_cut_in_mid_read_is_read_again_from_the_start(kind: Kind, connect: Any, tmp_path: Path) -> None:
    given = connect(kind.connection(kind.batch(), kind.cut()), kind.away(), kind.connection())
    found = spooled(kind.asked, tmp_path, spec_of(kind), window_s=60.0)
    assert len(lines_of(found, spec_of(kind))[0]) == len(portfolio.IDS)
    assert len(given) == 3


def test_a_server_out_of_reach_is_75(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.away())
    with pytest.raises(Interrupted, match="cannot be reached"):
        spooled(kind.asked, tmp_path, spec_of(kind))
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_ends_a_read_twice_is_named(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(*[kind.connection(kind.batch(), kind.ended())] * 2)
    with pytest.raises(SourceUntrusted, match=r"[Ss]napshot.*twice: it would do so again"):
        spooled(kind.asked, tmp_path, spec_of(kind), window_s=60.0)


def test_a_refusal_is_77(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.refused())
    with pytest.raises(AccessRefused, match="SOURCE_PASSWORD"):
        spooled(kind.asked, tmp_path, spec_of(kind))


def test_a_query_that_fails_on_a_value_does_not_tell_it(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.connection(kind.batch(), kind.on_a_value()))
    with pytest.raises(SourceUntrusted, match="fails on a value") as raised:
        spooled(kind.asked, tmp_path, spec_of(kind))
    assert "secret of a customer" not in str(raised.value)


def test_a_wrong_statement_is_the_configurations(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.connection())
    asked = DatabaseQuery(kind.asked.url, query="SELEC 1")
    with pytest.raises(ConfigError, match="nothing was sent"):
        spooled(asked, tmp_path, spec_of(kind))


def test_a_column_that_is_missing_is_the_configurations(kind: Kind, connect: Any, tmp_path: Path) -> None:
    connect(kind.connection())
    with pytest.raises(ConfigError, match=r"no column 'nowhere' \(source\.fields\)"):
        spooled(kind.asked, tmp_path, spec_of(kind, fields=("nowhere",)))


def test_the_password_is_given_to_the_driver_alone(kind: Kind, connect: Any, tmp_path: Path) -> None:
    given = connect(kind.connection())
    spooled(kind.asked, tmp_path, spec_of(kind))
    assert PASSWORD in str(given)
    assert not [path for path in tmp_path.rglob("*") if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize("fault", ["refused", "away", "on_a_value", "ended", "cut"])
def test_no_message_holds_the_password(kind: Kind, connect: Any, tmp_path: Path, fault: str) -> None:
    connect(*[getattr(kind, fault)() for _ in range(2)])
    with pytest.raises(EngineError) as raised:
        spooled(kind.asked, tmp_path, spec_of(kind))
    assert PASSWORD not in str(raised.value)


def test_a_read_that_is_not_wanted_any_more_ends_between_two_batches(kind: Kind, connect: Any, tmp_path: Path) -> None:
    batches = 200
    wanted = iter(range(batches))

    def still_wanted() -> None:
        if next(wanted, None) is None:
            raise Interrupted("the deadline has passed")

    connect(kind.connection(*[kind.batch()] * 2 * batches))
    with pytest.raises(Interrupted, match="the deadline has passed"):
        spooled(kind.asked, tmp_path, spec_of(kind), still_wanted=still_wanted)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_driver_that_falls_silent_is_given_up(
    kind: Kind, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SILENCE_S", 0.2)
    monkeypatch.setattr(worker, "POLL_S", 0.05)
    goes_on = threading.Event()
    connection = kind.connection()
    usual = connection.answer

    def silent(statement: str) -> recorded.Answer:
        if "loans" in statement:
            goes_on.wait(60)
        return usual(statement)

    connection.answer = silent  # type: ignore[method-assign]
    connect(connection, kind.away())  # the second one is asked whether the server lives
    try:
        with pytest.raises(Interrupted, match="nothing has come"):
            spooled(kind.asked, tmp_path, spec_of(kind))
    finally:
        goes_on.set()


def test_a_server_that_lives_is_waited_for(
    kind: Kind, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SILENCE_S", 0.2)
    monkeypatch.setattr(worker, "POLL_S", 0.05)
    asked_again = threading.Event()
    connection, other = kind.connection(), kind.connection()
    usual = connection.answer

    def slow(statement: str) -> recorded.Answer:
        if "loans" in statement:
            assert asked_again.wait(60)
        return usual(statement)

    connection.answer = slow  # type: ignore[method-assign]
    other.close = asked_again.set  # type: ignore[method-assign]
    connect(connection, other)
    found = spooled(kind.asked, tmp_path, spec_of(kind))
    assert len(lines_of(found, spec_of(kind))[0]) == len(portfolio.IDS)
