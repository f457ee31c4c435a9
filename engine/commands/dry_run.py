"""`sync --dry-run`: read, map and validate everything, send nothing, and say what would be sent."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.api import Endpoint
from engine.run import endpoint_of, reading_of
from engine.settings import Settings
from engine.values import EXAMPLE_IDS_MAX, STATE_MEANINGS, Chunk, ExitCode, SourceMissing

PAYLOAD_RECORDS_SHOWN = 3


@dataclass(slots=True)
class Findings:
    """What a pass over the source found."""

    read: int = 0
    invalid: int = 0
    superseded: int = 0
    to_send: int = 0
    requests: int = 0
    request_bytes_max: int = 0
    reasons: dict[str, list[str]] = field(default_factory=dict)
    """By reason: where the first few such records stand."""
    reason_counts: dict[str, int] = field(default_factory=dict)
    first_lines: list[bytes] = field(default_factory=list)


def survey(chunks: Iterable[Chunk], envelope_bytes: int) -> Findings:
    """Go through `chunks` and sum them up."""
    found = Findings()
    for chunk in chunks:
        found.read += chunk.read
        found.invalid += len(chunk.refusals)
        found.superseded += chunk.superseded
        found.to_send += len(chunk.ids)
        found.requests += bool(chunk.ids)
        found.request_bytes_max = max(found.request_bytes_max, len(chunk.lines) + envelope_bytes)
        for refusal in chunk.refusals:
            found.reason_counts[refusal.reason] = found.reason_counts.get(refusal.reason, 0) + 1
            places = found.reasons.setdefault(refusal.reason, [])
            if len(places) < EXAMPLE_IDS_MAX:
                places.append(f"{refusal.place.path} row {refusal.place.row}")
        if not found.first_lines and chunk.ids:
            found.first_lines = chunk.lines.split(b"\n", PAYLOAD_RECORDS_SHOWN)[:PAYLOAD_RECORDS_SHOWN]
    return found


def dry_run(settings: Settings, *, limit: int | None, as_json: bool) -> int:
    """Print what a sync would send, and return 0, or 3 if records are invalid.

    Raises:
        EngineError: the source can't be read or is empty.
    """
    endpoint, reading = endpoint_of(settings), reading_of(settings, limit)
    source = reading.open()
    found = survey(reading.cutting.cut(source), sum(map(len, endpoint.envelope())))
    if not found.read:
        raise SourceMissing(f"{source.label} holds no record")
    if as_json:
        print(orjson.dumps(_as_json(found, endpoint)).decode())
    else:
        print(_as_text(found, endpoint, source.label, settings.upload.requests_per_second))
    sys.stdout.flush()
    return int(ExitCode.SOME_NOT_ACCEPTED if found.invalid else ExitCode.OK)


def _payload(found: Findings, endpoint: Endpoint) -> dict[str, Any]:
    return {"campaignId": endpoint.campaign_id, "records": [orjson.Fragment(line) for line in found.first_lines]}


def _as_json(found: Findings, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "dry_run": True,
        "records": {
            "read": found.read,
            "invalid": found.invalid,
            "superseded": found.superseded,
            "to_send": found.to_send,
        },
        "requests": found.requests,
        "request_bytes_max": found.request_bytes_max,
        "reasons": [
            {"reason": reason, "count": count, "places": found.reasons[reason]}
            for reason, count in found.reason_counts.items()
        ],
        "first_payload": _payload(found, endpoint),
    }


def _as_text(found: Findings, endpoint: Endpoint, label: str, rate: float) -> str:
    lines = [
        f"Dry run: nothing was sent. {label} holds {found.read:,} records.",
        "",
        f"  to send     {found.to_send:>12,}  in {found.requests:,} requests, "
        f"the largest {found.request_bytes_max:,} bytes; {found.requests / rate:,.0f} s at {rate:g} requests/s",
        f"  superseded  {found.superseded:>12,}  {STATE_MEANINGS['superseded']}",
        f"  invalid     {found.invalid:>12,}",
    ]
    for reason, count in sorted(found.reason_counts.items(), key=lambda item: -item[1]):
        lines.append(f"    {count:,} × {reason}  (such as {', '.join(found.reasons[reason])})")
    payload = orjson.dumps(_payload(found, endpoint), option=orjson.OPT_INDENT_2).decode()
    return "\n".join(
        [*lines, "", f"The first request, PUT {endpoint.url}/customer-data/bulk, begins with these records:", payload]
    )
