"""Parquet as Spark, Redshift and damaged disks leave it: exact, `invalid` or 65; no other value, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from tests.acceptance.engine_process import Engine
from tests.sources.parquet.footers import I64, NUM_ROWS, NUM_VALUES, Struct, change_footer, chunk_of, row_groups_of

MakeEngine = Callable[..., Engine]


def engine_over(make_engine: MakeEngine, columns: dict[str, Any], **options: Any) -> tuple[Engine, Path]:
    engine = make_engine()
    path = engine.home / "loans.parquet"
    pq.write_table(pa.table(columns), path, **options)
    engine.configure(source={"path": "loans.parquet", "id": "loan_id"})
    return engine, path


def test_moments_of_any_year_arrive_as_they_are(make_engine: MakeEngine) -> None:
    closed = pa.array([datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2300, 6, 1)], pa.timestamp("us"))
    calls = pa.array([[datetime(9999, 12, 31)], [], None], pa.list_(pa.timestamp("us")))
    columns = {"loan_id": ["1", "2", "3"], "closed": closed, "calls": calls}
    engine, _ = engine_over(make_engine, columns, use_deprecated_int96_timestamps=True)
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {
        "1": {"closed": "9999-12-31T00:00:00", "calls": ["9999-12-31T00:00:00"]},
        "2": {"closed": "0001-01-01T00:00:00", "calls": []},
        "3": {"closed": "2300-06-01T00:00:00"},
    }


def test_what_has_no_right_form_is_invalid_and_named(make_engine: MakeEngine) -> None:
    times = pa.array([86_400_000, 0, 0], pa.int32()).cast(pa.time32("ms"))
    maps = pa.array([[], [("k", 1), ("k", 2)], [("k", 1)]], pa.map_(pa.string(), pa.int64()))
    engine, _ = engine_over(make_engine, {"loan_id": ["1", "2", "3"], "at": times, "more": maps})
    assert engine.sync().exit_code == 3
    assert engine.server.state() == {"3": {"at": "00:00:00", "more": {"k": 1}}}
    reasons = {reject["id"]: reject["reason"] for reject in engine.rejects()}
    assert reasons == {"1": "column 'at' is not a time of day", "2": "column 'more' holds a key twice"}


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: footer.update({NUM_ROWS: (I64, 0)}),
        lambda footer: chunk_of(row_groups_of(footer)[0], 1).update({NUM_VALUES: (I64, 0)}),
    ],
    ids=["no rows by the footer", "a column without values"],
)
def test_rows_that_the_footer_does_not_tell_of_are_65(
    make_engine: MakeEngine, change: Callable[[Struct], None]
) -> None:
    engine, path = engine_over(make_engine, {"loan_id": ["1", "2", "3", "4"], "x": [1, 2, 3, 4]}, row_group_size=2)
    change_footer(path, change)
    for command in (("sync",), ("sync", "--dry-run"), ("check",), ("init", "loans.parquet")):
        done = engine.run(*command)
        said = done.out + done.err
        assert (done.exit_code, "loans.parquet is damaged" in said, "Traceback" in said) == (65, True, False)
    assert engine.server.state() == {}
