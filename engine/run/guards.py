"""Guards: a source that cannot be right is not sent, and a run that the API refuses too often does not go on."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from engine.report import Report, RunStatus, latest_report
from engine.settings import GuardTable, RunSettings, Threshold
from engine.sources import Source
from engine.state import RUNS
from engine.values import Chunk, ChunkCounts, SourceUntrusted, counted, program

REJECTS_JUDGED_FROM = 100_000
"""A share of rejects is judged against at least so many records (or the whole source, if it is smaller): a few bad
records at the very start of a portfolio say nothing about it."""

INVALID_JUDGED_FROM = 1_000
"""From so many records read on, it is judged how many of them are invalid; a smaller source, at its end."""


class GuardWords(Struct, frozen=True):
    """How a guard is called where the run of this kind was started, and how it is overridden there.

    `config_path` is what a command that shows more is given; empty where none is to be named.
    """

    kind: str
    config_path: str = ""

    def named(self, key: str, limit: object) -> str:
        """Return the guard and its limit."""
        return f"{key} ({limit})" if self.kind == "push" else f"guard.{key} ({limit})"

    @property
    def again(self) -> str:
        """What to do to go on."""
        return "call push again" if self.kind == "push" else "run the same command again"

    def check_shows(self, what: str) -> str:
        """Return which command shows it, in brackets, where there is one."""
        shown = f" ({program()} check -c {shlex.quote(self.config_path)} shows {what})"
        return shown if self.config_path and self.kind != "push" else ""

    def override(self, key: str, value: str | int) -> str:
        """Return what to write to have another limit for one run."""
        return f"{key}={value!r}" if self.kind == "push" else f"ENGINE_GUARD__{key.upper()}={value}"


def rejects_exceeded(
    counts: ChunkCounts, guard: GuardTable, expected: int | None, words: GuardWords
) -> SourceUntrusted | None:
    """Return the reason to stop if more records were refused or left unproven than `guard.max_rejected` allows.

    `expected` is how many records the source is thought to hold, None once it is read to its end or unknown.
    """
    bad, limit = counts.rejected + counts.unknown, guard.max_rejected
    if not bad:
        return None
    judged_from = min(expected, REJECTS_JUDGED_FROM) if expected is not None else 0
    if not limit.exceeded(bad, max(counts.sent + counts.unchanged, judged_from)):
        return None
    return SourceUntrusted(
        f"the API did not accept {bad:,} of {counted(counts.sent, 'record')}, more than "
        f"{words.named('max_rejected', limit)} allows; look at rejected.ndjson, then {words.again} to go on, "
        "with a higher limit for this run: "
        f"{words.override('max_rejected', '100%')}"
    )


class InvalidGuard:
    """Judges how much of a source is invalid: with a wrong delimiter or type it is nearly everything.

    It looks at the whole source in every process of a run, so it needs nothing of earlier ones.
    """

    def __init__(self, limit: Threshold, words: GuardWords) -> None:
        self._limit = limit
        self._words = words
        self._read = 0
        self._reasons: Counter[str] = Counter()

    def inspected(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass chunks on.

        Raises:
            SourceUntrusted: so much is invalid that neither this chunk nor a later one should be sent.
        """
        for chunk in chunks:
            error = self.add(chunk)
            if error is not None:
                raise error
            yield chunk

    def add(self, chunk: Chunk) -> SourceUntrusted | None:
        """Take note of a chunk; return the reason to stop with it if enough was read to judge."""
        self._read += chunk.read
        self._reasons.update(refusal.reason for refusal in chunk.refusals)
        return self.exceeded() if self._read >= INVALID_JUDGED_FROM else None

    def exceeded(self) -> SourceUntrusted | None:
        """Return the reason to stop if more of the records read so far are invalid than `guard.max_invalid` allows."""
        bad = self._reasons.total()
        if not self._limit.exceeded(bad, self._read):
            return None
        [(reason, count)] = self._reasons.most_common(1)
        return SourceUntrusted(
            f"{bad:,} of the {counted(self._read, 'record')} read are invalid, more than "
            f"{self._words.named('max_invalid', self._limit)} allows; {count:,} of them: {reason}; mend the source "
            f"or how it is read{self._words.check_shows('where')}, or accept it for this run: "
            f"{self._words.override('max_invalid', '100%')}"
        )


def check_size(source: Source, settings: RunSettings, kind: str, limit: int | None) -> None:
    """Count the source before anything is sent.

    Raises:
        SourceUntrusted: it holds fewer records than `[guard]` accepts.
    """
    guard, words = settings.guard, GuardWords(kind)
    if not (guard.min_records or guard.max_shrink):
        return
    count = sum(len(block.ids) + len(block.refusals) for block in source.blocks())
    if guard.min_records is not None and count < guard.min_records:
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {counted(count, 'record')}, fewer than "
            f"{words.named('min_records', f'{guard.min_records:,}')}; if that is right, set "
            f"{words.override('min_records', max(count, 1))} for this run"
        )
    if guard.max_shrink is None or limit is not None:
        return
    last = latest_report(settings.state.dir / RUNS, lambda report: _is_whole(report, kind))
    before = last.records.read if last else 0
    if before and guard.max_shrink.exceeded(before - count, before):
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {counted(count, 'record')}, the last complete run read "
            f"{before:,}: more of a shrink than {words.named('max_shrink', guard.max_shrink)}; if that is right, set "
            f"{words.override('max_shrink', '100%')} for this run"
        )


def check_age(source: Source, settings: RunSettings) -> None:
    """Compare the age of the source's newest file with `guard.max_age`; what has no files has no age.

    Raises:
        SourceUntrusted: it is older.
    """
    modified_at, max_age_s = source.modified_at(), settings.guard.max_age
    if modified_at is None or max_age_s is None:
        return
    age_s = time.time() - modified_at
    if age_s > max_age_s:
        written_at = datetime.fromtimestamp(modified_at).astimezone()
        raise SourceUntrusted(
            f"nothing was sent: {source.label} was changed last on {written_at:%Y-%m-%d at %H:%M}, {age_s / 3600:,.1f} "
            f"hours ago, and guard.max_age allows {max_age_s / 3600:,.1f}: is it yesterday's export again? If it is "
            f"right, set ENGINE_GUARD__MAX_AGE={int(age_s / 3600) + 2}h for this run"
        )


def _is_whole(report: Report, kind: str) -> bool:
    """Whether a run of this kind read its source to the end; one with a limit does not."""
    finished = report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    return finished and report.kind == kind and report.limit is None
