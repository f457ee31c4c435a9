"""`check`: prove everything that can be proven before the night, without sending a record.

Each check is one line with a tick, a warning or a cross; later checks run even if earlier ones fail, so that one look
shows all there is to mend. The exit code is that of the first cross that would stop a sync, or 3 if there are only
invalid records.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.commands.arguments import add_config_argument
from engine.values import AccessRefused, EngineError, ExitCode, Interrupted, counted, program

if TYPE_CHECKING:
    from engine.commands.dry_run import Findings
    from engine.reading import Reading
    from engine.sources import FileFingerprint

CLOCK_SKEW_S_MAX = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to: `exit_code` 0 is a tick; `warning` makes it a warning that fails nothing."""

    what: str
    text: str
    exit_code: int = 0
    warning: bool = False

    def line(self, color: bool) -> str:
        """Return the line to print."""
        mark, code = ("✗", "31") if self.exit_code else ("!", "33") if self.warning else ("✓", "32")
        shown = f"\x1b[{code}m{mark}\x1b[0m" if color else mark
        return f"  {shown} {self.what:<9} {self.text}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `check` takes."""
    add_config_argument(parser)
    parser.add_argument("--notify", action="store_true", help="send a test message to notify.urls")


def run(args: argparse.Namespace) -> int:
    """Print the findings, one a line, and return the exit code.

    Raises:
        ConfigError: the configuration itself is wrong: all its mistakes are in the message.
    """
    import sys
    from os import environ

    from engine.report import wants_color
    from engine.settings import load

    settings = load(args.config)
    color = wants_color(sys.stdout, environ)
    codes: list[int] = []
    print(f"Checking {args.config}; no record is sent.")
    for finding in _findings(settings, str(args.config), notify=args.notify):
        print(finding.line(color), flush=True)
        codes += [finding.exit_code] if finding.exit_code else []
    print(f"\n{_ready(codes, str(args.config))}")
    return next((code for code in codes if code != ExitCode.SOME_NOT_ACCEPTED), codes[0] if codes else 0)


def _ready(codes: Sequence[int], config_path: str) -> str:
    """Return what comes of these crosses."""
    if set(codes) - {int(ExitCode.SOME_NOT_ACCEPTED)}:
        return "Not ready: mend what is crossed out."
    but = ", but for the invalid records, which will be left out" if codes else ""
    return f"Ready{but}: {program()} sync -c {shlex.quote(config_path)}"


def _findings(settings: Any, config_path: str, *, notify: bool = False) -> Iterator[Finding]:
    yield Finding("config", config_path)
    yield _engine()
    is_database = settings.source.database is not None
    if is_database:
        yield from _guarded("database", lambda: _database(settings))
    wanted: dict[str, int] = {}
    yield from _guarded("source", lambda: _source(settings, wanted))
    if settings.guard.max_age is not None and not is_database:
        yield from _guarded("age", lambda: _age(settings))
    if settings.guard.min_records or settings.guard.max_shrink:
        yield from _guarded("size", lambda: _size(settings))
    yield from _text(settings)
    yield from _guarded("state", lambda: _state(settings, config_path))
    if settings.delta.mode != "off":
        yield from _guarded("ledger", lambda: [_ledger(settings)])
    if settings.notify.urls or notify:
        yield from _guarded("notify", lambda: _notify(settings, send=notify))
    tokens = list(_guarded("token", lambda: _token(settings)))
    yield from tokens
    if not any(finding.exit_code for finding in tokens):  # without one, there is nothing to ask the API with
        yield from _guarded("api", lambda: asyncio.run(_api(settings, config_path, wanted)))


