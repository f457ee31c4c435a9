"""From PostgreSQL to a file: rows a second, CPU and memory of the spool, beside other ways to get them out.

It needs PostgreSQL (`apt-get install postgresql`); of the peers (`requirements-peers.txt`), those are measured that are
installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.results import print_table, progress, write_results

ROWS = 2_000_000

PEERS: Mapping[str, tuple[str, str]] = {
    "the spool": ("benchmarks.peers.database_spool", "psycopg"),
    "ADBC, to Parquet": ("benchmarks.peers.database_adbc", "adbc_driver_postgresql"),
    "a psycopg script, to NDJSON": ("benchmarks.peers.database_script", "psycopg"),
    "dlt, to Parquet": ("benchmarks.peers.database_dlt", "dlt"),
}
"""What is measured: the module of each, which takes a url and a directory, and the library that it needs."""

TABLE = """
CREATE TABLE loans AS SELECT
    'loan_' || i AS loan_id, (i * 1.37)::numeric(12, 2) AS emi_amount, (i * 10)::numeric(14, 2) AS principal,
    (i % 1800 / 100.0)::numeric(5, 2) AS rate, date '2026-11-01' + i % 28 AS due_date, i % 90 AS days_past_due,
    'Borrower ' || i AS name, '+9198' || lpad(i::text, 8, '0') AS phone,
    (ARRAY['en', 'hi', 'ta'])[1 + i % 3] AS language,
    (ARRAY['current', 'overdue', 'paid'])[1 + i % 3] AS status, i % 7 = 0 AS promised,
    timestamptz '2026-11-28 00:00Z' + i * interval '1 ms' AS updated_at, i::bigint * 100 AS account,
    repeat('x', i % 20) AS note
FROM generate_series(1, {rows}) AS i
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help="rows of the table (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    from tests.places.databases.postgres import PASSWORD, Postgres  # here, so that other benchmarks need no tests

    chosen = [name for name, (_, library) in PEERS.items() if find_spec(library)]
    measured: dict[str, list[Measured]] = {name: [] for name in chosen}
    with Postgres() as server:
        server.execute(TABLE.format(rows=args.rows), "ANALYZE loans")
        for number, name in interleaved(chosen, args.runs):
            progress(f"{name} ({number + 1} of {args.runs})")
            with TemporaryDirectory() as directory:
                command = [sys.executable, "-m", PEERS[name][0], server.url, str(Path(directory))]
                took = measure(command, {"PGPASSWORD": PASSWORD})
            if took.exit_code:
                raise SystemExit(f"{name} failed: {took.stderr_end}")
            measured[name].append(took)
    rows = []
    for name in chosen:
        wall_s, cpu_s, peak_mb = medians(measured[name])
        rows.append([name, f"{args.rows / wall_s:,.0f}", f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{peak_mb:.0f}"])
    print_table(("what", "rows/s", "seconds", "CPU s", "peak MB"), rows)
    write_results("databases", {"rows": args.rows, "runs": args.runs}, rows)
    return 0
