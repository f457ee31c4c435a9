"""`sync --dry-run`: read, map and validate everything, send nothing, and say what would be sent."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.api import Endpoint
from engine.commands.id_forms import IdForms
from engine.reading import PassHere, Reading
from engine.report import Gone, shown
from engine.run import (
    GuardWords,
    InvalidGuard,
    SupersededGuard,
    check_age,
    check_size,
    endpoint_of,
    preview,
    reading_for_a_look,
)
from engine.settings import Settings
from engine.sources import Source
from engine.values import EXAMPLE_IDS_MAX, STATE_MEANINGS, Chunk, ExitCode, SourceMissing, SourceUntrusted, counted

PAYLOAD_RECORDS_SHOWN = 3
CAMPAIGNS_SHOWN = 10

SENT_BECAUSE = {
    "new": "new",
    "changed": "changed",
    "unproven": "not proven to have arrived as they are",
    "same": "as they were, but sent again",
}
"""Why records would be sent, of which the ledger knows no more than this: it holds digests, no values."""


@dataclass(slots=True)
class Findings:
    """What a pass over the source found."""

    label: str
    """What was read."""
    read: int = 0
    invalid: int = 0
    superseded: int = 0
    filtered: int = 0
    ids: int = 0
    """How many different ids the valid records have."""
    to_send: int = 0
    requests: int = 0
    request_bytes_max: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    places: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By reason: where the first few such records stand."""
    first_lines: list[bytes] = field(default_factory=list)
    repeated_ids: str | None = None
    """What is to be said about ids that come again, if these are many."""
    too_many_superseded: SourceUntrusted | None = None
    """Why a sync would not begin, if more ids come again than `guard.max_superseded` allows."""
    too_many_invalid: SourceUntrusted | None = None
    """Why a sync would not go on, if more is invalid than `guard.max_invalid` allows."""
    doubts: dict[str, None] = field(default_factory=dict)
    """What was odd about the source, each once, in their order."""
    compared: Compared | None = None
    """What the comparison with the ledger came to; None with delta off."""
    campaigns: Counter[str] = field(default_factory=Counter)
    """How many records each campaign has, where records say which one they are for."""
    first_campaign: str = ""
    """Of the first records to send."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a sync with delta would leave out, and what it would send, and why."""

    unchanged: int
    to_send: Mapping[str, int]
    """As `Preview.counts`."""
    example_ids: Sequence[str]
    """A few ids of these."""
    full_reason: str | None
    gone: Gone
    too_many_gone: SourceUntrusted | None


def survey(settings: Settings, reading: Reading) -> Findings:
    """Read the source as `sync` without delta would, and sum up what is in it.

    Raises:
        EngineError: the source can't be read or is empty.
    """
    source = reading.open()
    return _summed_up(settings, source, reading.cutting.cut(source))


