"""How fast each kind of source goes to a server that takes everything, beside other ways to do the same work.

Whole processes, measured from outside, interleaved; the server is a counting sink in a process of its own, whose CPU is
not counted. Everybody's records are counted there: who delivers less is called out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.engine_runs import Workload, run_engine
from benchmarks.inputs import KINDS, input_file
from benchmarks.measure import Measured, interleaved, measure, medians
from benchmarks.peers.catalog import OTHERS, PEERS, PROTOTYPES, USUAL, Peer
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress, write_results
from engine.simulator.process import StandInProcess

DEFAULT_KINDS = ("ndjson", "ndjson.gz", "csv", "csv-typed", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")
    parser.add_argument("--kinds", default=",".join(DEFAULT_KINDS), help=f"of {', '.join(KINDS)} (%(default)s)")
    parser.add_argument("--peers", default="all", help=f"all, none, prototypes, or some of {', '.join(PEERS)}")
    parser.add_argument("--peer-python", default=sys.executable, metavar="FILE", help="the Python that has the peers")
    parser.add_argument("--sorted-ids", action="store_true", help="ids in order, as some exports have them")


@dataclass(slots=True)
class Contestant:
    """Somebody who does the job, and how it went."""

    label: str
    kind: str
    run: Callable[[Workload], Measured]
    measured: list[Measured] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    kinds = args.kinds.split(",")
    peers, absent = chosen_peers(args.peers, args.peer_python)
    contests: dict[str, list[Contestant]] = {}
    with StandInProcess("--sink") as sink:
        for kind in kinds:
            path = input_file(kind, args.records, sorted_ids=args.sorted_ids)
            work = Workload(kind, path, args.records, sink)
            contests[kind] = _contestants(kind, peers, args.peer_python)
            for number, contestant in interleaved(contests[kind], args.runs):
                progress(f"{KINDS[kind].about}: {contestant.label} ({number + 1} of {args.runs})")
                _compete(contestant, work)
    for kind in kinds:
        print_table(HEADER, _rows(contests[kind], args.records))
    for peer, what in absent:
        print(f"absent: {peer.label} ({what} is not installed)")
    write_results("throughput", vars(args), _as_json(contests, absent), _picture(contests, args.records))
    return 0


def chosen_peers(wanted: str, peer_python: str) -> tuple[list[Peer], list[tuple[Peer, str]]]:
    """Return the peers to compare with, and those that are wanted but not there, with what they lack.

    Raises:
        SystemExit: a name is unknown.
    """
    names = {
        "all": list(PEERS),
        "none": [],
        "prototypes": [USUAL.name, *(peer.name for peer in PROTOTYPES)],
    }.get(wanted, wanted.split(","))
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers: {', '.join(unknown)}: there are {', '.join(PEERS)}")
    peers = [PEERS[name] for name in names]
    absent = [(peer, what) for peer in peers if (what := peer.missing(_python_of(peer, peer_python)))]
    lacking = [peer for peer, _ in absent]
    return [peer for peer in peers if peer not in lacking], absent


def _python_of(peer: Peer, peer_python: str) -> str:
    """The script and the prototypes run in the engine's own environment: same interpreter, same libraries."""
    return peer_python if peer in OTHERS else sys.executable


def _contestants(kind: str, peers: Sequence[Peer], peer_python: str) -> list[Contestant]:
    def start(peer: Peer) -> Callable[[Workload], Measured]:
        python = _python_of(peer, peer_python)
        return lambda work: measure(peer.command(python, kind, work.path, work.records), work.env())

    others = [Contestant(peer.label, kind, start(peer)) for peer in peers if kind in peer.kinds]
    return [Contestant("engine", kind, lambda work: run_engine(work)[0]), *others]


def _compete(contestant: Contestant, work: Workload) -> None:
    before = work.server.stats()["records"]
    measured = contestant.run(work)
    contestant.measured.append(measured)
    contestant.delivered.append(work.server.stats()["records"] - before)
    if measured.exit_code:
        progress(f"  exit code {measured.exit_code}: {measured.stderr_end[-400:]}")


HEADER = ("source", "client", "records/s", "× usual", "CPU s per million", "× usual CPU", "peak MB", "note")


def _rows(contestants: Sequence[Contestant], records: int) -> list[list[str]]:
    usual = next((one for one in contestants if one.label == USUAL.label), None)
    usual_wall, usual_cpu = medians(usual.measured)[:2] if usual else (0.0, 0.0)
    rows = []
    for one in contestants:
        wall_s, cpu_s, peak_mb = medians(one.measured)
        rows.append(
            [
                KINDS[one.kind].about,
                one.label,
                f"{records / wall_s:,.0f}",
                f"{usual_wall / wall_s:.2f}" if usual else "–",
                f"{cpu_s / records * 1e6:.2f}",
                f"{cpu_s / usual_cpu:.2f}" if usual else "–",
                f"{peak_mb:.0f}",
                _note(one, records),
            ]
        )
    return rows


def _note(contestant: Contestant, records: int) -> str:
    least = min(contestant.delivered)
    if least < records:
        return f"delivered {least:,} of {records:,}"
    return "keeps accounts" if contestant.label == "engine" else ""


def _picture(contests: dict[str, list[Contestant]], records: int) -> str:
    groups = []
    for kind, contestants in contests.items():
        bars = []
        for one in contestants:
            wall_s, cpu_s, peak_mb = medians(one.measured)
            note = f"{records / wall_s / 1e6:.2f} M/s, {cpu_s / records * 1e6:.2f} s, {peak_mb:.0f} MB"
            bars.append(Bar(one.label, records / wall_s, note, main=one.label == "engine"))
        title = f"{KINDS[kind].about}: records a second, CPU seconds per million, peak memory"
        groups.append(BarGroup(title, bars))
    return bar_chart(groups)


def _as_json(contests: dict[str, list[Contestant]], absent: Sequence[tuple[Peer, str]]) -> dict[str, Any]:
    def of(one: Contestant) -> dict[str, Any]:
        numbers = [
            {name: value for name, value in asdict(measured).items() if not isinstance(value, str)}
            for measured in one.measured
        ]
        return {"client": one.label, "kind": one.kind, "delivered": one.delivered, "runs": numbers}

    return {
        "contestants": [of(one) for contestants in contests.values() for one in contestants],
        "absent": [peer.label for peer, _ in absent],
    }
