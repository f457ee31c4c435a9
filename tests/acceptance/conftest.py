"""What acceptance tests share: an engine installation beside a fresh stand-in, and not to wait one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.stand_in import stand_in

SIDE_BY_SIDE = 4
"""How many tests are played at the same time. Half of what they take is waiting: for a pace, a retry, a deadline."""


@contextmanager
def engines(home: Path) -> Iterator[Callable[..., Engine]]:
    """Give a function that starts a stand-in with flags and an engine beside it; stop the stand-ins at the end."""
    with ExitStack() as servers:

        def make(**flags: Any) -> Engine:
            engine = Engine(home, servers.enter_context(stand_in(**flags)))
            engine.configure(source={"path": "loans.ndjson"})
            return engine

        yield make


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Return a function that starts a stand-in with flags and an engine beside it."""
    with engines(tmp_path) as make:
        yield make


@pytest.fixture(scope="session")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    """For tests that need nothing but `make_engine` and their parameters: they are played at the same time.

    Each has processes and a directory of its own. Its duration, as pytest shows it, is what was left of it to wait for;
    what it prints may be shown with another test.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield SideBySide(pool, tmp_path_factory)
        pool.shutdown(cancel_futures=True)  # some are left if the tests were told to stop at the first failure


class SideBySide:
    """Plays all such tests, in their order, as soon as the first one is asked for, and keeps how each of them ended."""

    def __init__(self, pool: ThreadPoolExecutor, directories: pytest.TempPathFactory) -> None:
        self._pool = pool
        self._directories = directories
        self._played: dict[str, Future[None]] = {}

    def play(self, test: pytest.Function) -> None:
        """Wait for the end of this test, and raise what it raised."""
        if test.nodeid not in self._played:
            for each in test.session.items:
                if isinstance(each, pytest.Function) and "side_by_side" in each.fixturenames:
                    home = self._directories.mktemp(re.sub(r"\W", "_", each.name)[:30])
                    self._played[each.nodeid] = self._pool.submit(play, each, home)
        self._played[test.nodeid].result()


def play(test: pytest.Function, home: Path) -> None:
    """Call the function of a test as pytest would, but with an engine in `home`."""
    parameters = test.callspec.params if hasattr(test, "callspec") else {}
    with engines(home) as make:
        test.obj(make_engine=make, **parameters)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Have tests played side by side; True says that the test was called."""
    player = pyfuncitem.funcargs.get("side_by_side")
    if not isinstance(player, SideBySide):
        return None
    player.play(pyfuncitem)
    return True
