"""`crashes`: kill the real engine at random instants, as often as you like, and check what the server then holds.

Real processes, sockets and files. Each round is one portfolio with repeated ids. Its sync is killed again and again by
SIGKILL after a random time, until it comes to its end; the stand-in keeps the truth about what was applied.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.simulator.process import StandInProcess

if TYPE_CHECKING:
    from tests.acceptance.engine_process import Engine, Outcome

KILLS_PER_ROUND = 25
RECORDS = 3_000
IDS = 1_000
CHUNK = 20
WORKERS = 4
KILL_AFTER_S = (0.05, 0.9)
"""From before the engine has read its configuration to some chunks after it began to send."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how often to kill it (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the portfolio and the instants (default: random)")


def run(args: argparse.Namespace) -> int:
    """Play rounds until there were enough kills; return 1 at the first thing that must never happen."""
    seed = args.seed if args.seed is not None else random.randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    dice, kills = random.Random(seed), 0
    while kills < args.kills:
        with tempfile.TemporaryDirectory() as directory, StandInProcess("--latency-ms", "15") as server:
            killed, problem = _round(Path(directory), server, dice)
        kills += killed
        print(f"{kills} kills so far: {problem or 'every record once in the accounts, the server true'}", flush=True)
        if problem:
            return 1
    return 0


def _round(home: Path, server: StandInProcess, dice: random.Random) -> tuple[int, str | None]:
    """Play one round; return how often a process was killed, and what was wrong in the end."""
    from tests.acceptance.engine_process import Engine
    from tests.acceptance.portfolios import write_ndjson

    pairs = [(f"id{dice.randrange(IDS)}", {"n": number, f"k{dice.randrange(3)}": number}) for number in range(RECORDS)]
    engine = Engine(home, server)
    write_ndjson(home / "loans.ndjson", pairs)
    engine.configure(source={"path": "loans.ndjson"}, upload={"batch_size": CHUNK, "concurrency": WORKERS})
    killed, done = 0, None
    while done is None:
        done = _killed_or_done(engine, dice) if killed < KILLS_PER_ROUND else engine.sync()
        killed += done is None
    if done.exit_code:
        return killed, f"the last process left with {done.exit_code}: {done.err}"
    return killed, _problem(done.records, server, pairs, killed)


def _killed_or_done(engine: Engine, dice: random.Random) -> Outcome | None:
    """Start a sync and kill it after a random time; return its outcome if it was faster."""
    from tests.acceptance.engine_process import Outcome

    process = engine.start("sync", "--json")
    try:
        process.wait(dice.uniform(*KILL_AFTER_S))
    except subprocess.TimeoutExpired:
        process.kill()
    out, err = process.communicate()
    return None if process.returncode == -signal.SIGKILL else Outcome(process.returncode, out.decode(), err.decode())


def _problem(
    counts: dict[str, int], server: StandInProcess, pairs: list[tuple[str, dict[str, int]]], killed: int
) -> str | None:
    expected: dict[str, dict[str, int]] = {}
    for record_id, data in pairs:
        expected.setdefault(record_id, {}).update(data)
    stats = server.stats()
    if counts["read"] != RECORDS or counts["read"] != counts["updated"] + counts.get("superseded", 0):
        return f"the accounts are {counts}"
    if server.state() != expected:
        return "the server does not hold the latest values"
    if stats["overlaps"]:
        return "two versions of an id were in flight at once"
    if stats["records"] > counts["updated"] + killed * WORKERS * CHUNK:
        return "more was sent again than was in flight"
    return None
