"""How long it takes to get going: `--help`, and a sync of ten records, beside an empty Python.

With byte code at hand, as installed programs have it: the first round may still write it, and medians count.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from benchmarks.engine_runs import Workload, run_engine_whole
from benchmarks.inputs import KINDS, input_file
from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress, write_results
from engine.simulator.process import StandInProcess

RECORDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--runs", type=int, default=10, metavar="R", help="runs of each (%(default)s); medians count")


@dataclass(slots=True)
class Start:
    """Something to start, what it may take at most (None: anything), and how it went."""

    label: str
    run: Callable[[], Measured]
    target_s: float | None = None
    measured: list[Measured] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    python = sys.executable
    with StandInProcess("--sink") as sink:
        starts = [
            Start("python -c pass", lambda: measure([python, "-c", "pass"])),
            Start("engine --help", lambda: measure([python, "-m", "engine", "--help"]), 0.15),
            Start("engine sync --help", lambda: measure([python, "-m", "engine", "sync", "--help"]), 0.15),
        ]
        for kind in ("ndjson", "csv-typed", "parquet"):
            work = Workload(kind, input_file(kind, RECORDS), RECORDS, sink)
            label = f"engine sync, {RECORDS} records, {KINDS[kind].about}"
            starts.append(Start(label, partial(run_engine_whole, work), 0.35))
        for number, start in interleaved(starts, args.runs):
            progress(f"{start.label} ({number + 1} of {args.runs})")
            start.measured.append(start.run())
    rows = []
    for start in starts:
        wall_s, cpu_s, peak_mb = medians(start.measured)
        target = "–" if start.target_s is None else f"{start.target_s:.2f}"
        rows.append([start.label, f"{wall_s:.3f}", target, f"{cpu_s:.3f}", f"{peak_mb:.0f}"])
    print_table(("what", "seconds", "target", "CPU s", "peak MB"), rows)
    bars = [Bar(start.label, (wall_s := medians(start.measured)[0]), f"{wall_s:.3f} s") for start in starts]
    results = [{"what": start.label, "medians": medians(start.measured)} for start in starts]
    write_results("startup", vars(args), results, bar_chart([BarGroup("Seconds from start to end", bars)]))
    return 0
