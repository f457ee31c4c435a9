"""Which run a command continues: the latest unfinished one about the same records, unless that gives way to a new one.

Pure. The rule is told in `docs/operations.md`, "Which run a command continues".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from engine.run.job import changed_settings
from engine.sources import FileFingerprint, differences
from engine.state import Journal, Run
from engine.values import ConfigError, SourceUntrusted


class Waiting(Struct, frozen=True):
    """What is unfinished when a command begins: the sync, and the run of the command's own kind; None without one."""

    sync: Run | None
    own: Run | None


class Claim(Struct, frozen=True):
    """What a command is about: its kind and settings, what the files hold as far as it is known, and what is wanted.

    `taken_at` is when the snapshot of a database was taken, in seconds since 1970.
    """

    kind: str
    identity: Mapping[str, Any]
    found: Mapping[str, FileFingerprint]
    fresh: bool = False
    holds_all: bool = True
    taken_at: float | None = None


def run_to_continue(claim: Claim, waiting: Waiting, *, resume_within_s: float, now: float) -> Run | None:
    """Return the run that a command goes on with; None if it begins a new one. `now` is in seconds since 1970.

    Raises:
        ConfigError: a sync waits to be continued, and the command would put older values over its.
        SourceUntrusted: the run that waits is about something else, and does not give way.
    """
    if claim.kind != "sync" and waiting.sync is not None:
        raise ConfigError(
            f"run {waiting.sync.id} was interrupted and waits to be continued; a {claim.kind} beside it could leave "
            "older values on the server. Continue it with `sync`, or give it up with `sync --fresh`; nothing was sent"
        )
    run = waiting.own
    if run is None or claim.fresh:
        return None
    settings = changed_settings(run.identity, claim.identity)
    source = source_changes(run.fingerprint or {}, claim.found)
    if not settings and not source:
        return run
    if is_untouched(run):
        return None
    is_old = now - progress_at(run) > resume_within_s
    if run.tried or (source and claim.holds_all and (is_old or _was_read_anew(claim, run))):
        return None
    raise SourceUntrusted(_why_not(run, settings, source))


def _was_read_anew(claim: Claim, run: Run) -> bool:
    """Whether the database was read again because what the run had read of it is too old, or is gone."""
    return claim.taken_at is not None and claim.taken_at > datetime.fromisoformat(run.started_at).timestamp()


def waiting_for(journal: Journal, kind: str) -> Waiting:
    """Return what is unfinished, as the journal knows it."""
    sync = journal.unfinished_run("sync")
    return Waiting(sync, sync if kind == "sync" else journal.unfinished_run(kind))


def source_changes(before: Mapping[str, Sequence[Any]], found: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return what is different about the source, a sentence each; the same bytes may be called otherwise by now."""
    renamed = dict(zip(found, before.values(), strict=False))
    if len(before) == len(found) and not differences(renamed, found):
        return []
    return differences(before, found) if before else []


def is_untouched(run: Run) -> bool:
    """Whether nothing was sent in it: no request was accepted, or has an unknown end."""
    if not run.sending:
        return True
    was_killed = run.alive_at is not None
    return not was_killed and not run.requests.succeeded and not run.requests.in_doubt


def progress_at(run: Run) -> float:
    """When the last result of it became durable, in seconds since 1970; when it began, if none did."""
    return datetime.fromisoformat(run.started_at).timestamp() if run.progress_at is None else run.progress_at


def flags_of(identity: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags with which a sync was begun that decide what it sends."""
    limit = ("--limit", str(identity["--limit"])) if identity.get("--limit") is not None else ()
    return (*limit, *(("--full",) if identity.get("--full") else ()))


def _why_not(run: Run, settings: list[str], source: list[str]) -> str:
    advice = "or start over with --fresh"
    if settings:
        if all(name.startswith("--") for name in settings):
            flags = " ".join(flags_of(run.identity))
            how = f"with {flags}; give that again" if flags else f"without {' '.join(settings)}; leave that out"
            return f"run {run.id} was begun {how} to resume it, {advice}"
        names = ", ".join(settings)
        return f"run {run.id} was interrupted with other settings ({names}); restore them to resume it, {advice}"
    changes = "; ".join(source)
    return f"the source has changed since run {run.id} was interrupted: {changes}; restore it to resume, {advice}"
