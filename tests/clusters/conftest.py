"""What tests with real clusters share: a stand-in for each test, with its token where drivers look for one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.simulator.process import StandInProcess
from tests.documents import ROOT
from tests.stand_in import stand_in

TOKEN = "the-token-of-these-tests"
"""The same for all stand-ins: what a driver's processes inherit is fixed when the first of them starts."""


def pytest_configure() -> None:
    """Let workers find this Python, the engine and the tests."""
    os.environ |= {
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "TIMEPAY_TOKEN": TOKEN,
        "BULK_SYNC_WRONG_TOKEN": "another",
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let warnings be: they are those of the cluster's own libraries."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture
def make_server() -> Iterator[Callable[..., StandInProcess]]:
    """Start stand-ins that all take the same token."""
    running: list[StandInProcess] = []

    def start(**settings: Any) -> StandInProcess:
        running.append(stand_in(token=TOKEN, **settings))
        return running[-1].__enter__()

    yield start
    for server in running:
        server.__exit__(None, None, None)


def target(server: StandInProcess, tmp_path: Path) -> dict[str, Any]:
    """Return where a job sends its records, and how fast."""
    return {
        "url": server.url,
        "campaign_id": server.campaign_id,
        "id": "loan_id",
        "state_dir": str(tmp_path / "state"),
        "requests_per_second": 200,
        "batch_size": 500,
    }


def reports(tmp_path: Path) -> list[dict[str, Any]]:
    """Return the reports of all runs, oldest first; nothing that tasks have kept may be left beside them."""
    assert not (tmp_path / "state" / "parts").exists()
    found = sorted((tmp_path / "state" / "runs").glob("*/report.json"))
    return [json.loads(path.read_bytes()) for path in found]


def sums(report: dict[str, Any]) -> dict[str, int]:
    """Return what its records became, without what no record became, after holding the sum against them."""
    records = dict(report["records"])
    read, _ = records["read"], records.pop("filtered")
    assert sum(records.values()) == 2 * read
    return {name: count for name, count in records.items() if count}


def once(marker: Path) -> bool:
    """Return whether this is the first call with this marker, whatever process calls."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
