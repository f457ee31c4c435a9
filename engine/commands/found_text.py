"""What was found out about an id, for people: one block of 80 columns. Pure, but for the local time zone."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from engine.commands.night_table import COLUMNS
from engine.report import counted, local, shown, zone_text
from engine.values import program

if TYPE_CHECKING:
    from engine.run import Found

REJECTS_SHOWN_MAX = 5
SENT_SHOWN_MAX = 3

COMMAND = "command"
"""In place of a name: what is to be typed, which no line may break."""

ANSWERS = {
    "arrived": "arrived: the API has acknowledged what the source holds today",
    "changed_since": "arrived, but with other values than the source holds today",
    "acknowledged": "acknowledged",
    "not_accepted": "NOT accepted",
    "unproven": "not proven: it was acknowledged once, but other values may have left since",
    "not_sent": "stands in the source; nothing proves that it was sent",
    "gone": "gone: the source holds it no more",
    "unknown": "UNKNOWN: neither the state directory nor the source knows it",
}
"""How each answer is told, if there is no more to say."""

_NOT_ASKED = "UNKNOWN: the state directory does not know it, and the source was not read to its end"
_LEFT_OPEN = "NOT PROVEN: nobody knows whether it was updated"
_TOLD_GONE = {None: "; the API was not told so", "updated": ", and the API was told so"}


def found_text(found: Found, config_path: str, *, names_campaign: bool = False) -> str:
    """Return all that was found out about an id; with `names_campaign`, what is known in each campaign."""
    every = found.campaigns or [found]
    lines, told = [], set[str]()
    for each in every:
        lines += _lines(each, config_path, _named(each) if names_campaign else "", told)
        told.update(each.notes)
    return "\n".join(lines)


def _lines(found: Found, config_path: str, where: str, told: Collection[str]) -> list[str]:
    """Return what is known in one campaign, but for the notes that were told with another one."""
    title = f"{shown(found.id)}{where}: {_answer(found)}"
    lines = textwrap.wrap(title, COLUMNS, subsequent_indent="  ", break_long_words=True, break_on_hyphens=False)
    for name, text in (*_ledger(found), *_source(found), *_not_accepted(found, config_path), *_gone(found)):
        lines += [f"    {text}"] if name == COMMAND else _row(name, text)
    for note in found.notes:
        if note not in told:
            lines += _row("note", shown(note, 400))
    return lines


def _named(found: Found) -> str:
    """Say in which campaign something is known."""
    if found.campaign_id is None:
        return " for no campaign" if found.is_known else ""
    return f" in campaign {shown(found.campaign_id)}"


def _answer(found: Found) -> str:
    """Return the answer in words."""
    if found.answer == "gone":
        outcome = found.gone[0].outcome if found.gone else None
        moved_to = found.gone[0].moved_to if found.gone else None
        begin = f"moved to campaign {shown(moved_to)}" if moved_to else ANSWERS["gone"]
        return begin + _TOLD_GONE.get(outcome, f"; that the API was told so is {outcome}")
    if found.answer == "unknown" and not found.source_read:
        return _NOT_ASKED
    if found.answer == "not_accepted" and found.not_accepted and found.not_accepted[0].outcome == "unknown":
        return _LEFT_OPEN
    return ANSWERS[found.answer]


def _row(name: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, COLUMNS - 17, break_on_hyphens=False)
    return [f"  {name if number == 0 else '':<13}  {line}" for number, line in enumerate(lines)]


def _ledger(found: Found) -> Iterator[tuple[str, str]]:
    entry = found.ledger
    if entry is None:
        return
    by = _run(entry.run_id, entry.run_started_at) if entry.run_id else "a run that is not known any more"
    doubt = "" if entry.is_proven else "; since then, other values may have left for it, so the next run sends it again"
    yield "acknowledged", f"last by {by}{doubt}"
    if entry.gone_since:
        yield "gone", f"the source holds it no more since run {entry.gone_since}"


def _source(found: Found) -> Iterator[tuple[str, str]]:
    source = found.source
    if source is None:
        return
    rows = source.rows
    for index, row in enumerate(rows):
        skipped = source.count - len(rows)
        if skipped and index == len(rows) - 1:
            yield "", f"and {counted(skipped, 'more row')}"
        where = f"{shown(row.path)} row {row.row:,}" if row.path and row.row else "a row whose number is not known"
        kind = "" if row.state == "record" else f": {row.state}, {shown(row.reason or '', 200)}"
        yield "source" if index == 0 else "", where + kind
    if source.same_values is not None:
        which = "those of its last row" if source.count > 1 else "today's"
        yield "values", f"{which} are {'' if source.same_values else 'not '}the ones that were acknowledged"
    for sent in source.sent[:SENT_SHOWN_MAX]:
        answered = f", answered by {local_moment(sent.settled_at)}" if sent.settled_at else ""
        chunk = f"in chunk {sent.chunk:,} ({counted(sent.chunk_records, 'record')})"
        yield "sent", f"{sent.outcome}{answered}, {chunk} of {_run(sent.run_id, sent.run_started_at)}"
    if len(source.sent) > SENT_SHOWN_MAX:
        yield "", f"and in {counted(len(source.sent) - SENT_SHOWN_MAX, 'earlier run')}"


def _not_accepted(found: Found, config_path: str) -> Iterator[tuple[str, str]]:
    for reject in found.not_accepted[:REJECTS_SHOWN_MAX]:
        status = f" (HTTP {reject.http_status})" if reject.http_status else ""
        yield "not accepted", f"{reject.outcome}{status} in {_run(reject.run_id, reject.run_started_at)}"
        yield "", f"{shown(reject.reason, 200)}; at {shown(reject.path)} row {reject.row:,}"
        if reject.waits and reject.has_data and not reject.fits_config:
            yield "", "it waits; `replay` sends it again with the configuration of that run"
        elif reject.waits and reject.has_data:
            yield "", "it waits; this sends it again:"
            yield COMMAND, f"{program()} replay -c {shlex.quote(config_path)} {reject.run_id}"
        elif reject.waits:
            yield "", "waits for the next sync: its data was not kept"
    if len(found.not_accepted) > REJECTS_SHOWN_MAX:
        yield "", f"and {counted(len(found.not_accepted) - REJECTS_SHOWN_MAX, 'earlier time')}"


def _gone(found: Found) -> Iterator[tuple[str, str]]:
    for listed in found.gone[:REJECTS_SHOWN_MAX]:
        told = f", told the API: {listed.outcome}" if listed.outcome else ""
        why = f" ({shown(listed.reason, 200)})" if listed.reason else ""
        moved = f", moved to campaign {shown(listed.moved_to)}" if listed.moved_to else ""
        yield "gone", f"listed in {_run(listed.run_id, listed.run_started_at)}{moved}{told}{why}"


def _run(run_id: str, started_at: str | None) -> str:
    return f"run {run_id}, begun {local_moment(started_at)}" if started_at else f"run {run_id}"


def local_moment(moment: str) -> str:
    """Return a moment as reports hold it in this machine's time, such as `2026-11-28 02:00:07 IST`."""
    found = local(moment)
    return f"{found:%Y-%m-%d %H:%M:%S} {zone_text(found)}" if found else moment
