"""How close to a server's limits a client gets: achieved against possible, refused, and how soon the limit is found.

Each client has a stand-in of its own, so all clients of a scenario run at once: it takes time, but hardly any CPU. What
is judged is what the stand-in saw, alike for all clients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from benchmarks.engine_runs import Workload, run_engine
from benchmarks.inputs import input_file
from benchmarks.measure import Measured, measure
from benchmarks.plots import Panel, Series, line_chart
from benchmarks.results import print_table, progress, write_results
from benchmarks.scenarios import RECORDS_PER_REQUEST, SCENARIOS, Scenario
from benchmarks.service_log import ServiceLog
from engine.simulator.process import StandInProcess


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="(%(default)s)")
    parser.add_argument("--no-peers", action="store_true", help="only the engine, as it is and with AIMD")
    parser.add_argument("--runs", type=int, default=1, metavar="R", help="runs of each (%(default)s); all are shown")


PICTURE_TOP = 1.5
"""A learned limit is cut off in the picture above so many times the possible: it would squeeze everything else."""

Timeline = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Client:
    """Somebody who sends. `learned` is the limit that the client says it found, over time."""

    label: str
    send: Callable[[Workload], tuple[Measured, Timeline]]


@dataclass(slots=True)
class Played:
    """What became of one client in one scenario."""

    scenario: Scenario
    client: str
    log: ServiceLog
    cpu_s: float
    exit_code: int
    learned: Timeline = field(default_factory=tuple)


def run(args: argparse.Namespace) -> int:
    """Play the scenarios, print the table, write the results. Returns 0."""
    played: list[Played] = []
    for name in args.scenarios.split(","):
        if name not in SCENARIOS:
            raise SystemExit(f"--scenarios: {name}: there are {', '.join(SCENARIOS)}")
        scenario = SCENARIOS[name]
        clients = [
            Client("engine", _send_with_engine),
            Client("engine with AIMD", partial(_send_with_engine, program="benchmarks.plain_pacing")),
            *([] if args.no_peers else _scripts(scenario)),
        ]
        input_file("ndjson", scenario.requests * RECORDS_PER_REQUEST)  # once, before all clients ask for it
        for number in range(args.runs):
            progress(f"{scenario.title} ({number + 1} of {args.runs})")
            with ThreadPoolExecutor(len(clients)) as pool:
                played += pool.map(lambda client, scenario=scenario: _play(scenario, client), clients)
    print_table(HEADER, [_row(one) for one in played])
    results = [{**_numbers(one), "scenario": one.scenario.name, "client": one.client} for one in played]
    write_results("pacing", vars(args), results, _picture(played))
    return 0


def _play(scenario: Scenario, client: Client) -> Played:
    records = scenario.requests * RECORDS_PER_REQUEST
    path = input_file("ndjson", records)
    with StandInProcess(*scenario.flags()) as server:
        measured, learned = client.send(Workload("ndjson", path, records, server, _upload(scenario)))
        log = ServiceLog.of(server.requests())
    if measured.exit_code:
        progress(f"  {client.label}: exit code {measured.exit_code}: {measured.stderr_end[-300:]}")
    return Played(scenario, client.label, log, measured.cpu_s, measured.exit_code, learned)


def _upload(scenario: Scenario) -> dict[str, Any]:
    return {**scenario.upload, "batch_size": RECORDS_PER_REQUEST}


def _send_with_engine(work: Workload, program: str = "engine") -> tuple[Measured, Timeline]:
    measured, report = run_engine(work, (program,))
    samples = report.get("timeline", ())
    return measured, [(sample["t_s"], sample["rate_limit"]) for sample in samples if sample["rate_limit"]]


def _scripts(scenario: Scenario) -> list[Client]:
    """Return the usual scripts. The one with a limiter is told what the engine has to find out by itself."""
    told = min(scenario.rates[0][1] if scenario.rates else 1_000.0, float(scenario.upload["requests_per_second"]))
    in_flight = scenario.capacity or 8
    return [
        _script("fixed limiter, told the limit", told, in_flight),
        _script("back-off only (8 in flight)", 0.0, 8),
        _script("back-off only (32 in flight)", 0.0, 32),
    ]


def _script(label: str, rate: float, in_flight: int) -> Client:
    def send(work: Workload) -> tuple[Measured, Timeline]:
        arguments = [work.kind, str(work.path), str(work.records), str(rate), str(in_flight), str(RECORDS_PER_REQUEST)]
        return measure([sys.executable, "-m", "benchmarks.peers.paced_script", *arguments], work.env()), ()

    return Client(label, send)


HEADER = (
    "scenario", "client", "seconds", "best", "achieved", "warm", "refused", "503", "limit found after s",
    "latency p95 s", "delivered", "target of the engine",
)  # fmt: skip


def _numbers(one: Played) -> dict[str, Any]:
    """Return what is judged about one client in one scenario."""
    scenario, log = one.scenario, one.log
    best_s = scenario.best_s(len(log.accepted), log.failed)
    refused = log.refused + (log.failed if scenario.refuses_with_503 else 0)
    return {
        "seconds": log.duration_s,
        "best_s": best_s,
        "achieved": best_s / log.duration_s if log.duration_s else 0.0,
        "warm": log.warm_share(scenario),
        "refused": refused / max(1, log.requests),
        "failed": log.failed,
        "found_after_s": log.found_after_s(scenario),
        "latency_p95_s": log.latency_p95_s,
        "delivered": log.records / (scenario.requests * RECORDS_PER_REQUEST),
        "cpu_s": one.cpu_s,
        "exit_code": one.exit_code,
        "accepted_per_s": log.accepted_per_s(),
        "learned": list(one.learned),
        "log": [asdict(entry) for entry in log.entries],
    }


def _row(one: Played) -> list[str]:
    numbers = _numbers(one)
    found = [f"{found_s:.1f}" if found_s is not None else "never" for found_s in numbers["found_after_s"]]
    return [
        one.scenario.title,
        one.client,
        f"{numbers['seconds']:.1f}",
        f"{numbers['best_s']:.1f}",
        f"{numbers['achieved']:.1%}",
        f"{numbers['warm']:.1%}",
        f"{numbers['refused']:.1%}",
        f"{numbers['failed']}",
        ", ".join(found),
        f"{numbers['latency_p95_s']:.2f}",
        f"{numbers['delivered']:.1%}",
        one.scenario.target if one.client == "engine" else "",
    ]


def _picture(played: Sequence[Played]) -> str:
    panels = []
    for scenario in {one.scenario.name: one.scenario for one in played}.values():
        of_scenario = [one for one in played if one.scenario is scenario]
        end_s = max(one.log.duration_s for one in of_scenario)
        possible = [(t / 10, scenario.rate_at(t / 10)) for t in range(int(end_s * 10))]
        series = [Series(_short(one.client), one.log.accepted_per_s()) for one in of_scenario]
        top = PICTURE_TOP * max(rate for _, rate in possible)
        learned = [
            Series("engine: its own limit", [(t_s, min(rate, top)) for t_s, rate in one.learned], dashed=True)
            for one in of_scenario[:1]
        ]
        title = f"{scenario.title}: requests accepted a second"
        panels.append(Panel(title, "seconds", "", [*series, *learned, Series("possible", possible, dashed=True)]))
    return line_chart(panels)


def _short(client: str) -> str:
    return client.partition(",")[0].replace(" in flight", "")
