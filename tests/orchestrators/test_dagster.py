"""The recipe for Dagster: its definitions load, and its job runs."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any

import pytest

dagster = pytest.importorskip("dagster", reason="Dagster is not installed")

from tests.orchestrators.conftest import RECIPES, Night  # noqa: E402  (after what tells whether there is a Dagster)


def run() -> Any:
    names = runpy.run_path(str(RECIPES / "dagster_job.py"))
    job = names["definitions"].resolve_job_def("nightly")
    with dagster.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


def test_the_night_is_brought_home(make_night: Callable[..., Night]) -> None:
    night, done = make_night(), run()
    assert done.success
    [made] = done.asset_materializations_for_node("portfolio")
    assert made.metadata["updated"].value == 100
    assert night.server.state() == night.loans


def test_what_a_person_must_look_at_is_not_tried_again(make_night: Callable[..., Night]) -> None:
    night, done = make_night(refused=True), run()
    assert not done.success
    assert not [event for event in done.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert night.report()["exit_code"] == 77
