"""The report page of every kind of run, and the page of all nights, as a real browser shows them.

They are looked at on a phone and a desk, in light and in dark, and printed.

`nights.py` holds the runs; a page that is added to `PAGES` is looked at like all others.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from engine.report.history_page import render_history
from engine.report.page import render_page
from tests.browser.chromium import HOW_TO_GET_IT, PROGRAM, Tab, chromium
from tests.browser.nights import NIGHTS, month, old
from tests.report.nights_told import begun_at

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(PROGRAM is None, reason=HOW_TO_GET_IT),
]

ZONE = ZoneInfo("Asia/Kolkata")

PAGES: dict[str, Callable[[], str]] = {
    name: lambda night=night: render_page(night(), old(), ZONE) for name, night in NIGHTS.items()
} | {"history": lambda: render_history(month(), runs_link="runs", zone=ZONE, now=begun_at(28, hours=6))}
"""What is looked at, by name."""

LOOKS = [*product((390, 1280), ("light", "dark")), (601, "light")]
"""The widths of screens, in pixels, and the schemes of colours; one is the smallest that is no phone."""

CHECKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
AXE_RUN = """axe.run({exclude: [[".hits"]]}, {resultTypes: ["violations"]}).then((found) =>
    found.violations.map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html.slice(0, 80)).join(" ")}`))"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    async with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


async def opened(tab: Tab, html: str, directory: Path) -> Path:
    page = directory / "report.html"
    page.write_text(html, encoding="utf-8")
    await tab.open(page)
    return page


@pytest.mark.parametrize("name", PAGES)
async def test_nothing_is_in_the_way_of_a_reader(name: str, tab: Tab, tmp_path: Path) -> None:
    page = await opened(tab, PAGES[name](), tmp_path)
    for width, scheme in LOOKS:
        await tab.look(width=width, scheme=scheme)
        assert await tab.evaluate(CHECKS) == [], (width, scheme)
    assert tab.requests == [page.as_uri()]
    assert tab.complaints == []


@pytest.mark.parametrize("name", PAGES)
async def test_those_who_cannot_see_it_can_read_it(name: str, tab: Tab, tmp_path: Path) -> None:
    await opened(tab, PAGES[name](), tmp_path)
    await tab.evaluate(AXE)
    for width, scheme in ((390, "dark"), (1280, "light")):
        await tab.look(width=width, scheme=scheme)
        assert await tab.evaluate(AXE_RUN) == [], (width, scheme)


@pytest.mark.parametrize("name", PAGES)
async def test_it_is_printed_unfolded_and_without_an_empty_sheet(name: str, tab: Tab, tmp_path: Path) -> None:
    await opened(tab, PAGES[name](), tmp_path)
    await tab.look(width=794, scheme="dark", media="print")
    folded = "[...document.querySelectorAll('details table')].filter((table) => !table.checkVisibility()).length"
    assert await tab.evaluate(folded) == 0
    ink = "getComputedStyle(document.querySelector('h1')).color"
    assert await tab.evaluate(ink) == "rgb(22, 32, 42)"  # dark, whoever prints it
    sheets = sheets_of(await tab.printed())
    height = await tab.evaluate("document.documentElement.scrollHeight")
    assert 1 <= len(sheets) <= height / 900 + 2
    assert min(sheets) > 0, f"letters on each sheet: {sheets}"


async def test_a_column_says_its_values_where_the_mouse_rests_on_it(tab: Tab, tmp_path: Path) -> None:
    await opened(tab, PAGES["partial"](), tmp_path)
    await tab.look(width=1280, scheme="light")
    said = await tab.evaluate("""[...document.querySelectorAll(".charts svg")].slice(0, 3).map((svg) => {
        svg.scrollIntoView();
        const box = svg.getBoundingClientRect();
        return document.elementFromPoint(box.left + box.width * 0.8, box.top + box.height / 2).textContent;
    })""")
    assert said[0] == "08:06:06: 100,000 records/s"
    assert re.fullmatch(r"08:06:06: median \d+ ms, 95% \d+ ms", said[1])
    assert said[2] == "08:06:06: 10 requests/s, 10 allowed"


BAD = """<!doctype html><html lang=en><meta charset=utf-8><title>bad</title>
<body style="margin:0"><main><section style="background:#fff">
<p style="height:8px;margin:0">one text</p><p style="margin:0">another text</p>
<p style="width:2000px">too wide</p><div class=bar><span style="background:#ddd">x</span></div>
<svg width=9 height=9><rect fill="#eee" width=9 height=9 /></svg>
<div style="overflow:hidden;width:20px;white-space:nowrap">cut off here</div>
<img src="http://127.0.0.1:9/picture.png"></section></main>"""


async def test_what_is_in_the_way_of_a_reader_is_found(tab: Tab, tmp_path: Path) -> None:
    page = await opened(tab, BAD, tmp_path)
    await tab.look(width=390, scheme="light")
    found = "\n".join(await tab.evaluate(CHECKS))
    assert '"one text" and "another text" overlap' in found
    assert '"cut off here" is cut off' in found
    assert "it is 2000 pixels wide" in found
    assert "rect.null has a contrast of 1." in found
    assert tab.requests == [page.as_uri(), "http://127.0.0.1:9/picture.png"]
    assert tab.complaints
    await tab.evaluate(AXE)
    assert "image-alt" in "".join(await tab.evaluate(AXE_RUN))


def sheets_of(pdf: bytes) -> list[int]:
    """Return how many pieces of text each sheet of a PDF of Chromium holds."""
    objects = {int(number): body for number, body in re.findall(rb"(?s)\n(\d+) 0 obj\n(.*?)\nendobj", pdf)}
    contents = [
        int(found[1])
        for body in objects.values()
        if re.search(rb"/Type /Page\b(?!s)", body) and (found := re.search(rb"/Contents (\d+) 0 R", body))
    ]
    streams = [objects[number].partition(b"stream\n")[2].rpartition(b"\nendstream")[0] for number in contents]
    return [len(re.findall(rb"\bT[jJ]\b", zlib.decompress(stream))) for stream in streams]
