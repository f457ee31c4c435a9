"""Where the time goes: CPU by stage (each stage's process minus that of the stage before it), and CPU by thread."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.engine_runs import Workload, run_engine
from benchmarks.inputs import KINDS, input_file, kinds_named
from benchmarks.measure import Measured, interleaved, medians
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress, write_results
from benchmarks.stages import STAGES
from engine.simulator.process import StandInProcess

THREADS = {
    "MainThread": "event loop",
    "producer": "producer",
    "reader": "the process that reads",
    "journal_0": "journal",
    "uvloop_0": "fingerprint",
    "native threads": "threads of pyarrow",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=2_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="rounds (%(default)s); medians count")
    parser.add_argument("--kinds", default="ndjson,csv-typed,parquet", help=f"of {', '.join(KINDS)} (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the results. Returns 0."""
    results: dict[str, Any] = {}
    groups: list[BarGroup] = []
    with StandInProcess("--sink") as sink:
        for kind in kinds_named(args.kinds):
            work = Workload(kind, input_file(kind, args.records), args.records, sink)
            stages, threads = _measure(work, args.runs)
            results[kind] = {"stages": stages, "threads": threads}
            groups.append(_show(kind, stages, threads))
    write_results("profile", vars(args), results, bar_chart(groups))
    return 0


def _measure(work: Workload, runs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return CPU seconds per million records, by stage and by thread."""
    measured: dict[str, list[Measured]] = {stage: [] for stage in (*STAGES, "threads")}
    for number, stage in interleaved(list(measured), runs):
        progress(f"{KINDS[work.kind].about}: up to {STAGES.get(stage, stage)} ({number + 1} of {runs})")
        one = run_engine(work, ("benchmarks.stages", stage))[0]
        if one.exit_code:
            raise SystemExit(f"{stage} ended with {one.exit_code}: {one.stderr_end}")
        measured[stage].append(one)
    up_to = [medians(measured[stage])[1] / work.records * 1e6 for stage in STAGES]
    stages = {stage: after - before for stage, before, after in zip(STAGES, [0.0, *up_to], up_to, strict=False)}
    spent = json.loads(measured["threads"][-1].stdout.splitlines()[-1])
    return stages, {THREADS.get(name, name): seconds / work.records * 1e6 for name, seconds in spent.items()}


def _show(kind: str, stages: Mapping[str, float], threads: Mapping[str, float]) -> BarGroup:
    whole = sum(stages.values())
    title = KINDS[kind].about
    rows = [[about, f"{stages[stage]:+.3f}", f"{stages[stage] / whole:.0%}"] for stage, about in STAGES.items()]
    print_table((f"{title}: stage", "CPU s per million", "share"), [*rows, ["whole", f"{whole:.3f}", "100%"]])
    by_time: Sequence[tuple[str, float]] = sorted(threads.items(), key=lambda one: -one[1])
    print_table((f"{title}: thread", "CPU s per million"), [[name, f"{spent:.3f}"] for name, spent in by_time])
    bars = [Bar(about, max(0.0, stages[stage]), f"{stages[stage]:.3f} s") for stage, about in STAGES.items()]
    return BarGroup(f"{title}: CPU seconds per million records", bars)
