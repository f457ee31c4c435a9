"""Nights to look at: real syncs of a made-up portfolio to the stand-in, each with another end, put back to their dates.

good   good   some refused   good   none begun   good   token refused   stopped   some refused, all sent again
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.backdating import begun_at, put_back
from benchmarks.results import progress
from benchmarks.terminal import Screen, on_terminal
from engine.commands.demo.portfolio import write
from engine.simulator.process import StandInProcess
from engine.values import ExitCode

CAMPAIGN = "camp_demo"
STATE = "engine-state"
AT = (2, 0, 4)
"""Hour, minute and second, local time, at which a night begins."""

REQUESTS = 300
"""A whole portfolio is sent in about so many."""

PACE: dict[str, Any] = {"latency_ms": 120.0, "capacity": 8}
"""How the stand-in is in an ordinary night."""


@dataclass
class Home:
    """Where somebody works with the engine: a directory with an export, its configuration, and the state."""

    directory: Path
    server: StandInProcess
    records: int
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TZ")}
        self.env = kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "TIMEPAY_TOKEN": self.server.token,
            "ENGINE_API__URL": self.server.url,
            "ENGINE_UPLOAD__BATCH_SIZE": str(self.batch_size),
            "ENGINE_UPLOAD__REQUESTS_PER_SECOND": "60",
            "ENGINE_UPLOAD__LATE_COPY_S": "0.2",
            "ENGINE_DELTA__FULL_EVERY": "30d",
        }

    @property
    def batch_size(self) -> int:
        """How many records are sent in a request."""
        return max(10, self.records // REQUESTS)

    @property
    def latest(self) -> Path:
        """The directory of the latest run."""
        return max((self.directory / STATE / "runs").iterdir())

    def export(self, night: int) -> None:
        """Write tonight's portfolio: every other night, one record in 50 differs and a few are gone; some are new."""
        file = self.directory / "portfolio.csv"
        write(file, self.records, seed=1, night=1 + night % 2)
        with file.open("r+", encoding="utf-8") as lines:
            rows = list(islice(lines, 1, 1 + night * self.records // 1000))
            lines.seek(0, os.SEEK_END)
            lines.writelines(f"LN-NEW-{n:07},{row.partition(',')[2]}" for n, row in enumerate(rows))

    def shown(self, *args: str) -> Screen:
        """Run a command of the engine on a terminal."""
        with on_terminal(["python", "-m", "engine", *args], cwd=self.directory, env=self.env) as running:
            return running.screen()

    def stopped(self, *args: str, after_requests: int) -> int:
        """Run a command, ask it to stop after so many more requests were answered, and return its exit code."""
        answered = self.server.stats()["answered"]
        command = ["python", "-m", "engine", *args]
        process = subprocess.Popen(
            command, cwd=self.directory, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.server.wait(answered=answered + after_requests)
        process.terminate()
        return process.wait()

    def put_back(self, days: int) -> str:
        """Make the latest run the one of so many nights before the last; return its new id."""
        return put_back(self.directory / STATE, begun_at(self.latest.name) - (last_night() - timedelta(days=days)))


def last_night() -> datetime:
    """Return when the last night began that is over by now."""
    hour, minute, second = AT
    now = datetime.now().astimezone()
    tonight = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return tonight if tonight < now - timedelta(hours=1) else tonight - timedelta(days=1)


@contextmanager
def installed(directory: Path, records: int) -> Iterator[Home]:
    """Have an export, and nothing else yet, beside a stand-in of the API; it is stopped at the end."""
    with StandInProcess(f"--campaign={CAMPAIGN}", "--seed=7") as server:
        server.change(**PACE)
        home = Home(directory, server, records)
        home.export(0)
        yield home


def earlier_nights(home: Home) -> None:
    """Make all nights but the last one.

    Raises:
        SystemExit: one of them did not end as it should.
    """
    token = home.env["TIMEPAY_TOKEN"]

    def good() -> int:
        return home.shown("sync").exit_code

    def some_refused() -> int:
        home.server.change(reject_share=min(1.0, 600 / home.records))  # of what has changed
        try:
            return good()
        finally:
            home.server.change(reject_share=0.0)

    def refused() -> int:
        home.env["TIMEPAY_TOKEN"] = "expired"  # noqa: S105 - none
        try:
            return good()
        finally:
            home.env["TIMEPAY_TOKEN"] = token

    def stopped() -> int:
        return home.stopped("sync", "--full", after_requests=home.records // home.batch_size // 3)

    nights: list[tuple[int, Callable[[], int], ExitCode]] = [
        (8, good, ExitCode.OK),
        (7, good, ExitCode.OK),
        (6, some_refused, ExitCode.SOME_NOT_ACCEPTED),
        (5, good, ExitCode.OK),
        (3, good, ExitCode.OK),
        (2, refused, ExitCode.ACCESS_REFUSED),
        (1, stopped, ExitCode.INTERRUPTED),
    ]
    for number, (days, night, wanted) in enumerate(nights):
        home.export(number)
        progress(f"a night, to be {days} days before the last one")
        _ends_with(wanted, night())
        home.put_back(days)


def latest_night(home: Home) -> Screen:
    """Make the last night: everything is sent again, to an API that is slower, refuses a few and fails at times.

    Raises:
        SystemExit: it did not end with records that were refused.
    """
    home.export(9)
    home.server.change(reject_share=8 / home.records, poison_share=1 / home.records, rate=25.0, error_share=0.01)
    progress("the last night")
    screen = home.shown("sync", "--full")
    _ends_with(ExitCode.SOME_NOT_ACCEPTED, screen.exit_code)
    run_id = home.latest.name
    screen.text = screen.text.replace(run_id, home.put_back(0))
    return screen


def _ends_with(wanted: ExitCode, ended: int) -> None:
    if ended != wanted:
        raise SystemExit(f"that night ended with {ended} instead of {wanted.value}, so it makes no picture")
