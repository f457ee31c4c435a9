"""Nights in sequence: an export, a command, and what must be true after it.

Values are compared as the texts they were sent as, because to Python 1, 1.0 and true are equal.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.acceptance.engine_process import WAIT_S, Engine, Outcome, balanced, wait_until_it_says
from tests.acceptance.portfolios import Portfolio, write_ndjson
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]
Pairs = Iterable[tuple[str, dict[str, Any]]]

CHUNK = 10
CLOSED = {"payment_status": "closed"}
"""The constants for gone ids; no portfolio of the tests has this value of its own."""
GONE_STATES = ("updated", "rejected", "unknown", "pending")


@dataclass(frozen=True)
class Night:
    """A command that has ended, and what the stand-in saw of it."""

    outcome: Outcome
    requests: int
    records: int

    @property
    def exit_code(self) -> int:
        return self.outcome.exit_code

    @property
    def report(self) -> dict[str, Any]:
        return self.outcome.report

    @property
    def counts(self) -> dict[str, int]:
        """The non-zero counts of records."""
        return self.outcome.records

    @property
    def gone(self) -> dict[str, Any]:
        """The non-zero counts of gone ids, and why they were not judged or nothing was sent to them."""
        return {name: value for name, value in self.report["gone"].items() if value}

    @property
    def delta(self) -> dict[str, Any]:
        told: dict[str, Any] = self.report["delta"]
        return told


def with_delta(engine: Engine, **tables: dict[str, Any]) -> Engine:
    """Turn delta on, with small chunks and with guards that do not stop small portfolios."""
    engine.configure(
        delta={"mode": "changed"},
        upload={"batch_size": CHUNK, "concurrency": 2},
        guard={"max_gone": "100%", "max_rejected": "100%"},
        state={"resume_within": "0s"},  # each export is begun anew
    )
    engine.configure(**tables)
    return engine


def night(engine: Engine, loans: Portfolio | Pairs | None = None, *args: str, command: str = "sync") -> Night:
    """Write the export, unless it stays as it is, and run a command to its end; the sums of its report must hold."""
    if loans is not None:
        write_ndjson(engine.home / "loans.ndjson", loans)
    before = engine.server.stats()
    outcome = engine.run(command, "--json", *args)
    after = engine.server.stats()
    assert outcome.exit_code != 1, outcome.err
    if outcome.out:
        check_sums(outcome.report)
    return Night(outcome, after["requests"] - before["requests"], after["records"] - before["records"])


def check_sums(report: Mapping[str, Any]) -> None:
    """Assert the equations of the report."""
    assert balanced(report["records"]), report["records"]
    gone = report.get("gone")
    if gone:
        assert gone["found"] == sum(gone[state] for state in GONE_STATES), gone
        assert gone["found"] >= gone["new"], gone


def killed(engine: Engine, loans: Portfolio | Pairs | None = None, *args: str, done: int = 0, at: str) -> None:
    """Kill a sync at the request that follows `done` others; it is held `at` before-apply or before-reply for good."""
    if loans is not None:
        write_ndjson(engine.home / "loans.ndjson", loans)
    engine.server.change(hold=at)
    process = engine.start("sync", *args)
    let_through(engine.server, done)
    process.kill()
    process.communicate()
    engine.server.change(hold="nothing")
    engine.server.wait(answered=engine.server.stats()["requests"])


def cut(engine: Engine, loans: Portfolio | Pairs | None = None, *args: str, done: int) -> Night:
    """Stop a sync by a signal once `done` requests are answered; those in flight are answered, too."""
    if loans is not None:
        write_ndjson(engine.home / "loans.ndjson", loans)
    before = engine.server.stats()
    engine.server.change(hold="before-reply")
    process = engine.start("sync", "--json", *args)
    let_through(engine.server, done)
    process.send_signal(signal.SIGTERM)
    wait_until_it_says(process, b'"stopping"')
    engine.server.change(hold="nothing")
    out, err = process.communicate(timeout=WAIT_S)
    after = engine.server.stats()
    outcome = Outcome(process.returncode, out.decode(), err.decode())
    assert outcome.exit_code == 75, outcome.err
    check_sums(outcome.report)
    return Night(outcome, after["requests"] - before["requests"], after["records"] - before["records"])


def pushed(engine: Engine, pairs: Pairs, campaign: str = "") -> None:
    """Send records through the library, from the state directory of the installation."""
    import engine as library

    report = asyncio.run(
        library.push(
            list(pairs),
            url=engine.server.url,
            campaign_id=campaign or engine.server.campaign_id,
            token=engine.server.token,
            state_dir=engine.home / "engine-state",
            late_copy_s=0.2,
        )
    )
    assert report.exit_code == 0, report.message


def changed(loans: Portfolio, ids: Iterable[str] | None = None, **fields: Any) -> Portfolio:
    """Return the portfolio with other values of some loans, or of all."""
    some = set(loans if ids is None else ids)
    fields = fields or {"payment_status": "overdue"}
    return {id_: data | fields if id_ in some else data for id_, data in loans.items()}


def without(loans: Portfolio, *ids: str) -> Portfolio:
    """Return the portfolio as it is once these loans have left it."""
    return {id_: data for id_, data in loans.items() if id_ not in ids}


def texts(data: Mapping[str, Any]) -> dict[str, str]:
    """Return each value as the JSON text it has in an export."""
    return {name: json.dumps(value, ensure_ascii=False, separators=(",", ":")) for name, value in data.items()}


def held(engine: Engine) -> dict[str, dict[str, str]]:
    """Return what the server holds, each value as the text it was sent as."""
    lines = (msgspec.json.decode(line, type=_Held) for line in engine.server.record_lines())
    return {one.id: {name: bytes(value).decode() for name, value in one.data.items()} for one in lines}


def server_has(engine: Engine, loans: Portfolio, but: Iterable[str] = ()) -> bool:
    """Whether the server holds exactly the latest values of these loans; a field of an older export may be left."""
    on_server, spared = held(engine), set(but)
    return all(
        on_server.get(id_, {}).items() >= texts(data).items() for id_, data in loans.items() if id_ not in spared
    )


def closed_on_server(engine: Engine) -> set[str]:
    """Return the ids that have the constants of gone loans."""
    return {id_ for id_, data in held(engine).items() if data.items() >= texts(CLOSED).items()}


def run_dir(engine: Engine, run_id: object) -> Path:
    return engine.home / "engine-state" / "runs" / str(run_id)


def lines_of(engine: Engine, run_id: object, name: str) -> list[dict[str, Any]]:
    """Return the objects of a file of a run, such as `gone.ndjson`; none if it has no such file."""
    path = run_dir(engine, run_id) / name
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def gone_ids(engine: Engine, of: Night) -> list[str]:
    """Return the ids that `gone.ndjson` of this night lists, sorted."""
    return sorted(line["id"] for line in lines_of(engine, of.report["run_id"], "gone.ndjson"))


class _Held(msgspec.Struct):
    id: str
    data: dict[str, msgspec.Raw]
