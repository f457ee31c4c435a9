"""Time and memory as the work grows: the same sync of 1, 4 and 16 million records, beside the usual script.

Or as the threads do that read columns (`--readers 1,2,4`), which shows only where there are cores for them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.engine_runs import Workload, run_engine_whole
from benchmarks.inputs import KINDS, input_file, kinds_named
from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.peers.catalog import USUAL
from benchmarks.plots import Panel, Series, line_chart
from benchmarks.results import print_table, progress, write_results
from engine.simulator.process import StandInProcess


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--sizes", default="1000000,4000000,16000000", help="numbers of records (%(default)s)")
    parser.add_argument("--kinds", default="ndjson,csv-typed,parquet", help=f"of {', '.join(KINDS)} (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, metavar="R", help="runs of each (%(default)s); medians count")
    parser.add_argument("--readers", default="", metavar="N,…", help="threads that read CSV and Parquet (by the cores)")
    parser.add_argument("--usual", action="store_true", help="run the usual script, too")


@dataclass(slots=True)
class Case:
    """One client with one kind and size of input, and for the engine how many threads read (None: by the cores)."""

    client: str
    kind: str
    records: int
    readers: int | None = None
    measured: list[Measured] = field(default_factory=list)

    def run(self, work: Workload) -> None:
        """Measure it once."""
        if self.client != USUAL.label:
            self.measured.append(run_engine_whole(work))
        else:
            command = USUAL.command(sys.executable, self.kind, work.path, self.records)
            self.measured.append(measure(command, work.env()))


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    sizes = [int(size) for size in args.sizes.split(",")]
    counts = [int(count) for count in args.readers.split(",")] if args.readers else []
    clients: dict[str, int | None] = {f"engine, readers: {count}": count for count in counts} or {"engine": None}
    if args.usual:
        clients[USUAL.label] = None
    cases = [
        Case(client, kind, size, readers)
        for kind in kinds_named(args.kinds)
        for size in sizes
        for client, readers in clients.items()
    ]
    with StandInProcess("--sink") as sink:
        for number, case in interleaved(cases, args.runs):
            progress(f"{KINDS[case.kind].about}, {case.records:,} records: {case.client} ({number + 1} of {args.runs})")
            path = input_file(case.kind, case.records)
            case.run(Workload(case.kind, path, case.records, sink, readers=case.readers))
    print_table(HEADER, [_row(case, cases) for case in cases])
    results = [
        {"client": case.client, "kind": case.kind, "records": case.records, "medians": medians(case.measured)}
        for case in cases
    ]
    write_results("scale", vars(args), results, _picture(cases))
    return 0


HEADER = ("source", "client", "records", "seconds", "records/s", "CPU s per million", "peak MB", "against the smallest")


def _row(case: Case, cases: Sequence[Case]) -> list[str]:
    wall_s, cpu_s, peak_mb = medians(case.measured)
    alike = [one for one in cases if (one.client, one.kind) == (case.client, case.kind)]
    smallest = medians(min(alike, key=lambda one: one.records).measured)[2]
    return [
        KINDS[case.kind].about,
        case.client,
        f"{case.records:,}",
        f"{wall_s:.2f}",
        f"{case.records / wall_s:,.0f}",
        f"{cpu_s / case.records * 1e6:.2f}",
        f"{peak_mb:.0f}",
        f"{peak_mb / smallest - 1:+.1%} memory",
    ]


def _picture(cases: Sequence[Case]) -> str:
    lines = sorted({(case.client, case.kind) for case in cases})

    def series(which: int) -> list[Series]:
        return [
            Series(
                f"{client.removeprefix('engine, ')[:10]}, {KINDS[kind].about}",
                [
                    (case.records / 1e6, medians(case.measured)[which])
                    for case in sorted(cases, key=lambda case: case.records)
                    if (case.client, case.kind) == (client, kind)
                ],
                dashed=client == USUAL.label,
            )
            for client, kind in lines
        ]

    return line_chart(
        [
            Panel("Time", "million records", "seconds", series(0)),
            Panel("Peak memory", "million records", "MB", series(2)),
        ]
    )
