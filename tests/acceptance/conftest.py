"""What acceptance tests share: an engine installation beside a fresh stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.stand_in import stand_in


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Give a function that starts a stand-in with flags and an engine beside it; stop the stand-ins at the end."""
    with ExitStack() as servers:

        def make(**flags: Any) -> Engine:
            engine = Engine(tmp_path, servers.enter_context(stand_in(**flags)))
            engine.configure(source={"path": "loans.ndjson"})
            return engine

        yield make