def _guarded(what: str, check: Callable[[], list[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except EngineError as error:
        yield Finding(what, str(error), int(error.exit_code))


def _engine() -> Finding:
    """Say whether the accelerator is used: without it, large NDJSON takes several times as long."""
    from engine.sources import accelerator, why_pure
    from engine.values import VERSION

    if accelerator is not None:
        return Finding("engine", f"{VERSION}, with its accelerator for NDJSON")
    return Finding("engine", f"{VERSION}, in pure Python, which reads NDJSON slower: {why_pure}")


def _database(settings: Any) -> list[Finding]:
    """Have the database explain the query, and say as whom it is read and what may hide rows."""
    from engine.run import asked_of
    from engine.sources import look_at

    told = look_at(asked_of(settings), password=settings.source.password)
    return [Finding("database", each.text, warning=each.is_warning) for each in told]


def _source(settings: Any, wanted: dict[str, int]) -> list[Finding]:
    """Read the whole source as `sync` would, of a database the first rows, and say what is in it.

    Gets into `wanted` how many records each campaign has, where records say which one they are for.
    """
    from engine.commands.dry_run import survey
    from engine.commands.known_campaigns import fuller_requests, routed_text
    from engine.run import campaign_ids_of, reading_for_a_look

    with reading_for_a_look(settings, None, whole=False) as (reading, is_all):
        found = survey(settings, reading)
        ids = _ids(found, reading)
    rate = settings.upload.requests_per_second
    text = (
        f"{found.label}: {counted(found.read, 'record')} in {counted(found.requests, 'request')}, "
        f"at least {found.requests / rate:,.0f} s at {rate:g} requests/s"
    )
    findings = [
        Finding("source", text if is_all else f"{found.label}: mapped the first {counted(found.read, 'record')}")
    ]
    if settings.route.column is not None:
        wanted |= dict.fromkeys(campaign_ids_of(settings) or (), 0) | dict(found.campaigns)
        findings.append(Finding("route", routed_text(wanted, settings.route.column)))
        if advice := fuller_requests(wanted, found, settings):
            findings.append(Finding("route", advice, warning=True))
    findings += ids
    findings += [Finding("source", doubt, warning=True) for doubt in found.doubts]
    if found.too_many_invalid:
        findings.append(Finding("invalid", str(found.too_many_invalid), int(found.too_many_invalid.exit_code)))
    for reason, count in found.reasons.most_common(5):
        text = f"{count:,} × {reason} (such as {', '.join(found.places[reason][:3])})"
        findings.append(Finding("invalid", text, int(ExitCode.SOME_NOT_ACCEPTED)))
    return findings


def _ids(found: Findings, reading: Reading) -> list[Finding]:
    """Say which ids come again, if some do: the column may be the wrong one."""
    from engine.commands.most_repeated import most_repeated_text

    repeated = found.read - found.invalid - found.ids
    if not repeated:
        return []
    often = most_repeated_text(reading.open())
    if error := found.too_many_superseded:
        return [Finding("ids", f"{error}{often}", int(error.exit_code))]
    text = (
        found.repeated_ids
        or f"{repeated:,} of {counted(found.read, 'record')} have an id that comes again later in the source"
    )
    return [Finding("ids", text + often, warning=True)]


def _age(settings: Any) -> list[Finding]:
    """Judge the age of the source as `sync` would."""
    from engine.run import check_age, reading_of

    check_age(reading_of(settings, None).open(), settings)
    return [Finding("age", "the source is as new as guard.max_age demands")]


def _size(settings: Any) -> list[Finding]:
    """Count the source as `sync` would before it sends anything."""
    from engine.run import check_size, reading_for_a_look

    with reading_for_a_look(settings, None, whole=True) as (reading, _):
        check_size(reading.open(), settings, "sync", None)
    return [Finding("size", "the source holds as many records as guard.min_records and guard.max_shrink demand")]


def _text(settings: Any) -> list[Finding]:
    """Say how CSV and TSV are read; that they can't be is said by the check of the source."""
    from engine.sources import text_facts

    if settings.source.database is not None:
        return []
    try:
        return [Finding("text", fact) for fact in text_facts(settings.source.spec())]
    except EngineError:
        return []


def _state(settings: Any, config_path: str) -> list[Finding]:
    """Open the state directory as `sync` would, lock included."""
    from engine.run import next_sync
    from engine.state import SqliteJournal

    journal = SqliteJournal(settings.state.dir)
    try:
        unfinished = journal.unfinished_run("sync")
    finally:
        journal.close()
    if unfinished is None:
        return [Finding("state", f"{settings.state.dir}: writable, no run is waiting to be resumed")]
    text = f"{settings.state.dir}: run {unfinished.id} was interrupted"
    then = next_sync(settings, unfinished, _found(settings))
    if then.problem:
        return [Finding("state", then.problem, int(ExitCode.SOURCE_UNTRUSTED))]
    if then.continues and then.flags:
        return [Finding("state", f"{text}; to resume it: {then.command(config_path)}", int(ExitCode.SOURCE_UNTRUSTED))]
    return [Finding("state", f"{text}; the next sync {then.what}", warning=True)]


def _ledger(settings: Any) -> Finding:
    """Say what the next sync compares the source with."""
    from engine.report import age_text
    from engine.run import ledger_for

    if settings.route.column is not None:
        from engine.commands.known_campaigns import ledgers_text

        return Finding("ledger", ledgers_text(settings))
    facts = ledger_for(settings)
    if facts is None:
        return Finding("ledger", "there is none yet: the first run sends everything, later ones what has changed")
    if facts.full_reason:
        return Finding("ledger", f"the next run sends everything: {facts.full_reason}", warning=True)
    if facts.last_full_at is None:
        return Finding("ledger", f"none of its {counted(facts.ids, 'id')} is good: the next run sends everything")
    age = age_text(facts.last_full_at, datetime.now(UTC))
    held = f"{counted(facts.ids, 'id')}, {facts.good:,} of them known to be on the server"
    return Finding("ledger", f"{held}, the oldest acknowledged {age} ago; the next run sends what has changed")


def _found(settings: Any) -> dict[str, FileFingerprint]:
    """Return what the files hold; nothing of a source that can't be read, which is said by the check of the source."""
    from engine.run import reading_of
    from engine.sources import fingerprint

    try:
        source = reading_of(settings, None).open()
        return fingerprint(source.sizes(), source.digests())
    except EngineError:
        return {}


def _token(settings: Any) -> list[Finding]:
    settings.api.read_token()
    where = f"in {settings.api.token_file}" if settings.api.token_file else f"in ${settings.api.token_env}"
    return [Finding("token", f"there is one {where}")]


def _notify(settings: Any, *, send: bool) -> list[Finding]:
    """Prove the addresses of those who are told; nobody is, unless that is asked for."""
    from engine.run import alert_test, prove_addresses

    count = asyncio.run(prove_addresses(settings.notify))
    if not count:
        return [Finding("notify", "nobody is named in notify.urls, so nobody was told", warning=True)]
    addresses = "1 address" if count == 1 else f"{count} addresses"
    if not send:
        return [Finding("notify", f"{addresses} understood, told on {settings.notify.on}; check --notify sends a test")]
    problem = alert_test(settings)
    return [Finding("notify", problem or f"{addresses} told that this is a test", warning=bool(problem))]


async def _api(settings: Any, config_path: str, wanted: Mapping[str, int]) -> list[Finding]:
    """Ask for the list of campaigns: it proves TLS, token, campaign and clock, and changes nothing."""
    from engine.api import (
        CAMPAIGNS_PER_PAGE,
        WEB_PAGE,
        HttpBulkApi,
        NoReply,
        campaign_rows,
        date_of,
        is_refused_by_proxy,
        kind_of,
        not_the_api,
        proxy_refuses,
    )
    from engine.commands.known_campaigns import rows_text
    from engine.run import endpoint_of

    async with HttpBulkApi(endpoint_of(settings)) as api:
        reply = await api.campaigns(1, CAMPAIGNS_PER_PAGE)
        if isinstance(reply, NoReply):
            raise reply.fatal or Interrupted(f"{settings.api.url} gives no reply: {reply.reason}")
        if is_refused_by_proxy(reply):
            raise proxy_refuses(reply.status)
        if 200 <= reply.status < 300 and kind_of(reply.body) == WEB_PAGE:
            raise not_the_api(f"HTTP {reply.status} with {WEB_PAGE}")
        if reply.status in (401, 403):
            raise AccessRefused(f"the API refused the token (HTTP {reply.status}); check the token and api.org_id")
        rows = await campaign_rows(reply, api.campaigns)
        if settings.route.column is None:
            held = rows_text(settings, rows or {}, config_path)
            findings = [_campaign(settings.api.campaign_id, rows)]
            findings += [Finding("ledger", held, warning=True)] if held else []
        else:
            findings = _campaigns(wanted, rows)
        date = date_of(reply.headers)
    if date is not None and abs(date - time.time()) > CLOCK_SKEW_S_MAX:
        text = f"the API's clock and this machine's are {abs(date - time.time()):,.0f} s apart"
        findings.append(Finding("clock", text, warning=True))
    return findings


def _campaigns(wanted: Mapping[str, int], found: Collection[str] | None) -> list[Finding]:
    from engine.commands.known_campaigns import missing_campaigns

    if found is None:
        return [Finding("api", "reachable, but its list of campaigns can't be read: token not proven", warning=True)]
    missing = missing_campaigns(wanted, found)
    all_there = f"reachable, token accepted, all {counted(len(wanted), 'campaign')} there"
    api = Finding("api", "reachable, token accepted" if missing else all_there)
    return [api, *(Finding("campaign", text, int(ExitCode.ACCESS_REFUSED)) for text in missing)]


def _campaign(wanted: str, found: Collection[str] | None) -> Finding:
    if found is None:
        return Finding("api", "reachable, but its list of campaigns can't be read: token not proven", warning=True)
    if wanted not in found:
        text = f"the token is valid, but there is no {wanted} among its {counted(len(found), 'campaign')}"
        return Finding("campaign", text, int(ExitCode.ACCESS_REFUSED))
    return Finding("api", f"reachable, token accepted, campaign {wanted} exists")
