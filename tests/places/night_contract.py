"""The suite that every place passes: the same portfolio, with ugly values, gives the same state to the last digit.

A place says how a portfolio gets there and what `[source]` is; nights from it are run by the real command.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.acceptance.engine_process import Engine, Outcome
from tests.gateways.score import killed_in_mid_run, running

MakeEngine = Callable[..., Engine]

ROWS = 6_000
CHUNK = 200
SEED = 20261129


class Loan(NamedTuple):
    """A row, as values of Python."""

    id: str
    emi: Decimal | None
    rate: float | None
    days: int | None
    due: date | None
    note: str | None
    seen: datetime | None


UGLY = [
    Loan("ugly_0", Decimal("12.50"), 0.1, 2**63 - 1, date(2026, 11, 5), 'ä "quoted", 😀', datetime(2026, 11, 5, 4, 30)),
    Loan("ugly_1", Decimal("-0.01"), 0.1 + 0.2, 1 - 2**63, date(1001, 1, 1), "रमेश\nकुमार", datetime(1999, 12, 31, 23)),
    Loan("ugly_2", Decimal("9999999999.99"), -2.5, 0, date(9999, 12, 31), r"back\slash; 'single'", None),
    Loan("ugly_3", None, None, None, None, None, datetime(2000, 2, 29, 23, 59, 59, 999_999)),
    Loan("ugly 4 ü/%", Decimal("0.00"), 1234567.125, -1, date(2000, 2, 29), "0012", datetime(2026, 3, 29, 2, 30, 0, 1)),
]  # fmt: skip
"""Moments are in UTC, and are told with their zone where a place has one."""


def loans(count: int = ROWS) -> list[Loan]:
    """Return the ugly ones, and others whose bytes do not shrink much."""
    print(f"portfolio of seed {SEED}")
    dice = random.Random(SEED)
    usual = [
        Loan(
            f"loan_{number:06d}",
            Decimal(dice.randrange(10**9)).scaleb(-2),
            dice.randrange(10**6) + 0.125,
            dice.randrange(10**12),
            date(2026, 1, 1) + timedelta(dice.randrange(700)),
            dice.randbytes(40).hex(),
            datetime(2026, 11, 5) + timedelta(microseconds=dice.randrange(10**12)),
        )
        for number in range(count - len(UGLY))
    ]
    return [*usual[: count // 2], *UGLY, *usual[count // 2 :]]


def moment(seen: datetime) -> str:
    """Return how a moment is spelled, wherever it comes from."""
    fraction = f".{seen.microsecond:06d}" if seen.microsecond else ""
    return f"{seen:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def texts_of(loan: Loan) -> dict[str, str | None]:
    """Return the text of each value, as it is sent but for quotes."""
    plain = (loan.emi, loan.rate, loan.days, loan.due)
    names = ("emi", "rate", "days", "due")
    texts = {name: None if value is None else str(value) for name, value in zip(names, plain, strict=True)}
    return texts | {"note": loan.note, "seen": None if loan.seen is None else moment(loan.seen)}


def expected(portfolio: Sequence[Loan], lacks: frozenset[str] = frozenset()) -> dict[str, dict[str, str]]:
    """Return what the server must hold of each id: the JSON text of each value."""
    quoted = {"due", "note", "seen"}
    return {
        loan.id: {
            name: msgspec.json.encode(text).decode() if name in quoted else text
            for name, text in texts_of(loan).items()
            if text is not None and name not in lacks
        }
        for loan in portfolio
    }


def held(engine: Engine) -> dict[str, dict[str, str]]:
    """Return what the server holds of each id: the text of each value, as it was sent."""
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    found = {}
    for line in engine.server.record_lines():
        record = decode(line)
        values = decode(record["data"])
        texts = {name: bytes(value).decode() for name, value in values.items()}
        found[msgspec.json.decode(record["id"], type=str)] = {name: same_escapes(text) for name, text in texts.items()}
    return found


def assert_holds(engine: Engine, wanted: dict[str, dict[str, str]]) -> None:
    """See to it that the server holds these values of these ids, and no others; tell of a few that differ."""
    found = held(engine)
    other = [id_ for id_ in {**found, **wanted} if found.get(id_) != wanted.get(id_)]
    assert not other, [(id_, found.get(id_), wanted.get(id_)) for id_ in other[:3]]


def same_escapes(text: str) -> str:
    """Return a text with the escapes that JSON needs: what else an export escapes is its own affair."""
    return msgspec.json.encode(msgspec.json.decode(text)).decode() if text.startswith('"') else text


@dataclass
class NightPlace:
    """A place that portfolios are read from.

    `put` makes a portfolio what lies there. `lacks` are the fields for which it has no type. `holding`, where it is
    remote, is a way to it on which a read is stopped in its midst; it yields what waits until that has happened.
    """

    source: dict[str, Any]
    put: Callable[[Sequence[Loan]], None]
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()
    holding: Callable[[], Any] | None = None

    @contextmanager
    def held_back(self) -> Iterator[Callable[[], None]]:
        """See `holding`; within, `source` leads there by a way that stops once."""
        if self.holding is None:
            pytest.skip("a place on this machine cannot be silent")
        with self.holding() as (source, wait):
            usual, self.source = self.source, {**self.source, **source}
            try:
                yield wait
            finally:
                self.source = usual


def configured(engine: Engine, place: NightPlace, **tables: Mapping[str, Any]) -> Engine:
    """Let an engine read from a place."""
    engine.env |= place.env
    exclude = {"exclude": sorted(place.lacks)} if place.lacks else {}
    engine.tables["source"] = {"id": "id", **exclude, **place.source}
    usual: dict[str, Any] = {"upload": {"batch_size": CHUNK, "concurrency": 4}, "delta": {"feed": "loans"}}
    engine.configure(**{**usual, **{name: dict(table) for name, table in tables.items()}})
    return engine


def assert_secrets_are_nowhere(engine: Engine, place: NightPlace, *done: Outcome) -> None:
    """Look for what is secret in all that was written and said."""
    written = {path: path.read_bytes() for path in engine.home.rglob("*") if path.is_file()}
    said = [text.encode() for outcome in done for text in (outcome.out, outcome.err)]
    assert any("report.json" in path.name for path in written)
    for secret in (*place.secrets, engine.server.token):
        assert not [path for path, content in written.items() if secret.encode() in content], secret
        assert not [text for text in said if secret.encode() in text], secret


def assert_private(home: Path) -> None:
    """See to it that what holds records may be read by nobody else."""
    spools = list((home / "engine-state").glob("spool/*"))
    assert not [path for path in spools if path.stat().st_mode & 0o077]


class TestNights:
    """What each place promises; a module that imports it has a fixture `night`."""

    def test_the_state_is_the_portfolios_to_the_last_digit(self, make_engine: MakeEngine, night: NightPlace) -> None:
        portfolio = loans()
        night.put(portfolio)
        engine = configured(make_engine(), night)
        done = engine.sync()
        assert (done.exit_code, done.records) == (0, {"read": ROWS, "updated": ROWS}), done.err
        assert_holds(engine, expected(portfolio, night.lacks))
        assert_secrets_are_nowhere(engine, night, done)

    def test_the_next_night_sends_what_has_changed_and_tells_who_is_gone(
        self, make_engine: MakeEngine, night: NightPlace
    ) -> None:
        portfolio = loans()
        night.put(portfolio)
        engine = configured(make_engine(), night, delta={"mode": "changed", "gone": {"note": "gone"}, "feed": "loans"})
        assert engine.sync().exit_code == 0
        again = engine.sync()
        assert again.records == {"read": ROWS, "unchanged": ROWS}, again.err
        *rest, moved, gone = portfolio
        moved = moved._replace(days=1, note="moved")
        night.put([*rest, moved])
        done = engine.sync()
        assert (done.exit_code, done.records) == (0, {"read": ROWS - 1, "unchanged": ROWS - 2, "updated": 1}), done.err
        assert (done.report["gone"]["found"], done.report["gone"]["updated"]) == (1, 1)
        closed = expected([gone], night.lacks)[gone.id] | {"note": '"gone"'}
        assert_holds(engine, expected([*rest, moved], night.lacks) | {gone.id: closed})
        assert_secrets_are_nowhere(engine, night, again, done)

    def test_guards_look_at_all_of_it_before_anything_is_sent(self, make_engine: MakeEngine, night: NightPlace) -> None:
        night.put(loans(100))
        engine = configured(make_engine(), night, guard={"min_records": ROWS})
        done = engine.sync()
        assert (done.exit_code, engine.server.state()) == (65, {}), done.err
        assert "min_records" in done.err

    def test_too_many_who_are_gone_are_not_told_so(self, make_engine: MakeEngine, night: NightPlace) -> None:
        portfolio = loans()
        night.put(portfolio)
        engine = configured(make_engine(), night, delta={"mode": "changed", "gone": {"note": "gone"}, "feed": "loans"})
        assert engine.sync().exit_code == 0
        night.put(portfolio[: ROWS // 2])
        done = engine.sync()
        assert (done.exit_code, done.report["gone"]["updated"]) == (65, 0), done.err
        assert_holds(engine, expected(portfolio, night.lacks))

    def test_a_kill_while_it_reads_leaves_the_next_one_all(self, make_engine: MakeEngine, night: NightPlace) -> None:
        portfolio = loans()
        night.put(portfolio)
        with night.held_back() as wait:
            engine = configured(make_engine(), night)
            with running(engine, "sync"):
                wait()
                assert_private(engine.home)
            done = engine.sync()
        assert done.exit_code == 0, done.err
        assert_holds(engine, expected(portfolio, night.lacks))
        assert engine.server.stats()["overlaps"] == 0
        assert_secrets_are_nowhere(engine, night, done)

    def test_a_kill_while_it_sends_is_gone_on_from(self, make_engine: MakeEngine, night: NightPlace) -> None:
        portfolio = loans()
        night.put(portfolio)
        engine = configured(make_engine(), night)
        with killed_in_mid_run(engine, answered=8):
            assert_private(engine.home)
        done = engine.sync()
        assert (done.exit_code, done.report["resumes"]) == (0, 1), done.err
        assert done.records == {"read": ROWS, "updated": ROWS}
        assert_holds(engine, expected(portfolio, night.lacks))
        assert engine.server.stats()["overlaps"] == 0
        assert_secrets_are_nowhere(engine, night, done)


def in_zone(seen: datetime | None) -> datetime | None:
    """Return a moment with its zone."""
    return None if seen is None else seen.replace(tzinfo=UTC)
