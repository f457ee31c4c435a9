"""One export for many campaigns beside one for a single one: what telling them apart costs, in time and memory.

The same records each time, in whole processes with start-up, to a sink that counts; each says its campaign in a field.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contests import Contest, Contestant, as_json, compete, picture_of, print_contests
from benchmarks.engine_runs import UNLIMITED, Workload, sync, write_config
from benchmarks.measure import Measured
from benchmarks.results import write_results
from engine.simulator.process import StandInProcess
from engine.values import OPEN_CHUNKS, counted

BY_BUCKET = {"column": "bucket"}
SPREAD = 7_919
"""Neighbours are of campaigns so far apart: a prime, so that all are met."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=2_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--campaigns", default="1,50,1000", help="how many campaigns (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    counts = [int(count) for count in args.campaigns.split(",")]
    with StandInProcess("--sink") as sink, tempfile.TemporaryDirectory(prefix="engine-benchmark-") as name:
        directory = Path(name)
        works = {count: _workload(directory, count, args.records, sink) for count in counts}
        one = works[counts[0]]
        contestants = [Contestant("one campaign, not routed", partial(_sync, one, {}))]
        for count, work in works.items():
            told = f"{counted(count, 'campaign')}, routed"
            contestants.append(Contestant(told, partial(_sync, work, BY_BUCKET)))
            if count > OPEN_CHUNKS:  # with room for a full one of each, too
                route = BY_BUCKET | {"open_chunks": count}
                contestants.append(Contestant(f"{told}, open_chunks = {count}", partial(_sync, work, route)))
        contest = Contest("ndjson", args.records, args.records, contestants)
        compete(contest, sink, args.runs)
    print_contests([contest])
    write_results("routes", vars(args), as_json([contest]), picture_of([contest]))
    return 0


def _workload(directory: Path, campaigns: int, records: int, sink: StandInProcess) -> Workload:
    path = directory / f"loans-{campaigns}.ndjson"
    with path.open("w", encoding="utf-8") as file:
        for index in range(records):
            data = {
                "loan_amount": index * 7,
                "first_name": "Asha",
                "bucket": f"camp_{index * SPREAD % campaigns}",
                "payment_status": "pending",
            }
            line = json.dumps({"id": f"LN-DEL-{index:09}", "data": data}, separators=(",", ":"))
            file.write(f"{line}\n")
    return Workload("ndjson", path, records, sink, UNLIMITED)


def _sync(work: Workload, route: dict[str, Any]) -> Measured:
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        tables = {"route": route} if route else {}
        return sync(work, write_config(work, Path(directory), **tables))[0]
