"""`python -m benchmarks BENCHMARK`: each one prints a table, and writes JSON and a picture into ./benchmark-results.

A benchmark's module is imported only when that benchmark is asked for. It has two functions: `add_arguments(parser)`
and `run(args)`, which returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

BENCHMARKS = {
    "throughput": "records a second, CPU and memory of each kind of source, beside other ways to do the same work",
    "scale": "time and memory as the number of records grows",
    "pacing": "how close to a server's limits the engine gets, known and unknown ones",
    "cost": "what journal, order check, reply check and the like cost each",
    "delta": "a second night of which little has changed: the comparison beside databases, the commit, whole nights",
    "find": "did loan X arrive? What an answer takes, from what is kept alone and with the source",
    "arrow": "tables pushed by the library, beside Parquet in a sync",
    "routes": "one export for many campaigns, beside one for a single one",
    "stores": "an object on a real S3 server, read beside boto3 and s3fs",
    "databases": "from PostgreSQL to a file: the spool beside scripts, ADBC and dlt",
    "places": "stores and databases, and what memory does where a table is large",
    "startup": "how long it takes to get going",
    "forecast": "how well a run foresees its end, from its first tenth on",
    "profile": "where the time goes, stage by stage and thread by thread",
    "crashes": "kill -9 at random instants, on real sockets and files",
    "simulate": "random histories of faults and crashes against a fake clock, server and disk",
    "pictures": "the pictures in the documents, of real nights",
    "document": "the figures of a document: every benchmark that stands in it, run again",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line names and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="benchmark", title="benchmarks", metavar="BENCHMARK", required=True)
    for name, summary in BENCHMARKS.items():
        own = commands.add_parser(name, help=summary, description=summary)
        if argv and argv[0] == name:
            import_module(f"benchmarks.{name}").add_arguments(own)
    args = parser.parse_args(argv)
    exit_code: int = import_module(f"benchmarks.{args.benchmark}").run(args)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
