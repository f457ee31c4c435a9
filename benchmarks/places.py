"""Out of the places where portfolios live: PostgreSQL and an object store beside other ways, and how memory grows.

It needs what the benchmarks `databases` and `stores` need, of which it is made; those peers count that are installed.
"""

from __future__ import annotations

import argparse
import sys
from tempfile import TemporaryDirectory

from benchmarks import databases, stores
from benchmarks.measure import measure
from benchmarks.results import print_table, progress, write_results

GROWTH = (3_000_000, 24_000_000)
"""So many rows are spooled, to see what memory does. No table holds them: the server makes them as they are read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--rows", type=int, default=databases.ROWS, metavar="N", help="rows of the table (%(default)s)")
    parser.add_argument("--megabytes", type=int, default=300, metavar="MB", help="the object's size (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")
    parser.add_argument(
        "--growth", type=int, nargs="*", default=GROWTH, metavar="N", help="rows spooled, to see what memory does"
    )


def run(args: argparse.Namespace) -> int:
    """Measure all three, print the tables, write the results. Returns 0, or 1 if somebody has not read all of it."""
    if databases.run(args) or stores.run(args):
        return 1
    from tests.places.databases.postgres import PASSWORD, Postgres  # here, so that other benchmarks need no tests

    rows, first_mb = [], 0.0
    module, _ = databases.PEERS["the spool"]
    with Postgres() as server:
        for count in args.growth:
            progress(f"the spool of {count:,} rows")
            view = databases.TABLE.format(rows=count).replace("CREATE TABLE", "CREATE VIEW")
            server.execute("DROP VIEW IF EXISTS loans", view)
            with TemporaryDirectory() as directory:
                took = measure([sys.executable, "-m", module, server.url, directory], {"PGPASSWORD": PASSWORD})
            if took.exit_code:
                raise SystemExit(f"the spool failed: {took.stderr_end}")
            first_mb = first_mb or took.peak_mb
            grown = f"{100 * (took.peak_mb / first_mb - 1):+.1f}% memory"
            rows.append([f"{count:,}", f"{took.wall_s:.1f}", f"{took.cpu_s:.1f}", f"{took.peak_mb:.0f}", grown])
    print_table(["rows spooled", "seconds", "CPU s", "peak MB", "beside the first"], rows)
    write_results("places", {"growth": list(args.growth)}, rows)
    return 0
