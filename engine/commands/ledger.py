"""`ledger`: what is known of the records that the API has acknowledged, and how to have them sent again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from engine.commands.arguments import add_config_argument, write_result
from engine.report import age_text, bytes_text, counted, moment_text, shown
from engine.run import LedgerFacts, ledgers_in
from engine.settings import load
from engine.values import ConfigError

if TYPE_CHECKING:
    from engine.run import Forgotten

JSON_HELP = "print one JSON object"

UNKNOWN_SHOWN_MAX = 10
"""The most unknown ids that are named one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    actions = parser.add_subparsers(dest="action", metavar="forget")
    forget = actions.add_parser(
        "forget",
        help="have ids, a campaign or all of them sent again by the next run",
        description="Have the next run send these again, whatever the ledger says.",
        allow_abbrev=False,
    )
    add_config_argument(forget, default=argparse.SUPPRESS)  # what was said before `forget` stays
    forget.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=JSON_HELP)
    forget.add_argument("ids", nargs="*", metavar="ID", help="an id, in whatever campaign")
    forget.add_argument(
        "--campaign", metavar="C", help="everything in this campaign: the next run of it is a full send"
    )
    forget.add_argument("--all", action="store_true", help="everything in this state directory")
    forget.add_argument("--erase", action="store_true", help="remove the ids themselves from the ledger, too")


def run(args: argparse.Namespace) -> int:
    """Print what the ledgers hold, or what was forgotten, and return 0.

    Raises:
        ConfigError: the configuration or the command line is wrong.
        StateLocked: a run is under way: nothing was forgotten.
        StateFailed: the state directory can't be read or written.
    """
    state_dir = load(args.config).state.dir
    if args.action == "forget":
        write_result(forget(state_dir, args.ids, args.campaign, everything=args.all, erase=args.erase, json=args.json))
    else:
        found = ledgers_in(state_dir)
        write_result(as_json(found) if args.json else as_text(found, state_dir, now=datetime.now(UTC)))
    return 0


def as_json(found: Sequence[LedgerFacts]) -> str:
    """Return what the ledgers hold as one JSON object, `ledgers`."""
    return orjson.dumps({"ledgers": [asdict(each) for each in found]}, option=orjson.OPT_INDENT_2).decode()


def as_text(found: Sequence[LedgerFacts], state_dir: Path, *, now: datetime) -> str:
    """Return what the ledgers hold, for people."""
    if not found:
        return f'{state_dir}: no ledger yet; with [delta] mode = "changed", the first run sends everything and fills it'
    return "\n\n".join("\n".join(_lines(ledger, now)) for ledger in found)


def _lines(ledger: LedgerFacts, now: datetime) -> list[str]:
    where = ledger.url + (f", organisation {ledger.org_id}" if ledger.org_id else "")
    rows = [
        ("ids", f"{ledger.ids:,}, {ledger.good:,} of them known to be on the server as they were sent last"),
        ("size", bytes_text(ledger.bytes)),
        ("oldest", _oldest(ledger, now)),
        *(("feed", _feed(feed.name, feed.last_complete_run, feed.last_run_at)) for feed in ledger.feeds),
    ]
    if ledger.gone:
        rows.append(
            ("gone", f"{counted(ledger.gone, 'id')} that the source holds no more (gone.ndjson of its last run)")
        )
    if ledger.full_reason:
        rows.append(("next run", f"sends everything: {shown(ledger.full_reason, 200)}"))
    return [
        f"Campaign {shown(ledger.campaign_id)} at {shown(where, 200)}",
        *(f"  {name:<8}  {text}" for name, text in rows),
    ]


def _oldest(ledger: LedgerFacts, now: datetime) -> str:
    if ledger.last_full_at is None:
        return "nothing is acknowledged"
    return f"acknowledged {moment_text(ledger.last_full_at)}, {age_text(ledger.last_full_at, now)} ago; the rest later"


def _feed(name: str, last_complete_run: str | None, last_run_at: str) -> str:
    complete = f"last complete run {last_complete_run}" if last_complete_run else "no complete run is known"
    return f"{shown(name, 80)}; {complete}, last begun {moment_text(last_run_at)}"


def forget(
    state_dir: Path, ids: Sequence[str], campaign_id: str | None, *, everything: bool, erase: bool, json: bool
) -> str:
    """Forget what is named, and return what is printed about it.

    Raises:
        ConfigError: nothing is named, or in two ways; or there is no such campaign.
        StateLocked: a run is under way.
        StateFailed: it can't be written down.
    """
    from engine.run import forget_campaigns, forget_ids
    from engine.state import DATABASE, SqliteJournal

    if bool(ids) + (campaign_id is not None) + everything != 1:
        raise ConfigError("ledger forget: name ids, or one campaign (--campaign C), or everything (--all)")
    if "" in ids or campaign_id == "":
        raise ConfigError("ledger forget: an id or a campaign is not empty")
    if not (state_dir / DATABASE).exists():
        raise ConfigError(f"ledger forget: {state_dir} holds no runs, and no ledger")
    journal = SqliteJournal(state_dir)
    try:
        if ids:
            done = forget_ids(journal, list(dict.fromkeys(ids)), erase=erase)
        else:
            done = forget_campaigns(journal, campaign_id, erase=erase)
    finally:
        journal.close()
    unknown = [each for each in dict.fromkeys(ids) if all(each in ledger.unknown for ledger in done)]
    if json:
        campaigns = [{"campaign_id": ledger.campaign_id, "forgotten": ledger.count} for ledger in done]
        values = {"campaigns": campaigns, "unknown": unknown, "erased": erase}
        return orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()
    return "\n".join([*_told(done, whole=not ids, erase=erase), *_told_unknown(unknown)])


def _told(done: Sequence[Forgotten], *, whole: bool, erase: bool) -> list[str]:
    if not done:
        return ["There is no ledger: the next run sends everything anyway."]
    word = "erased" if erase else "forgotten"
    next_run = "the next run sends everything" if whole else "the next run sends what the source holds of them"
    return [
        f"Campaign {shown(ledger.campaign_id)}: {counted(ledger.count, 'id')} {word}; {next_run}."
        for ledger in done
        if ledger.count or whole
    ]


def _told_unknown(unknown: Sequence[str]) -> list[str]:
    """Say which ids no ledger holds: nothing keeps them from being sent."""
    named = [
        f"Unknown: {shown(each)} is in no ledger; the next run sends it if the source holds it." for each in unknown
    ]
    more = len(named) - UNKNOWN_SHOWN_MAX
    return named if more <= 0 else [*named[:UNKNOWN_SHOWN_MAX], f"And {counted(more, 'more unknown id')}."]
