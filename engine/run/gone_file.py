"""The list of who is gone: what stands in it of each, and what earlier processes of the run have written there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson


class GoneId(msgspec.Struct, frozen=True):
    """An id, the run that was acknowledged last of it, and whether the last complete run still held it."""

    id: str
    run: str | None
    is_new: bool


def gone_lines(
    campaign_id: str,
    listed: Sequence[GoneId],
    moved: Mapping[str, tuple[str | None, str]],
    outcomes: Mapping[str, tuple[str, str]],
    before: Mapping[str, bytes],
) -> Iterator[bytes]:
    """Yield the lines about a campaign.

    Args:
        campaign_id: The campaign.
        listed: Who is gone from it.
        moved: Who stands under another campaign now: the run that was acknowledged last, and that campaign.
        outcomes: What the API has answered for ids, and why.
        before: What an earlier process of the run has written, by id. Who is not listed any more was told.
    """
    now = {each.id for each in listed}
    for record_id, told in before.items():
        if record_id not in now and record_id not in moved:
            yield orjson.dumps(orjson.loads(told) | _UPDATED, option=orjson.OPT_APPEND_NEWLINE)
    only_moved = [GoneId(record_id, run, False) for record_id, (run, _) in moved.items() if record_id not in now]
    for each in (*listed, *only_moved):
        line: dict[str, Any] = {"id": each.id, "campaign_id": campaign_id, "last_run": each.run}
        if each.id in moved:
            line["moved_to"] = moved[each.id][1]
        if each.id in outcomes:
            outcome, reason = outcomes[each.id]
            line |= {"outcome": outcome, "reason": reason or None}
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


_UPDATED = {"outcome": "updated", "reason": None}


class _Told(msgspec.Struct):
    id: str
    campaign_id: str


_decode = msgspec.json.Decoder(_Told).decode


def told_before(path: Path) -> dict[tuple[str, str], bytes]:
    """Return the lines of an earlier process of the run, by campaign and id. Who is not gone any more was told."""
    if not path.exists():
        return {}
    lines: Iterable[bytes] = path.read_bytes().splitlines()
    told = ((_decode(line), line) for line in lines)
    return {(each.campaign_id, each.id): line for each, line in told}
