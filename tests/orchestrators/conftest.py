"""A night for a recipe: a portfolio, a configuration, and a stand-in that takes the records."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.simulator.process import StandInProcess
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.documents import ROOT
from tests.stand_in import stand_in

RECIPES = ROOT / "docs" / "recipes"


def pytest_configure() -> None:
    """Give each orchestrator a home of its own, before it is imported, and nobody to tell."""
    home = Path(tempfile.mkdtemp(prefix="orchestrator-"))
    os.environ |= {
        "ORCHESTRATOR_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(RECIPES),
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "BULK_SYNC_CONFIG": str(home / "config.toml"),
    }


def pytest_unconfigure() -> None:
    """Delete that home."""
    shutil.rmtree(os.environ["ORCHESTRATOR_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let warnings be: they are those of the orchestrators."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("default"))


class Night(NamedTuple):
    """What is to be brought where."""

    server: StandInProcess
    state_dir: Path
    loans: dict[str, Any]

    def report(self) -> dict[str, Any]:
        """Return the report of the one run."""
        [path] = (self.state_dir / "runs").glob("*/report.json")
        report: dict[str, Any] = json.loads(path.read_bytes())
        return report


@pytest.fixture
def make_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Night]]:
    """Make a night whose token is right, or another one."""
    with stand_in() as server:

        def make(*, refused: bool = False, upload: str = "") -> Night:
            loans = portfolio(100)
            write_ndjson(tmp_path / "loans.ndjson", loans)
            Path(os.environ["BULK_SYNC_CONFIG"]).write_text(
                f"[api]\nurl = '{server.url}'\ncampaign_id = '{server.campaign_id}'\n"
                f"[source]\npath = '{tmp_path}/loans.ndjson'\n[upload]\n{upload}\n[state]\ndir = '{tmp_path}/state'\n",
                encoding="utf-8",
            )
            monkeypatch.setenv("TIMEPAY_TOKEN", "another" if refused else server.token)
            return Night(server, tmp_path / "state", loans)

        yield make
