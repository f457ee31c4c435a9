"""What a second night costs of which little has changed: the comparison alone, the commit, and whole nights.

2 % of the records have changed, 0.5 % are gone, as many are new (`portfolio.py`). The comparison stands beside that of
databases; all of them find the same, or the benchmark fails.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.inputs import KINDS, kinds_named
from benchmarks.measure import medians
from benchmarks.nights.alone import Alone, absent, measure_alone
from benchmarks.nights.whole import HEADER, Night, measure_nights
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, write_results
from engine.simulator.process import StandInProcess

ORDERS = {"shuffled": False, "ascending": True}
PARTS = ("alone", "nights")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    kinds = f"sources of whole nights, of {', '.join(KINDS)} (%(default)s)"
    parser.add_argument("--records", type=int, default=10_000_000, metavar="N", help="of the first night (%(default)s)")
    parser.add_argument("--order", choices=(*ORDERS, "both"), default="both", help="of the ids (%(default)s)")
    parser.add_argument("--part", choices=(*PARTS, "both"), default="both", help="what is measured (%(default)s)")
    parser.add_argument("--kinds", default="csv-typed,parquet,ndjson", help=kinds)
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the results. Returns 0.

    Raises:
        SystemExit: somebody found, or sent, something else than there is.
    """
    orders = [order for order in ORDERS if args.order in (order, "both")]
    comparing: list[Alone] = []
    commits: list[Alone] = []
    nights: list[tuple[str, Night]] = []
    if args.part != "nights":
        for order in orders:
            some, commit = measure_alone(args.records, args.runs, order, sorted_ids=ORDERS[order])
            comparing += some
            commits.append(commit)
        _show_alone(comparing, commits)
    if args.part != "alone":
        with StandInProcess("--sink") as sink:
            for order in orders:
                for kind in kinds_named(args.kinds):
                    some_nights = measure_nights(kind, args.records, args.runs, sink, sorted_ids=ORDERS[order])
                    nights += [(order, night) for night in some_nights]
        print_table(("ids", *HEADER), [[order, *night.row()] for order, night in nights])
    results = {
        "alone": [one.as_json() for one in (*comparing, *commits)],
        "nights": [{"ids": order, **night.as_json()} for order, night in nights],
    }
    write_results("delta", vars(args), results, bar_chart(_bars(comparing, nights)))
    return 0


def _show_alone(comparing: Sequence[Alone], commits: Sequence[Alone]) -> None:
    header = ("ids", "comparison alone", "records/s", "CPU s per million", "peak MB, mapped pages included")
    rows = [
        [
            one.order,
            one.what,
            f"{one.records / one.said_median('wall_s'):,.0f}",
            f"{one.said_median('cpu_s') / one.records * 1e6:.2f}",
            f"{one.peak_mb:.0f}",
        ]
        for one in comparing
    ]
    print_table(header, rows)
    for name in absent():
        print(f"absent: {name} (pip install -e '.[peers]')")
    header = ("ids", "commit, seconds", "a look at all of it, seconds", "bytes a record without ids", "peak MB")
    names = ("merge_s", "verify_s", "bytes_a_record")
    rows = [[one.order, *[f"{one.said_median(name):.2f}" for name in names], f"{one.peak_mb:.0f}"] for one in commits]
    print_table(header, rows)


def _bars(comparing: Sequence[Alone], nights: Sequence[tuple[str, Night]]) -> list[BarGroup]:
    groups = []
    for order in ORDERS:
        speeds = {one.what: one.records / one.said_median("wall_s") for one in comparing if one.order == order}
        bars = [Bar(what, speed, f"{speed / 1e6:.2f} M/s", main=what == "engine") for what, speed in speeds.items()]
        groups.append(BarGroup(f"Comparison alone, ids {order}: records a second", bars))
        for kind in dict.fromkeys(night.work.kind for _, night in nights):
            some = [night for its, night in nights if its == order and night.work.kind == kind]
            seconds = {night.what: medians(night.measured)[0] for night in some}
            bars = [Bar(what, s, f"{s:.1f} s", main=what == "second night") for what, s in seconds.items()]
            groups.append(BarGroup(f"{KINDS[kind].about}, ids {order}: seconds from start to end", bars))
    return [group for group in groups if group.bars]
