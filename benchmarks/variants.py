"""The engine with parts of it left out, to see what each costs: `python -m benchmarks.variants PARTS sync -c FILE`.

Nobody should run such an engine: each part is there because without it records can be lost or miscounted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from engine.values.records import ChunkResult


class Replacement(NamedTuple):
    """What stands for `name` of a module or class while a part is left out."""

    owner: Any
    name: str
    stand_in: Any


def _without_fingerprint() -> list[Replacement]:
    """The source's content is not hashed: a changed source would not be noticed at a resume."""
    from engine.sources.stored.file_pass import FilePass

    return [Replacement(FilePass, "see_stored", lambda _pass, _data: None)]


def _without_order() -> list[Replacement]:
    """The chunker believes that all ids differ: an id could be twice in a chunk, or two versions of it in flight."""
    from engine.reading.recent_ids import RecentNumbers, RecentTexts

    return [Replacement(kind, "take", lambda *_: 0) for kind in (RecentTexts, RecentNumbers)]


def _without_reply_check() -> list[Replacement]:
    """Any reply counts as a success of every record."""
    from engine.api.verdict import Settled
    from engine.pipeline import sending

    return [Replacement(sending, "interpret", lambda *_: Settled(()))]


def _without_journal() -> list[Replacement]:
    """Results are summed up in memory: a killed run would start over, and a chunk's digest is not made."""
    from engine.run import lifecycle as run
    from engine.state.sqlite_journal import SqliteJournal
    from engine.values.counts import ChunkCounts

    class Forgetful(SqliteJournal):
        sums = ChunkCounts()

        def record(self, run: Any, results: Sequence[ChunkResult], *_: Any) -> None:
            self.sums = sum((result.counts for result in results), self.sums)

        def counts(self, run: Any) -> ChunkCounts:
            return self.sums

    return [Replacement(run, "SqliteJournal", Forgetful)]


def _without_report() -> list[Replacement]:
    """No latencies, no timeline, no report file."""
    from engine.run import ending
    from engine.run.telemetry import Telemetry

    def nothing(*_: Any, **__: Any) -> None:
        pass

    return [
        Replacement(Telemetry, "observe", nothing),
        Replacement(Telemetry, "sample", nothing),
        Replacement(Telemetry, "look", nothing),
        Replacement(ending, "write_report", nothing),
    ]


PARTS: dict[str, tuple[str, Callable[[], list[Replacement]]]] = {
    "fingerprint": ("fingerprint of the source", _without_fingerprint),
    "order": ("order of ids: none twice in a chunk or in flight", _without_order),
    "reply": ("reply check", _without_reply_check),
    "journal": ("journal", _without_journal),
    "report": ("telemetry and report", _without_report),
}


def leave_out(parts: Iterable[str]) -> None:
    """Replace these parts in this process, and in the one that reads."""
    from engine.reading import spawned

    parts = list(parts)
    spawned.PROGRAM = ("benchmarks.variants", ",".join(parts), READER)
    for part in parts:
        for replacement in PARTS[part][1]():
            if not hasattr(replacement.owner, replacement.name):
                raise AttributeError(f"{part}: {replacement.owner} has no {replacement.name} any more")
            setattr(replacement.owner, replacement.name, replacement.stand_in)


READER = "reader"
"""What stands for the command line of the process that reads."""


if __name__ == "__main__":
    from engine.__main__ import main
    from engine.reading.__main__ import main as read  # does not return

    leave_out(filter(None, sys.argv[1].split(",")))
    if sys.argv[2] == READER:
        read(int(sys.argv[3]), *sys.argv[4:])
    sys.exit(main(sys.argv[2:]))
