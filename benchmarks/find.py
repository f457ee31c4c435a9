"""Did loan X arrive? What the answer takes after two nights: from what is kept alone, and with the source read anew.

Whole processes, as a person starts them in the morning. Every answer must be the true one, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine_runs import Workload, sync, write_config
from benchmarks.inputs import KINDS, input_file, kinds_named
from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.portfolio import id_of
from benchmarks.results import print_table, progress, write_results
from engine.simulator.process import StandInProcess

ASKED = (1, 100)
"""For so many ids at once."""

TARGET_S = 1.0
"""What one id may take from what is kept."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=10_000_000, metavar="N", help="in the ledger (%(default)s)")
    parser.add_argument("--kinds", default="ndjson", help=f"sources, of {', '.join(KINDS)} (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")


@dataclass(slots=True)
class Question:
    """So many ids, asked of what is kept or of the source, too; and how it went."""

    ids: list[str]
    reads_source: bool
    measured: list[Measured] = field(default_factory=list)

    @property
    def about(self) -> str:
        """What is asked of whom, in words."""
        ids = f"{len(self.ids)} id{'s' if len(self.ids) > 1 else ''}"
        return f"{ids}, {'with the source' if self.reads_source else 'kept data alone'}"

    def ask(self, config: Path) -> None:
        """Ask once.

        Raises:
            SystemExit: it was not answered, or wrongly.
        """
        flags = [] if self.reads_source else ["--no-source"]
        command = [sys.executable, "-m", "engine", "find", *self.ids, "-c", str(config), "--json", *flags]
        measured = measure(command)
        expected = "arrived" if self.reads_source else "acknowledged"
        answers = [each["answer"] for each in _answered(measured)]
        if measured.exit_code or answers != [expected] * len(self.ids):
            raise SystemExit(f"{self.about}: {measured.exit_code}, {set(answers)}: {measured.stderr_end}")
        self.measured.append(measured)

    def row(self, kind: str) -> list[str]:
        """Return its medians as a row of a table."""
        wall_s, cpu_s, peak_mb = medians(self.measured)
        target = f"{TARGET_S:.2f}" if len(self.ids) == 1 and not self.reads_source else "–"
        return [KINDS[kind].about, self.about, f"{wall_s:.2f}", target, f"{cpu_s:.2f}", f"{peak_mb:.0f}"]

    def as_json(self, kind: str) -> dict[str, Any]:
        """Return every run."""
        runs = [{name: getattr(one, name) for name in ("wall_s", "cpu_s", "peak_mb")} for one in self.measured]
        return {"kind": kind, "ids": len(self.ids), "reads_source": self.reads_source, "runs": runs}


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0.

    Raises:
        SystemExit: an answer was wrong.
    """
    asked: list[tuple[str, Question]] = []
    for kind in kinds_named(args.kinds):
        with _after_two_nights(kind, args.records) as config:
            questions = [
                Question([id_of(args.records // count * number) for number in range(count)], reads_source)
                for count in ASKED
                for reads_source in (False, True)
            ]
            for number, question in interleaved(questions, args.runs):
                progress(f"{KINDS[kind].about}: {question.about} ({number + 1} of {args.runs})")
                question.ask(config)
            asked += [(kind, question) for question in questions]
    header = ("source", "asked", "seconds", "target", "CPU s", "peak MB")
    print_table(header, [question.row(kind) for kind, question in asked])
    bars = [
        Bar(f"{KINDS[kind].about}: {question.about}", (wall_s := medians(question.measured)[0]), f"{wall_s:.2f} s")
        for kind, question in asked
    ]
    results = [question.as_json(kind) for kind, question in asked]
    write_results("find", vars(args), results, bar_chart([BarGroup("Seconds to the answer", bars)]))
    return 0


@contextmanager
def _after_two_nights(kind: str, records: int) -> Iterator[Path]:
    """Yield the config file of an installation that has had a first night, and one more of the same export."""
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        path = input_file(kind, records)
        with StandInProcess("--sink") as sink:
            work = Workload(kind, path, records, sink)
            config = write_config(work, Path(directory), delta={"mode": "changed"})
            for state in ("updated", "unchanged"):
                progress(f"{KINDS[kind].about}: a night of {records:,} records")
                measured, report = sync(work, config)
                if report.get("records", {}).get(state) != records:
                    raise SystemExit(f"not all were {state}: {measured.stdout}\n{measured.stderr_end}")
        yield config


def _answered(measured: Measured) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(measured.stdout)
    except ValueError:
        return []
    return found
