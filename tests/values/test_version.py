"""The version that the engine says it has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import engine
from engine.values import VERSION

PROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def test_it_is_that_of_the_project() -> None:
    assert tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"] == VERSION == engine.__version__
