"""What the accounts cost: CPU with and without journal, order check, reply check and the like.

Each part is left out of an otherwise whole sync (`variants.py`), in turns with the complete one. What a part costs is
the median of the differences within a round, so that a drifting machine does not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.engine_runs import Workload, run_engine_whole
from benchmarks.inputs import KINDS, input_file
from benchmarks.measure import Measured, interleaved
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress, write_results
from benchmarks.variants import PARTS
from engine.simulator.process import StandInProcess

WHOLE = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=2_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, metavar="R", help="rounds (%(default)s)")
    parser.add_argument("--kind", default="ndjson", choices=KINDS, help="the kind of source (%(default)s)")
    parser.add_argument("--sorted-ids", action="store_true", help="ids ascend, as in an export by primary key")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    everything = ",".join(PARTS)
    measured: dict[str, list[Measured]] = {parts: [] for parts in (WHOLE, *PARTS, everything)}
    with StandInProcess("--sink") as sink:
        work = Workload(args.kind, input_file(args.kind, args.records, sorted_ids=args.sorted_ids), args.records, sink)
        for number, parts in interleaved(list(measured), args.runs):
            progress(f"without {_label(parts)} ({number + 1} of {args.runs})")
            measured[parts].append(run_engine_whole(work, ("benchmarks.variants", parts)))
    whole_s = median(one.cpu_s for one in measured[WHOLE]) / args.records * 1e6
    costs = {parts: _costs(measured, parts, args.records) for parts in measured if parts != WHOLE}
    rows = [["complete", f"{whole_s:.3f}", "", ""]]
    for parts, values in costs.items():
        cost_s, spread = median(values), f"{min(values):+.3f} to {max(values):+.3f}"
        rows.append([_label(parts), f"{cost_s:+.3f}", f"{cost_s / whole_s:.1%}", spread])
    print_table((f"{KINDS[args.kind].about}: part", "CPU s per million", "of the whole", "spread"), rows)
    bars = [Bar("complete", whole_s, f"{whole_s:.3f} s", main=True)]
    bars += [Bar(_label(parts), max(0.0, median(v)), f"{median(v):+.3f} s") for parts, v in costs.items()]
    results = {"complete": whole_s, "parts": costs}
    write_results("cost", vars(args), results, bar_chart([BarGroup("CPU seconds per million records", bars)]))
    return 0


def _costs(measured: Mapping[str, Sequence[Measured]], parts: str, records: int) -> list[float]:
    """Return by how many CPU seconds per million records each round was cheaper without these parts."""
    rounds = zip(measured[WHOLE], measured[parts], strict=True)
    return [(whole.cpu_s - without.cpu_s) / records * 1e6 for whole, without in rounds]


def _label(parts: str) -> str:
    if parts == WHOLE:
        return "nothing"
    return PARTS[parts][0] if parts in PARTS else "all of these"
