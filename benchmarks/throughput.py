"""How fast each kind of source goes to a server that takes everything, beside other ways to do the same work.

Whole processes, measured from outside, interleaved; the server is a counting sink in a process of its own, whose CPU is
not counted. Everybody's records are counted there: who delivers less is called out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from benchmarks.contests import ENGINE, PURE_ENGINE, Contest, Contestant, as_json, compete, picture_of, print_contests
from benchmarks.engine_runs import Workload, run_engine
from benchmarks.inputs import GROUPS, KINDS, input_file, kinds_named, records_kept
from benchmarks.measure import Measured, measure
from benchmarks.peers.catalog import OTHERS, PEERS, PROTOTYPES, USUAL, Peer
from benchmarks.results import write_results
from engine.simulator.process import StandInProcess
from engine.sources.ndjson import acceleration

DEFAULT_KINDS = ("ndjson", "ndjson.gz", "csv", "csv-typed", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    kinds = f"of {', '.join((*GROUPS, *KINDS))} (%(default)s)"
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="records (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="runs of each (%(default)s); medians count")
    parser.add_argument("--kinds", default=",".join(DEFAULT_KINDS), help=kinds)
    parser.add_argument("--peers", default="all", help=f"all, none, prototypes, or some of {', '.join(PEERS)}")
    parser.add_argument("--peer-python", default=sys.executable, metavar="FILE", help="the Python that has the peers")
    parser.add_argument("--sorted-ids", action="store_true", help="ids in order, as some exports have them")
    parser.add_argument("--pure", action="store_true", help="NDJSON: also the engine without its accelerator")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    kinds = kinds_named(args.kinds)
    peers, absent = chosen_peers(args.peers, args.peer_python)
    contests = []
    with StandInProcess("--sink") as sink:
        for kind in kinds:
            path = input_file(kind, args.records, sorted_ids=args.sorted_ids)
            work = Workload(kind, path, args.records, sink)
            contest = _contest(work, peers, args.peer_python, pure=args.pure)
            compete(contest, sink, args.runs)
            contests.append(contest)
    print_contests(contests)
    for peer, what in absent:
        print(f"absent: {peer.label} ({what} is not installed)")
    if acceleration.why_pure and any(KINDS[kind].is_ndjson for kind in kinds):
        print(f"absent: the accelerator ({acceleration.why_pure})")
    results = {"contestants": as_json(contests), "absent": [peer.label for peer, _ in absent]}
    write_results("throughput", vars(args), results, picture_of(contests))
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


def _contest(work: Workload, peers: Sequence[Peer], peer_python: str, *, pure: bool) -> Contest:
    def run_peer(peer: Peer) -> Measured:
        command = peer.command(_python_of(peer, peer_python), work.kind, work.path, work.records)
        return measure(command, work.env())

    engines = [Contestant(ENGINE, lambda: run_engine(work)[0])]
    if pure and KINDS[work.kind].is_ndjson:
        engines.append(Contestant(PURE_ENGINE, lambda: run_engine(work, pure=True)[0]))
    others = [Contestant(peer.label, partial(run_peer, peer)) for peer in peers if work.kind in peer.kinds]
    return Contest(work.kind, work.records, records_kept(work.kind, work.records), [*engines, *others])
