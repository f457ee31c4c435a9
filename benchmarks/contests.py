"""Who has done the same job and what it took, as tables, as a picture and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.inputs import KINDS
from benchmarks.measure import Measured, interleaved, medians
from benchmarks.peers.catalog import USUAL
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress
from engine.simulator.process import StandInProcess

ENGINE = "engine"
PURE_ENGINE = "engine, pure Python"


@dataclass(slots=True)
class Contestant:
    """Somebody who does the job, and how it went."""

    label: str
    run: Callable[[], Measured]
    measured: list[Measured] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Contest:
    """A kind of source and those who bring it to the server: `kept` of its `records`, which is all but for `where`."""

    kind: str
    records: int
    kept: int
    contestants: Sequence[Contestant]

    @property
    def about(self) -> str:
        """What the source is, in words."""
        return KINDS[self.kind].about

    def figures(self, label: str) -> Figures | None:
        """Return what one of them took, None if it does not take part."""
        found = [one for one in self.contestants if one.label == label]
        return self.figures_of(found[0]) if found else None

    def figures_of(self, contestant: Contestant) -> Figures:
        """Return what it took."""
        wall_s, cpu_s, peak_mb = medians(contestant.measured)
        return Figures(self.records / wall_s, cpu_s / self.records * 1e6, peak_mb)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians. Records are those that were read."""

    records_per_s: float
    cpu_s_per_million: float
    peak_mb: float


def compete(contest: Contest, server: StandInProcess, runs: int) -> None:
    """Let everybody do the job so many times, in turns; who delivers what is counted by the server."""
    for number, contestant in interleaved(contest.contestants, runs):
        progress(f"{contest.about}: {contestant.label} ({number + 1} of {runs})")
        before = server.stats()["records"]
        measured = contestant.run()
        contestant.measured.append(measured)
        contestant.delivered.append(server.stats()["records"] - before)
        if measured.exit_code:
            progress(f"  exit code {measured.exit_code}: {measured.stderr_end[-400:]}")


def print_contests(contests: Sequence[Contest]) -> None:
    """Print a row for each client; or one for each kind, if there are several and only the engine and the script."""
    labels = {one.label for contest in contests for one in contest.contestants}
    if len(contests) > 1 and USUAL.label in labels <= {ENGINE, PURE_ENGINE, USUAL.label}:
        _print_by_kind(contests, pure=PURE_ENGINE in labels)
    else:
        print_table(HEADER, [_row(contest, one) for contest in contests for one in contest.contestants])


HEADER = ("source", "client", "records/s", "× usual", "CPU s per million", "× usual CPU", "peak MB", "note")


def _row(contest: Contest, one: Contestant) -> list[str]:
    own, usual = contest.figures_of(one), contest.figures(USUAL.label)
    return [
        contest.about,
        one.label,
        f"{own.records_per_s:,.0f}",
        f"{own.records_per_s / usual.records_per_s:.2f}" if usual else "–",
        f"{own.cpu_s_per_million:.2f}",
        f"{own.cpu_s_per_million / usual.cpu_s_per_million:.2f}" if usual else "–",
        f"{own.peak_mb:.0f}",
        _complaint(contest, one) or ("keeps accounts" if one.label in (ENGINE, PURE_ENGINE) else ""),
    ]


def _print_by_kind(contests: Sequence[Contest], *, pure: bool) -> None:
    engines = {"engine": ENGINE, "pure": PURE_ENGINE} if pure else {"engine": ENGINE}
    clients = {**engines, "script": USUAL.label}
    header = [
        "source",
        *[f"{name}, M/s" for name in clients],
        *[f"{name} × script" for name in engines],
        *[f"{name}, CPU s/M" for name in clients],
    ]
    rows = []
    for contest in contests:
        figures = {name: contest.figures(label) for name, label in clients.items()}
        script = figures["script"]
        rows.append(
            [
                contest.about,
                *[f"{one.records_per_s / 1e6:.2f}" if one else "–" for one in figures.values()],
                *[
                    f"{one.records_per_s / script.records_per_s:.2f}" if one and script else "–"
                    for one in map(figures.get, engines)
                ],
                *[f"{one.cpu_s_per_million:.2f}" if one else "–" for one in figures.values()],
            ]
        )
    print_table(header, rows)
    for contest in contests:
        for one in contest.contestants:
            if wrong := _complaint(contest, one):
                print(f"{contest.about}: {one.label} {wrong}")


def _complaint(contest: Contest, one: Contestant) -> str:
    """Return what went wrong in one of the runs; empty if every record arrived, once, in all of them."""
    for count, measured in zip(one.delivered, one.measured, strict=True):
        if count != contest.kept:
            return f"delivered {count:,} of {contest.kept:,}"
        if measured.exit_code:
            return f"ended with exit code {measured.exit_code}"
    return ""


def picture_of(contests: Sequence[Contest]) -> str:
    """Return bars of the records a second."""
    groups = []
    for contest in contests:
        bars = []
        for one in contest.contestants:
            own = contest.figures_of(one)
            note = f"{own.records_per_s / 1e6:.2f} M/s, {own.cpu_s_per_million:.2f} s, {own.peak_mb:.0f} MB"
            bars.append(Bar(one.label, own.records_per_s, note, main=one.label == ENGINE))
        title = f"{contest.about}: records a second, CPU seconds per million, peak memory"
        groups.append(BarGroup(title, bars))
    return bar_chart(groups)


def as_json(contests: Sequence[Contest]) -> list[dict[str, Any]]:
    """Return every run of everybody."""
    return [
        {
            "client": one.label,
            "kind": contest.kind,
            "to_deliver": contest.kept,
            "delivered": one.delivered,
            "runs": [
                {name: value for name, value in asdict(measured).items() if not isinstance(value, str)}
                for measured in one.measured
            ],
        }
        for contest in contests
        for one in contest.contestants
    ]
