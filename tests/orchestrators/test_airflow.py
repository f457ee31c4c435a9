"""The recipe for Airflow: its DAG is parsed and its task run, as Airflow does it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow", reason="Airflow is not installed")

from tests.orchestrators.conftest import RECIPES, Night


@pytest.fixture(scope="module")
def dag() -> Any:
    """The DAG, from the folder of recipes."""
    airflow = Path(sys.executable).parent / "airflow"
    subprocess.run([str(airflow), "db", "migrate"], check=True, capture_output=True, timeout=300)
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(str(RECIPES / "airflow_dag.py"), bundle_path=RECIPES, bundle_name="recipes")
    assert not found.import_errors
    return found.dags["portfolio"]


def state_of(run: Any) -> str:
    return str(getattr(run.state, "value", run.state))


def test_the_night_is_brought_home(dag: Any, make_night: Callable[..., Night]) -> None:
    night = make_night()
    assert state_of(dag.test()) == "success"
    assert night.report()["status"] == "succeeded"
    assert night.server.state() == night.loans


def test_what_a_person_must_look_at_is_not_tried_again(dag: Any, make_night: Callable[..., Night]) -> None:
    night = make_night(refused=True)
    assert state_of(dag.test()) == "failed"
    assert night.report()["exit_code"] == 77
