"""The pictures in the documents: real nights against the stand-in, and what a terminal and a browser show of them.

The nights really happened, one after the other; only their dates are moved (`benchmarks/backdating.py`). The bars of
the benchmarks are the figures that stand in the document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.document import PLACE
from benchmarks.example_nights import CAMPAIGN, Home, earlier_nights, installed, latest_night
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress
from benchmarks.terminal import Screen, drawn
from tests.browser.chromium import HOW_TO_GET_IT, PROGRAM, chromium

FIGURES = Path(__file__).parent.parent / "docs" / "benchmarks.md"

ZONE = "Asia/Kolkata"
"""Where the nights are: times are told as there."""

PROGRESS_AT = 0.6
"""The progress is shown as it was after this share of the run."""

BOX = """(({x, y, width, height}) => ({x, y, width, height}))(document.querySelector(%s).getBoundingClientRect())"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page to take a picture of: on a screen so wide, and only so many pixels high."""

    name: str
    file: Path
    width: int
    height_max: int
    scheme: str = "light"
    part: str = "html"
    """What of it, as a selector of CSS."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"), metavar="DIR", help="where (%(default)s)")
    parser.add_argument("--records", type=int, default=60_000, metavar="N", help="in each night (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Make the nights and the pictures, and print a table of these. Returns 0.

    Raises:
        SystemExit: there is no browser, or a night did not end as it should.
    """
    if PROGRAM is None:
        raise SystemExit(f"pictures: {HOW_TO_GET_IT}")
    args.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-pictures-") as place, times_of(ZONE):
        home_directory = Path(place, "home")
        home_directory.mkdir()
        with installed(home_directory, args.records) as home:
            screens = dict(terminals(home))
        screens["throughput"] = figures_drawn(FIGURES.read_text(encoding="utf-8"))
        for name, picture in screens.items():
            (args.to / f"{name}.svg").write_text(picture, encoding="utf-8")
        asyncio.run(take(pages(home), args.to, Path(place, "profile")))
    print_table(
        ("picture", "kB"),
        [(file.name, f"{file.stat().st_size / 1000:.0f}") for file in sorted(args.to.iterdir())],
    )
    return 0


@contextmanager
def times_of(zone: str) -> Iterator[None]:
    """Have this process and those that it starts tell the times of a zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def terminals(home: Home) -> Iterator[tuple[str, str]]:
    """Make the nights; yield the name and the picture of each screen on the way."""

    def typed(*args: str) -> str:
        return prompt(args) + home.shown(*args).text

    begun = typed("init", "portfolio.csv", "-o", "config.toml", "--campaign", CAMPAIGN)
    yield "first-minutes", drawn(f"{begun}\n{typed('check')}", "the first minutes")
    earlier_nights(home)
    screen = latest_night(home)
    command = prompt(["sync", "--full"])
    yield "progress", drawn(command + moment_of(screen), "under way")
    yield "summary", drawn(command + screen.text, "the end of a night")
    yield "status", drawn(typed("status"), "the morning after")
    yield "find", drawn(typed("find", *asked_about(home)), "did it arrive?")
    home.shown("status", "--html", "nights.html")


def asked_about(home: Home) -> list[str]:
    """Return an id that has arrived, one that the API has refused, and one that nobody knows."""
    with (home.latest / "rejected.ndjson").open("rb") as lines:
        rejects = [json.loads(line) for line in lines]
    refused = {each["id"] for each in rejects if each["outcome"] == "rejected"}
    with (home.directory / "portfolio.csv").open(encoding="utf-8") as rows:
        ids = [row.partition(",")[0] for row in islice(rows, 1, 1000)]
    arrived = next(each for each in ids if each not in {each["id"] for each in rejects})
    return [arrived, min(refused), f"{arrived}0"]


def figures_drawn(document: str) -> str:
    """Return the first figures of a document as bars: records a second of each client, for each kind of source."""
    place = next(PLACE.finditer(document))
    lines = [line for line in place["figures"].splitlines() if line.startswith("|")]
    groups: dict[str, list[Bar]] = {}
    for source, client, rate, *_ in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]):
        bar = Bar(client, float(rate.replace(",", "")), f"{rate} records/s", main=client.startswith("engine"))
        groups.setdefault(source, []).append(bar)
    return bar_chart([BarGroup(source, bars) for source, bars in groups.items()])


def prompt(args: Sequence[str]) -> str:
    """Return the line on which a command is typed."""
    return f"\x1b[1m$ python -m engine {' '.join(args)}\x1b[0m\n"


def moment_of(screen: Screen) -> str:
    """Return the progress as it stood for a moment in the midst of a run."""
    frames = [frame for frame in screen.frames if "\n" in frame.strip()]
    return frames[int(len(frames) * PROGRESS_AT)]


def pages(home: Home) -> list[Page]:
    """Return the pages that are looked at."""
    report = home.latest / "report.html"
    return [
        Page("report", report, 1000, 900),
        Page("report-charts", report, 1000, 1500, part="section:has(.charts)"),
        Page("report-phone", report, 390, 844, "dark"),
        Page("nights", home.directory / "nights.html", 1000, 1410),
    ]


async def take(wanted: Sequence[Page], to: Path, profile: Path) -> None:
    """Take the pictures, as PNG."""
    async with chromium(profile) as tab:
        for page in wanted:
            progress(f"{page.name}: {page.width} pixels wide, {page.scheme}")
            await tab.open(page.file)
            await tab.look(width=page.width, scheme=page.scheme)
            box = await tab.evaluate(BOX % json.dumps(page.part))
            clip = box | {"height": min(page.height_max, box["height"]), "scale": 1}
            found = await tab.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
            (to / f"{page.name}.png").write_bytes(b64decode(found["data"]))
