"""`sync --dry-run`: read, map and validate everything, send nothing, and say what would be sent."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.api import Endpoint
from engine.commands.id_forms import IdForms
from engine.run import GuardWords, InvalidGuard, check_age, check_size, endpoint_of, reading_of
from engine.settings import Settings
from engine.values import EXAMPLE_IDS_MAX, STATE_MEANINGS, ExitCode, SourceMissing, SourceUntrusted

PAYLOAD_RECORDS_SHOWN = 3


@dataclass(slots=True)
class Findings:
    """What a pass over the source found."""

    label: str
    """What was read."""
    read: int = 0
    invalid: int = 0
    superseded: int = 0
    filtered: int = 0
    to_send: int = 0
    requests: int = 0
    request_bytes_max: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    places: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By reason: where the first few such records stand."""
    first_lines: list[bytes] = field(default_factory=list)
    too_many_invalid: SourceUntrusted | None = None
    """Why a sync would not go on, if more is invalid than `guard.max_invalid` allows."""
    doubts: dict[str, None] = field(default_factory=dict)
    """What was odd about the source, each once, in their order."""


def survey(settings: Settings, limit: int | None = None) -> Findings:
    """Read the source (its first `limit` records) as `sync` would, and sum up what is in it.

    Raises:
        EngineError: the source can't be read or is empty.
    """
    reading = reading_of(settings, limit)
    source = reading.open()
    envelope_bytes = sum(map(len, endpoint_of(settings).envelope()))
    found, forms = Findings(source.label), IdForms()
    guard = InvalidGuard(settings.guard.max_invalid, GuardWords("sync"))
    for chunk in reading.cutting.cut(source):
        found.read += chunk.read
        found.invalid += len(chunk.refusals)
        found.superseded += chunk.superseded
        found.filtered += chunk.filtered
        found.doubts.update(dict.fromkeys(chunk.notes))
        forms.add(chunk.ids, chunk.spans)
        found.too_many_invalid = found.too_many_invalid or guard.add(chunk)
        found.to_send += len(chunk.ids)
        found.requests += bool(chunk.ids)
        found.request_bytes_max = max(found.request_bytes_max, len(chunk.lines) + envelope_bytes)
        for refusal in chunk.refusals:
            found.reasons[refusal.reason] += 1
            if found.reasons[refusal.reason] <= EXAMPLE_IDS_MAX:
                found.places[refusal.reason].append(f"{refusal.place.path} row {refusal.place.row}")
        if not found.first_lines and chunk.ids:
            found.first_lines = chunk.lines.split(b"\n", PAYLOAD_RECORDS_SHOWN)[:PAYLOAD_RECORDS_SHOWN]
    found.too_many_invalid = found.too_many_invalid or guard.exceeded()
    if doubt := forms.doubt():
        found.doubts[doubt] = None
    if not found.read:
        raise SourceMissing(f"{source.label} holds no record")
    return found


def dry_run(settings: Settings, *, limit: int | None, as_json: bool) -> int:
    """Print what a sync would send, and return 0, or 3 if records are invalid, or 65 if too many are.

    Raises:
        EngineError: the source can't be read, is empty, or is not what `[guard]` accepts.
    """
    source = reading_of(settings, limit).open()
    check_age(source, settings)
    check_size(source, settings, "sync", limit)
    endpoint, found = endpoint_of(settings), survey(settings, limit)
    if as_json:
        print(orjson.dumps(_as_json(found, endpoint)).decode())
    else:
        print(_as_text(found, endpoint, settings.upload.requests_per_second))
    sys.stdout.flush()
    if found.too_many_invalid:
        return int(found.too_many_invalid.exit_code)
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
            "filtered": found.filtered,
            "to_send": found.to_send,
        },
        "requests": found.requests,
        "request_bytes_max": found.request_bytes_max,
        "reasons": [
            {"reason": reason, "count": count, "places": found.places[reason]}
            for reason, count in found.reasons.items()
        ],
        "doubts": list(found.doubts),
        "first_payload": _payload(found, endpoint),
    }


def _as_text(found: Findings, endpoint: Endpoint, rate: float) -> str:
    lines = [
        f"Dry run: nothing was sent. {found.label} holds {found.read:,} records.",
        "",
        f"  to send     {found.to_send:>12,}  in {found.requests:,} requests, "
        f"the largest {found.request_bytes_max:,} bytes; {found.requests / rate:,.0f} s at {rate:g} requests/s",
        f"  superseded  {found.superseded:>12,}  {STATE_MEANINGS['superseded']}",
        f"  invalid     {found.invalid:>12,}",
    ]
    for reason, count in found.reasons.most_common():
        lines.append(f"    {count:,} × {reason}  (such as {', '.join(found.places[reason])})")
    if found.filtered:
        lines.append(f"  filtered    {found.filtered:>12,}  left out by source.where")
    lines += [f"  ! {doubt}" for doubt in found.doubts]
    if found.too_many_invalid:
        lines.append(f"  ✗ {found.too_many_invalid}")
    payload = orjson.dumps(_payload(found, endpoint), option=orjson.OPT_INDENT_2).decode()
    return "\n".join(
        [*lines, "", f"The first request, PUT {endpoint.url}/customer-data/bulk, begins with these records:", payload]
    )
