"""The recipe for Prefect: its flow runs, and tries again only what may go on."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("prefect", reason="Prefect is not installed")

from prefect.testing.utilities import prefect_test_harness

from tests.orchestrators.conftest import RECIPES, Night


@pytest.fixture(scope="module", autouse=True)
def harness() -> Iterator[None]:
    """A server of Prefect's own for these tests."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def recipe() -> dict[str, Any]:
    return runpy.run_path(str(RECIPES / "prefect_flow.py"))


def test_the_night_is_brought_home(recipe: dict[str, Any], make_night: Callable[..., Night]) -> None:
    night = make_night()
    assert asyncio.run(recipe["portfolio"]())["updated"] == 100
    assert night.server.state() == night.loans


def test_what_a_person_must_look_at_is_not_tried_again(
    recipe: dict[str, Any], make_night: Callable[..., Night]
) -> None:
    night = make_night(refused=True)
    with pytest.raises(RuntimeError, match="token"):
        asyncio.run(recipe["portfolio"]())
    assert night.report()["exit_code"] == 77


def test_a_night_that_was_interrupted_goes_on(recipe: dict[str, Any], make_night: Callable[..., Night]) -> None:
    """The first request meets an outage that nobody waits for; the second call goes on with the same run."""
    night = make_night(upload="retry_window_s = 0")
    night.server.change(fault=["503:first=1"])
    at_once = recipe["sync"].with_options(retry_delay_seconds=0)
    recipe["portfolio"].fn.__globals__["sync"] = at_once
    assert asyncio.run(recipe["portfolio"]())["updated"] == 100
    assert night.report()["resumes"] == 1
    assert night.server.state() == night.loans
