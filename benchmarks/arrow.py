"""`engine.push` with Arrow data beside `sync` with Parquet: the same rows, to the same server, in turns.

Each is a process of its own, start-up included. One push takes the batches of the file as pyarrow reads them, so that
it decodes what sync decodes; the other takes a table that lies in a file as in memory: there is nothing to decode.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.contests import Contest, Contestant, as_json, compete, picture_of, print_contests
from benchmarks.engine_runs import UNLIMITED, Workload, run_engine
from benchmarks.inputs import input_file
from benchmarks.measure import Measured, measure
from benchmarks.portfolio import ID_COLUMN
from benchmarks.results import write_results
from engine.simulator.process import StandInProcess

RECORDS = {
    "push, batches of the file": "parquet.ParquetFile(path, pre_buffer=False).iter_batches(10_000, use_threads=False)",
    "push, a table in memory": "pyarrow.ipc.open_file(pyarrow.memory_map(path + '.arrow')).read_all()",
}
"""What is pushed, by the name of the contestant."""

PUSH = """
import os, sys, tempfile
import pyarrow, uvloop
from pyarrow import parquet
import engine
path = sys.argv[1]
with tempfile.TemporaryDirectory() as state:
    report = uvloop.run(engine.push(
        {records},
        id={id!r}, url=os.environ["BENCH_URL"], campaign_id=os.environ["BENCH_CAMPAIGN"],
        token=os.environ["BENCH_TOKEN"], state_dir=state, **{upload!r},
    ))
sys.exit(report.exit_code)
"""

AS_IN_MEMORY = """
import sys, pyarrow
from pyarrow import parquet
file = parquet.ParquetFile(sys.argv[1])
with pyarrow.ipc.new_file(sys.argv[1] + ".arrow", file.schema_arrow) as written:
    for batch in file.iter_batches():
        written.write_batch(batch)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    source = input_file("parquet", args.records)
    with StandInProcess("--sink") as sink, tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        path = Path(directory) / source.name
        path.symlink_to(source)
        measure([sys.executable, "-c", AS_IN_MEMORY, str(path)])
        work = Workload("parquet", path, args.records, sink)
        contestants = [Contestant("sync, Parquet", lambda: run_engine(work)[0])]
        contestants += [Contestant(label, partial(_push, work, records)) for label, records in RECORDS.items()]
        contest = Contest("parquet", args.records, args.records, contestants)
        compete(contest, sink, args.runs)
    print_contests([contest])
    write_results("arrow", vars(args), as_json([contest]), picture_of([contest]))
    return 0


def _push(work: Workload, records: str) -> Measured:
    program = PUSH.format(records=records, id=ID_COLUMN, upload=dict(UNLIMITED))
    return measure([sys.executable, "-c", program, str(work.path)], work.env())
