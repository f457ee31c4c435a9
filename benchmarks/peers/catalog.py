"""The peers by name: how each is started, what it can read, and whether it is there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.inputs import KINDS

TEXT = ("ndjson", "ndjson.gz", "csv", "csv-typed")

ONE_TEXT = ("ndjson",)
"""For the slow ones: one kind is enough to see where they stand."""

COLUMNAR = ("parquet", "parquet-nulls")


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to do the job: its label, the kinds it reads, and what must be there for it.

    `module` is a module of this package, or the name of a file that Node.js runs.
    """

    name: str
    label: str
    kinds: Sequence[str]
    module: str
    arguments: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    program: str = ""

    def missing(self, python: str) -> str:
        """Return what this peer lacks in the environment of that interpreter; empty if it can run."""
        if self.program and shutil.which(self.program) is None:
            return self.program
        return next((name for name in self.libraries if not _is_installed(python, name)), "")

    def command(self, python: str, kind: str, path: Path, records: int) -> list[str]:
        """Return how it is started."""
        if self.module.endswith(".cjs"):
            start = ["node", str(Path(__file__).parent / self.module)]
        else:
            start = [python, "-m", f"benchmarks.peers.{self.module}"]
        return [*start, kind, str(path), str(records), *self.arguments]


@cache
def _is_installed(python: str, library: str) -> bool:
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({library!r}) is None)"
    return subprocess.run([python, "-c", look], check=False, capture_output=True).returncode == 0


USUAL = Peer("usual", "usual script: aiohttp + orjson", tuple(KINDS), "usual_script", (), ("aiohttp", "orjson"))

PROTOTYPES = (
    Peer("transport", "(sending alone)", ("ndjson",), "transport_alone", (), ("aiohttp", "uvloop")),
    Peer("prototype", "prototype: msgspec", ("ndjson",), "prototype_ndjson", (), ("aiohttp", "msgspec", "uvloop")),
    Peer(
        "prototype-polars",
        "prototype: polars",
        ("csv", "csv-typed", *COLUMNAR),
        "prototype_polars",
        (),
        ("aiohttp", "polars", "pyarrow", "uvloop"),
    ),
)

OTHERS = (
    Peer("requests", "requests, 8 threads", TEXT, "requests_threads", (), ("requests", "orjson")),
    Peer("httpx", "httpx + gather", ONE_TEXT, "httpx_gather", (), ("httpx", "orjson")),
    Peer("dlt", "dlt, custom destination", ONE_TEXT, "dlt_destination", ("default",), ("dlt", "requests", "orjson")),
    Peer("dlt-tuned", "dlt, tuned", ONE_TEXT, "dlt_destination", ("tuned",), ("dlt", "requests", "orjson")),
    Peer("dlt-arrow", "dlt, from Arrow", ("parquet",), "dlt_destination", ("arrow",), ("dlt", "requests", "pyarrow")),
    Peer("singer", "Singer SDK target", ONE_TEXT, "singer_target", ("default",), ("singer_sdk", "requests", "orjson")),
    Peer(
        "singer-tuned", "Singer SDK, tuned", ONE_TEXT, "singer_target", ("tuned",), ("singer_sdk", "requests", "orjson")
    ),
    Peer("node", "Node.js, undici", ("ndjson",), "node_client.cjs", program="node"),
    Peer("syslog-ng", "syslog-ng http()", ("ndjson",), "syslog_ng", program="syslog-ng"),
)

PEERS = {peer.name: peer for peer in (USUAL, *PROTOTYPES, *OTHERS)}
