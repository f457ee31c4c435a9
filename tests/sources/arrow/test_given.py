"""What a call gave, told without Arrow: tables, and what can be read twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest

from engine.sources.arrow.given import is_read_again, is_table

TABLE = pa.table({"id": ["a"]})


class Query:
    """As a relation of DuckDB: it knows how many rows it has, and is run anew each time."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError


async def pairs() -> AsyncIterator[Any]:
    yield "a", {}


@pytest.mark.parametrize(
    ("given", "is_one", "again"),
    [
        (TABLE, True, True),
        (TABLE.to_batches()[0], True, True),
        (TABLE.to_reader(), True, False),
        ([TABLE], False, True),
        ([TABLE, TABLE.to_reader()], False, False),
        (Query(), True, False),
        (iter([TABLE]), False, False),
        ([("a", {})], False, True),
        ({"a": {}}.items(), False, True),
        (pairs(), False, False),
    ],
)
def test_tables_and_what_can_be_read_twice(given: Any, is_one: bool, again: bool) -> None:
    assert (is_table(given), is_read_again(given)) == (is_one, again)


def test_to_tell_takes_no_arrow() -> None:
    program = "import sys, engine.sources; engine.sources.is_table([]); exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