def survey_compared(settings: Settings, reading: Reading, *, full: bool) -> Findings:
    """Do the same as a sync would with the configured delta.

    Raises:
        EngineError: as `survey`; or the state can't be read.
    """
    source = reading.open()
    with preview(settings, source, full=full, limit=reading.cutting.limit) as previewed:
        if previewed is None:
            return survey(settings, reading)
        pass_, unchanged = PassHere(reading.cutting, source), 0
        example_ids: list[str] = []

        def chunks() -> Iterator[Chunk]:
            nonlocal unchanged
            for chunk in pass_.chunks(previewed.comparing):
                previewed.add(chunk)
                unchanged += chunk.unchanged
                example_ids.extend(chunk.ids[: EXAMPLE_IDS_MAX - len(example_ids)])
                yield chunk

        found = _summed_up(settings, source, chunks())
        gone, error = previewed.judge(pass_.presence, source)
        told = 0 if gone.skipped else gone.pending * (settings.delta.constants() is not None)
        found.requests += -(-told // settings.upload.batch_size)
        found.compared = Compared(unchanged, previewed.counts, example_ids, previewed.full_reason, gone, error)
        return found


def _summed_up(settings: Settings, source: Source, chunks: Iterable[Chunk]) -> Findings:
    envelope_bytes = sum(map(len, endpoint_of(settings).envelope()))
    found, forms = Findings(source.label), IdForms()
    guard = InvalidGuard(settings.guard.max_invalid, GuardWords("sync"))
    superseded = SupersededGuard(settings.guard.max_superseded, GuardWords("sync"))
    for chunk in chunks:
        found.read += chunk.read
        found.invalid += len(chunk.refusals)
        found.superseded += chunk.superseded
        found.filtered += chunk.filtered
        found.doubts.update(dict.fromkeys(chunk.notes))
        forms.add(chunk.ids, chunk.spans)
        superseded.add(chunk)
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
            found.first_campaign = chunk.campaign_id
        if chunk.campaign_id:
            found.campaigns[chunk.campaign_id] += chunk.read
    found.too_many_invalid = found.too_many_invalid or guard.exceeded()
    found.ids = superseded.records - superseded.repeated
    found.repeated_ids, found.too_many_superseded = superseded.doubt(), superseded.exceeded()
    if doubt := forms.doubt():
        found.doubts[doubt] = None
    if not found.read:
        raise SourceMissing(f"{source.label} holds no record")
    return found


def dry_run(settings: Settings, *, limit: int | None, as_json: bool, full: bool = False) -> int:
    """Print what a sync would send, and return 0, or 3 if records are invalid, or 65 if too many are, or are gone.

    Raises:
        EngineError: the source can't be read, is empty, or is not what `[guard]` accepts.
    """
    with reading_for_a_look(settings, limit, whole=True) as (reading, _):
        source = reading.open()
        check_age(source, settings)
        check_size(source, settings, "sync", limit)
        endpoint, found = endpoint_of(settings), survey_compared(settings, reading, full=full)
    if as_json:
        print(orjson.dumps(_as_json(found, endpoint)).decode())
    else:
        print(_as_text(found, endpoint, settings.upload.requests_per_second))
    sys.stdout.flush()
    for error in (found.too_many_superseded, found.too_many_invalid):
        if error is not None:
            return int(error.exit_code)
    if found.compared and found.compared.too_many_gone:
        return int(found.compared.too_many_gone.exit_code)
    return int(ExitCode.SOME_NOT_ACCEPTED if found.invalid else ExitCode.OK)


def _payload(found: Findings, endpoint: Endpoint) -> dict[str, Any]:
    campaign_id = found.first_campaign or endpoint.campaign_id
    return {"campaignId": campaign_id, "records": [orjson.Fragment(line) for line in found.first_lines]}


def _as_json(found: Findings, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "dry_run": True,
        "records": {
            "read": found.read,
            "invalid": found.invalid,
            "superseded": found.superseded,
            "filtered": found.filtered,
            "to_send": found.to_send,
            **({"unchanged": found.compared.unchanged} if found.compared else {}),
        },
        "ids": found.ids,
        **({"campaigns": dict(found.campaigns)} if found.campaigns else {}),
        **(_delta_as_json(found.compared) if found.compared else {}),
        "requests": found.requests,
        "request_bytes_max": found.request_bytes_max,
        "reasons": [
            {"reason": reason, "count": count, "places": found.places[reason]}
            for reason, count in found.reasons.items()
        ],
        "doubts": [*found.doubts, *filter(None, [found.repeated_ids])],
        "first_payload": _payload(found, endpoint),
    }


def _delta_as_json(compared: Compared) -> dict[str, Any]:
    gone = {name: getattr(compared.gone, name) for name in ("found", "new", "skipped")}
    return {
        "gone": gone,
        "delta": {
            "full": compared.full_reason is not None,
            "full_reason": compared.full_reason,
            "to_send": dict(compared.to_send),
            "example_ids": list(compared.example_ids),
            "message": str(compared.too_many_gone or ""),
        },
    }


def _delta_as_text(compared: Compared) -> list[str]:
    why = ", ".join(f"{count:,} {SENT_BECAUSE[name]}" for name, count in compared.to_send.items() if count)
    ids = ", ".join(shown(each, 40) for each in compared.example_ids)
    lines = [f"              {why}; such as {ids}"] if why else []
    if compared.full_reason:
        lines.append(f"  full send, because: {shown(compared.full_reason, 300)}")
    lines.append(f"  unchanged   {compared.unchanged:>12,}  {STATE_MEANINGS['unchanged']}")
    gone = compared.gone
    if gone.found or not gone.skipped:
        withheld = f"; nothing would be sent to them: {shown(gone.skipped, 300)}" if gone.skipped else ""
        lines.append(
            f"  gone        {gone.found:>12,}  ids that the source holds no more, {gone.new:,} of them new{withheld}"
        )
    else:
        lines.append(f"  gone                   ?  not judged: {shown(gone.skipped, 300)}")
    return lines + ([f"  ✗ {compared.too_many_gone}"] if compared.too_many_gone else [])


def _campaigns_as_text(campaigns: Counter[str]) -> list[str]:
    """Say how many records the largest campaigns have."""
    if not campaigns:
        return []
    lines = [f"  campaigns   {len(campaigns):>12,}  known by route.column"]
    for campaign_id, count in campaigns.most_common(CAMPAIGNS_SHOWN):
        lines.append(f"    {count:>12,} × {shown(campaign_id, 60)}")
    left = len(campaigns) - CAMPAIGNS_SHOWN
    return [*lines, f"    and {counted(left, 'more campaign')}"] if left > 0 else lines


def _ids(found: Findings) -> str:
    """Say how many ids there are, if some come again."""
    return f" ({found.ids:,} different ids)" if found.ids != found.read - found.invalid else ""


def _as_text(found: Findings, endpoint: Endpoint, rate: float) -> str:
    lines = [
        f"Dry run: nothing was sent. {found.label} holds {counted(found.read, 'record')}{_ids(found)}.",
        "",
        f"  to send     {found.to_send:>12,}  in {counted(found.requests, 'request')}, "
        f"the largest {counted(found.request_bytes_max, 'byte')}; "
        f"{found.requests / rate:,.0f} s at {rate:g} requests/s",
        *(_delta_as_text(found.compared) if found.compared else []),
        f"  superseded  {found.superseded:>12,}  {STATE_MEANINGS['superseded']}",
        f"  invalid     {found.invalid:>12,}",
    ]
    for reason, count in found.reasons.most_common():
        lines.append(f"    {count:,} × {reason}  (such as {', '.join(found.places[reason])})")
    if found.filtered:
        by = "source.where or [route]" if found.campaigns else "source.where"
        lines.append(f"  filtered    {found.filtered:>12,}  left out by {by}")
    lines += _campaigns_as_text(found.campaigns)
    doubts = [*found.doubts, *filter(None, [found.repeated_ids if not found.too_many_superseded else None])]
    lines += [f"  ! {doubt}" for doubt in doubts]
    lines += [f"  ✗ {error}" for error in (found.too_many_superseded, found.too_many_invalid) if error]
    payload = orjson.dumps(_payload(found, endpoint), option=orjson.OPT_INDENT_2).decode()
    return "\n".join(
        [*lines, "", f"The first request, PUT {endpoint.url}/customer-data/bulk, begins with these records:", payload]
    )
