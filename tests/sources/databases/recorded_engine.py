"""The engine in a process of its own, where the drivers of SQL Server and Oracle give out recorded answers.

`python -m tests.sources.databases.recorded_engine sync …` is `python -m engine sync …`.
"""

from __future__ import annotations

import sys
from typing import Any

import mssql_python
import oracledb

from engine.__main__ import command
from engine.sources.databases import mssql_facts, oracle_facts
from tests.sources.databases import portfolio, recorded
from tests.sources.databases.recorded import Answer


def oracle(**given: Any) -> recorded.Recorded:
    assert given["password"] == recorded.PASSWORD
    return recorded.oracle(
        {
            **portfolio.oracle_answers(),
            oracle_facts.WHO: Answer(rows=[("READER", "BANK", "23.0.0.0.0")]),
            oracle_facts.POLICIES: Answer(rows=[("BANK", "LOANS", "BRANCH_ONLY")]),
        }
    )


def mssql(given: str, **_: Any) -> recorded.Recorded:
    assert f"PWD={{{recorded.PASSWORD}}}" in given
    return recorded.mssql(
        {
            **portfolio.mssql_answers(),
            mssql_facts.WHO: Answer(rows=[("16.0.4175.1", "reader", "reader")]),
            mssql_facts.POLICIES: Answer(),
        }
    )


if __name__ == "__main__":
    drivers: list[tuple[Any, Any]] = [(oracledb, oracle), (mssql_python, mssql)]
    for driver, connect in drivers:
        driver.connect = connect
    sys.exit(command())
