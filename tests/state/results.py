"""Runs and results to write into a journal."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from engine.state.journal import Journal, Run
from engine.values import Chunk, ChunkResult, Failure, JoinedLines, Outcome, Place, Refusal, Span
from engine.values.counts import RequestCounts

CANARY = "Ramesh Kanarienvogel"


def result(seq: int, *ids: str, failed: Sequence[str] = (), refused: int = 0, reason: str = "locked") -> ChunkResult:
    """A result of a chunk in which the `failed` records were rejected."""
    lines = b"\n".join(orjson.dumps({"id": id_, "data": {"name": CANARY, "n": seq}}) for id_ in ids)
    refusals = [Refusal("not valid JSON", Place("f", 100 + n), raw=CANARY) for n in range(refused)]
    chunk = Chunk(seq, list(ids), JoinedLines(lines), [Span("f", 1, len(ids))], refusals, superseded=1)
    failures = [Failure(ids.index(id_), Outcome.REJECTED, reason, 207) for id_ in failed]
    return ChunkResult(chunk, failures)


def new_run(number: int = 1, kind: str = "sync", campaign_id: str = "camp") -> Run:
    return Run(f"run-{number}", kind, campaign_id, f"2026-11-{number:02}T02:00:00.000Z", {"api.url": "https://x"})


def requests(sent: int) -> RequestCounts:
    return RequestCounts(sent=sent, succeeded=sent)


def record(journal: Journal, run: Run, *results: ChunkResult) -> None:
    journal.record(run, results, worked_s=1.0, requests=requests(len(results)))
