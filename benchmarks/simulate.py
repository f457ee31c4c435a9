"""`simulate`: as many histories of the simulation as you have patience for, or one of them again.

The world and its checks are `tests/simulation/`; this runs it over a range of seeds, in as many processes as there are
processors, and prints the seeds that failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.history import History
    from tests.simulation.nights import Nights

SEEDS_AT_ONCE = 200
FAILURES_SHOWN_MAX = 20
REPORT_EVERY_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--histories", type=int, default=20_000, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="N", help="only the history of this seed")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--nights", action="store_true", help="histories of several nights, with delta")
    kinds.add_argument("--campaigns", action="store_true", help="histories of runs with many campaigns")


def run(args: argparse.Namespace) -> int:
    """Run the histories; return 1 if something happened in one of them that must never happen."""
    kind = "nights" if args.nights else "campaigns" if args.campaigns else ""
    if args.seed is not None:
        return _one(args.seed, kind)
    return _many(args.first, args.histories, kind)


def _one(seed: int, kind: str) -> int:
    history = _simulate(seed, kind)
    print(history)
    return int(bool(history.violations))


def _many(first: int, histories: int, kind: str) -> int:
    started_at = time.monotonic()
    reported_at = started_at
    done = requests = crashes = failed = 0
    for history in _histories(range(first, first + histories), kind):
        done += 1
        requests += history.requests
        crashes += history.crashes
        if history.violations:
            failed += 1
            if failed <= FAILURES_SHOWN_MAX:
                again = f"--{kind} --seed" if kind else "--seed"
                print(f"{history}\n  again: python -m benchmarks simulate {again} {history.seed}", flush=True)
        if time.monotonic() - reported_at > REPORT_EVERY_S:
            reported_at = time.monotonic()
            print(f"{done:,} of {histories:,}, {failed:,} failed", file=sys.stderr, flush=True)
    took_s = max(time.monotonic() - started_at, 1e-9)
    print(
        f"{done:,} histories with {requests:,} requests and {crashes:,} crashes in {took_s:.0f} s "
        f"({done / took_s * 60:,.0f} a minute): {failed:,} failed"
    )
    return int(failed > 0)


def _histories(seeds: range, kind: str) -> Iterator[History | Nights]:
    """Yield the histories of all seeds as they are done, a few processes working on them."""
    parts = [seeds[start : start + SEEDS_AT_ONCE] for start in range(0, len(seeds), SEEDS_AT_ONCE)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for histories in pool.map(_simulate_all, parts, [kind] * len(parts)):
            yield from histories


def _simulate_all(seeds: range, kind: str) -> list[History | Nights]:
    return [_simulate(seed, kind) for seed in seeds]


def _simulate(seed: int, kind: str) -> History | Nights:
    from tests.simulation.history import simulate  # here, so that other benchmarks need no tests
    from tests.simulation.nights import simulate_nights

    return simulate_nights(seed) if kind == "nights" else simulate(seed, routed=kind == "campaigns")
