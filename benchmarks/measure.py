"""Measures whole processes from outside: what a person with a stopwatch and `top` would see, start-up included.

The benchmark's own process stays small (no pyarrow), because the kernel starts a child's peak memory at the
size of the process that it was forked from.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar("T")

TIMEOUT_S = 1800.0
"""A process that takes longer is killed; a benchmark never hangs."""

MESSAGE_BYTES_MAX = 4_000
"""How much of a failed process's last words is shown."""

WITHOUT_VARIABLES = ("PYTHONDONTWRITEBYTECODE",)
"""What no measured process gets: to compile everything anew is what no installed program does."""

_RSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of `ru_maxrss`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process took. `cpu_s` is user and system time of all its threads and of children it waited for.

    `peak_mb` is the sum of the peaks of the process and its children, memory that they share counted twice.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    exit_code: int
    stdout: str
    stderr_end: str


def measure(command: Sequence[str], env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Measured:
    """Run `command` to its end and return what it took. `env` is added to this process's environment."""
    own = {name: value for name, value in os.environ.items() if name not in WITHOUT_VARIABLES}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env={**own, **(env or {})}
        )
        killer = threading.Timer(timeout_s, process.kill)
        killer.start()
        peaks = _Peaks(process.pid)
        try:
            # Unlike RUSAGE_CHILDREN, this is about exactly this child: its peak memory is not that of an earlier one.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            killer.cancel()
            family_mb = peaks.stop()
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - MESSAGE_BYTES_MAX))
        return Measured(
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_mb=max(family_mb, usage.ru_maxrss * _RSS_BYTES / 1e6),
            exit_code=process.returncode,
            stdout=stdout.read().decode(errors="replace"),
            stderr_end=stderr.read().decode(errors="replace"),
        )


class _Peaks:
    """Looks now and then at the peak memory of a process and of each of its children, where there is a `/proc`."""

    EVERY_S = 0.1

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[str, float] = {}
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def stop(self) -> float:
        """Return the sum of all peaks, in MB."""
        self._over.set()
        self._looking.join()
        return sum(self._peaks.values())

    def _look(self) -> None:
        while not self._over.wait(self.EVERY_S):
            for pid in [str(self._pid), *self._children()]:
                try:
                    status = Path("/proc", pid, "status").read_text()
                    [peak_kb] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
                except (OSError, ValueError):
                    continue  # it has just ended
                self._peaks[pid] = float(peak_kb) * 1024 / 1e6

    def _children(self) -> list[str]:
        try:
            tasks = list(Path("/proc", str(self._pid), "task").iterdir())
            return [child for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            return []


def interleaved(contestants: Sequence[T], runs: int) -> Iterator[tuple[int, T]]:
    """Yield each contestant `runs` times, in rounds, each round beginning with another one.

    A machine whose speed drifts, or that others use too, then treats all of them alike.
    """
    for number in range(runs):
        first = number % max(1, len(contestants))
        for contestant in (*contestants[first:], *contestants[:first]):
            yield number, contestant


def medians(measured: Sequence[Measured]) -> tuple[float, float, float]:
    """Return the medians of wall time (s), CPU time (s) and peak memory (MB), each taken by itself."""
    return (
        median(one.wall_s for one in measured),
        median(one.cpu_s for one in measured),
        median(one.peak_mb for one in measured),
    )
