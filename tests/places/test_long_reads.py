"""Reads that take four minutes, because the API is slow or the database is: limits of time are for silence alone.

`python -m pytest tests/places -m slow -n 5` runs them; nothing else does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import engine_process
from tests.acceptance.engine_process import Engine
from tests.places.databases.postgres import PASSWORD, Postgres
from tests.places.night_contract import SEED, Loan, configured
from tests.places.test_nights import PLACES

pytestmark = pytest.mark.slow

REQUESTS = 250
"""At one a second."""
CHUNK = 200
NOTE_BYTES = 1_600
"""So long that what is buffered on the way is read in a tenth of the time."""
LONG_S = 240
WAIT_S = 900


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "WAIT_S", WAIT_S)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def long_loans() -> list[Loan]:
    dice = random.Random(SEED)
    return [
        Loan(f"loan_{number:06d}", None, None, number, None, dice.randbytes(NOTE_BYTES // 2).hex(), None)
        for number in range(REQUESTS * CHUNK)
    ]


@pytest.mark.parametrize("store", ["s3", "az", "gs", "sftp"])
def test_an_object_is_read_for_as_long_as_the_api_takes(
    request: pytest.FixtureRequest, make_engine: Callable[..., Engine], tmp_path: Path, store: str
) -> None:
    place = PLACES[store](request, tmp_path, "ndjson")
    place.put(long_loans())
    pace: dict[str, Any] = {"batch_size": CHUNK, "requests_per_second": 1.0, "concurrency": 1}
    engine = configured(make_engine(), place, upload=pace)
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (0, 0), done.err
    assert done.records == {"read": REQUESTS * CHUNK, "updated": REQUESTS * CHUNK}
    assert done.report["duration_s"] > LONG_S


def test_a_cursor_is_read_for_as_long_as_the_database_takes(
    make_engine: Callable[..., Engine], postgres: Postgres
) -> None:
    rows = 5_000
    query = f"SELECT 'loan_' || n AS id, n AS days, pg_sleep(0.05)::text AS note FROM generate_series(1, {rows}) AS n"
    engine = make_engine()
    engine.tables["source"] = {"database": postgres.url, "query": query, "id": "id", "exclude": ["note"]}
    engine.env["SOURCE_PASSWORD"] = PASSWORD
    engine.configure()
    process = engine.start("sync", "--json", "--log-format", "json")
    done = engine.outcome(process)
    assert (done.exit_code, done.records) == (0, {"read": rows, "updated": rows}), done.err
    assert done.err.count("database_read") == 1
