"""Starts the engine as its users do: a config file, a state directory of its own, `python -m engine sync`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.inputs import KINDS, records_kept
from benchmarks.measure import Measured, measure
from engine.simulator.process import StandInProcess
from engine.sources.stored.ahead import READERS_VARIABLE

UNLIMITED: Mapping[str, Any] = {"requests_per_second": 100_000.0, "concurrency": 8}
"""Upload settings that leave the pace to the machine."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run reads, and where it sends it. `records` is how many the file has.

    `readers` is how many threads read columns, if the engine is not to decide.
    """

    kind: str
    path: Path
    records: int
    server: StandInProcess
    upload: Mapping[str, Any] = field(default_factory=lambda: UNLIMITED)
    readers: int | None = None

    def env(self) -> dict[str, str]:
        """Return the variables in which the engine and its peers find the API."""
        server = self.server
        return {
            "TIMEPAY_TOKEN": server.token,
            "BENCH_TOKEN": server.token,
            "BENCH_URL": server.url,
            "BENCH_CAMPAIGN": server.campaign_id,
            **({} if self.readers is None else {READERS_VARIABLE: str(self.readers)}),
        }


@contextmanager
def fresh_config(work: Workload) -> Iterator[Path]:
    """Yield a config file whose state directory is empty; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        yield write_config(work, Path(directory))


def write_config(work: Workload, directory: Path, **more: Mapping[str, Any]) -> Path:
    """Write a config file into a directory, in which the state directory will be, too; `more` are tables of it."""
    config = directory / "config.toml"
    tables: dict[str, Mapping[str, Any]] = {
        "api": {"url": work.server.url, "campaign_id": work.server.campaign_id},
        "source": {"path": str(work.path), **KINDS[work.kind].source},
        "upload": work.upload,
        "state": {"dir": str(directory / "state")},
        **more,
    }
    config.write_text("".join(f"[{name}]\n{_toml(table)}\n" for name, table in tables.items()))
    return config


def run_engine(
    work: Workload, program: Sequence[str] = ("engine",), *, pure: bool = False
) -> tuple[Measured, dict[str, Any]]:
    """Run a whole sync (or, as `program`, another module that ends like one); return what it took, and its report.

    The report is empty if there is none. `pure` means without the accelerator.
    """
    with fresh_config(work) as config:
        return sync(work, config, program, pure=pure)


def sync(
    work: Workload, config: Path, program: Sequence[str] = ("engine",), *, pure: bool = False
) -> tuple[Measured, dict[str, Any]]:
    """As `run_engine`, with a config file that is there already."""
    command = [sys.executable, "-m", *program, "sync", "-c", str(config), "--json"]
    measured = measure(command, work.env() | ({"ENGINE_PURE": "1"} if pure else {}))
    return measured, _report(measured)


def run_engine_whole(work: Workload, program: Sequence[str] = ("engine",)) -> Measured:
    """Run a whole sync and return what it took.

    Raises:
        SystemExit: it did not deliver every record.
    """
    measured, report = run_engine(work, program)
    kept = records_kept(work.kind, work.records)
    if report.get("status") != "succeeded" or report["records"]["updated"] != kept:
        raise SystemExit(f"the engine did not deliver {kept} records: {measured.stdout}\n{measured.stderr_end}")
    return measured


def _report(measured: Measured) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(measured.stdout)
    except ValueError:
        return {}
    return report


def _toml(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)  # strings, numbers, booleans and lists of them are written alike
