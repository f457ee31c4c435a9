"""Whole histories at random: nights, faults, kills, other jobs, damage; after each night the server equals the export.

The same histories every time; others, and more: `NIGHTS_SEED=7 NIGHTS_HISTORIES=40 python -m pytest
tests/acceptance/test_many_nights.py`. A failure prints the seed of its history and what had happened in it.
"""

from __future__ import annotations

import os

import pytest

from tests.acceptance.happenings import end, live_on
from tests.acceptance.history import History
from tests.acceptance.nights import MakeEngine

pytestmark = pytest.mark.nights


SEED = int(os.environ.get("NIGHTS_SEED", "16"))
HISTORIES = int(os.environ.get("NIGHTS_HISTORIES", "8"))
NIGHTS = 16


@pytest.mark.parametrize("seed", range(SEED, SEED + HISTORIES))
def test_after_each_night_the_server_equals_the_export(seed: int, make_engine: MakeEngine) -> None:
    print(f"history {seed}: NIGHTS_SEED={seed} NIGHTS_HISTORIES=1")
    history = History(make_engine(seed=seed), seed)
    for _ in range(NIGHTS):
        live_on(history)
    end(history)
