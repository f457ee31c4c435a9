"""The report page: whole, self-contained, harmless whatever it is told, and honest in its pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from engine.report import page
from engine.report.bins import BINS_MAX, bin_width_s, bins
from engine.report.drawing import nice_max
from engine.report.formatting import rate_text
from engine.report.measured import TIMELINE_SAMPLES_MAX, Sample
from engine.report.page import MOVES_MAX, REASONS_MAX, render_page
from engine.report.report import LIMIT_MOVES_MAX, LimitMove, Pacing, Report, RunStatus
from engine.values.counts import STATE_MEANINGS, Reason, RecordCounts
from tests.reports import partial_report, succeeded_report

STYLE = (Path(page.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")

VOID = {"meta"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "h1", "h2", "p", "b", "i",
    "h3", "em", "span", "div", "dl", "dt", "dd", "ol", "ul", "li", "pre", "code", "bdi", "table", "thead", "tbody",
    "tr", "th", "td", "figure", "figcaption", "svg", "g", "path", "rect", "details", "summary", "a",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page; every tag must be one of ours and be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def text_of(report: Report, previous: Report | None = None) -> str:
    return Page(render_page(report, previous)).text


def test_the_page_says_it_all() -> None:
    text = text_of(partial_report(), succeeded_report(run_id="20261122T020000Z-111aaa"))
    for expected in (
        "partial, exit code 3",
        "Finished, but 19 of 4,210,000 records were not accepted.",
        "python -m engine replay -c night.toml 20261123T020000Z-07b3f9",
        "superseded 1,205 0.03% 0 merged into a later record of the same id",
        "8 rejected emi_due_date: not a date LN-000123 LN-004412 …",
        "Latency of requests",
        "Found 9.6 requests/s and 8 in flight (moved 1 time).",
        "429 Too Many Requests",
        "Compared with run 20261122T020000Z-111aaa of 2026-11-23 02:00 UTC (succeeded):",
        "3,210,000 records more read, 19 records more not accepted.",
    ):
        assert expected in text


def test_what_was_odd_about_the_source_is_said() -> None:
    report = succeeded_report()
    assert "Please look at the source" not in render_page(report)
    report = replace(report, doubts=["its last line has no end"], same_source_as="20261122T020000Z-000000")
    report = replace(report, records=replace(report.records, filtered=1_234))
    words = " ".join(" ".join(Page(render_page(report)).words).split())
    assert "Please look at the source its last line has no end" in words
    assert "Beside them, 1,234 rows left out by source.where." in words
    assert "Its source is the very one of run 20261122T020000Z-000000." in words


def test_a_good_night_has_no_reasons_and_nothing_to_do() -> None:
    text = text_of(succeeded_report())
    assert "All 1,000,000 records were delivered." in text
    assert "Not accepted, and why" not in text
    assert "Next" not in text
    assert "No earlier run has left a report here." in text


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_that_did_nothing_has_a_page(status: RunStatus) -> None:
    text = text_of(Report(run_id="r", status=status, exit_code=66, message="portfolio.csv does not exist"))
    assert "No record was read." in text
    assert "Nothing was measured, so there is nothing to draw." in text


@pytest.mark.parametrize("t_s", [0.0, 0.01, 0.38, 1.0])
def test_a_run_of_a_moment_has_its_charts(t_s: float) -> None:
    sample = Sample(t_s, updated=30, requests=3, throttled=1, in_flight=2, latency_ms=41.0)
    html = render_page(succeeded_report(timeline=[sample]))
    assert html.count("<svg") == 5
    assert f"peak {rate_text(30 / max(t_s, 0.01))}" in html
    assert "peak 41 ms" in html
    assert "In a gap nothing was recorded" not in html
    [area, *_] = re.findall(r'class="area" d="([^"]*)"', html)
    assert area.startswith("M0.0 100V")
    assert area.endswith("H1000.0V100Z")


def test_a_run_of_a_few_moments_that_was_taken_up_has_no_gap() -> None:
    columns = bins([Sample(0.05), Sample(0.1), Sample(1.1), Sample(2.1)], 1.0)
    assert sum(column.covered_s for column in columns) == pytest.approx(2.1)


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    html = render_page(partial_report(), succeeded_report())
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|url\(|@import|javascript:", html)
    names = {name for _, attributes in Page(html).tags for name in attributes}
    assert not [name for name in names if name in ("src", "href", "action") or name.startswith("on")]


HOSTILE = [
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "\"'><svg onload=alert(1)>", "&lt;b&gt;",
    "\u202egnp.exe", "\x1b[31m", "\x00", "a\nb", "<!--", "]]>", "x" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_words_stay_words_wherever_they_come_from(evil: str) -> None:
    hostile = partial_report(
        run_id=evil, campaign_id=evil, source=evil, message=evil, config_path=evil, kind=evil, started_at=evil,
        reasons=[Reason(evil, evil, 3, [evil])], pacing=Pacing(1.0, 1, [LimitMove(1.0, evil, evil)]),
    )  # fmt: skip
    stopped = partial_report(status=RunStatus.FAILED, exit_code=65, message=evil)
    for html in (render_page(hostile, hostile), render_page(stopped, hostile)):
        found = Page(html)  # fails for a tag that is not ours
        assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
        assert html.count("</style>") == 1
        assert not any(c in html for c in "\u202e\x1b\x00")


@given(evil=st.text(max_size=40))
def test_no_text_breaks_the_page(evil: str) -> None:
    report = partial_report(source=evil, reasons=[Reason("rejected", evil, 1, [evil, evil])], timeline=[])
    assert "Finished, but 19 of" in text_of(report, report)


def test_the_longest_page_can_be_mailed_and_says_what_it_left_out() -> None:
    report = partial_report(
        reasons=[Reason("rejected", f"reason {n} " * 40, 5, [f"{'id' * 100}{n}"] * 5) for n in range(200)],
        pacing=Pacing(9.6, 8, [LimitMove(n * 3.0, f"{n} requests/s", "429 " * 50) for n in range(LIMIT_MOVES_MAX)]),
        timeline=[
            Sample(n * 1.5, n % 977 * 11, n % 13, n % 3, n % 2, n % 8, n % 31 / 3, 100.0 + n % 711)
            for n in range(1, TIMELINE_SAMPLES_MAX + 1)
        ],
    )
    html = render_page(report, report)
    assert len(html.encode()) < 200_000
    assert f"{200 - REASONS_MAX} more reasons in report.json" in Page(html).text
    assert f"{LIMIT_MOVES_MAX - MOVES_MAX} earlier moves in report.json" in Page(html).text


def test_the_picture_of_the_sums_is_to_scale_and_named() -> None:
    report = succeeded_report(records=RecordCounts(read=100, updated=70, rejected=30))
    bar = next(attributes for tag, attributes in Page(render_page(report)).tags if attributes.get("class") == "bar")
    assert (bar["role"], bar["aria-label"]) == ("img", "70 updated, 30 rejected")
    assert re.findall(r"s-(\w+) style=\"flex-grow:(\d+)\"", render_page(report)) == [
        ("updated", "70"),
        ("rejected", "30"),
    ]
    assert "drawn wider" not in render_page(report)
    assert "drawn wider" in render_page(partial_report())


def test_reasons_that_came_and_went() -> None:
    old = partial_report(reasons=[Reason("rejected", "both", 1, []), Reason("rejected", "old", 1, [])])
    new = partial_report(reasons=[Reason("rejected", "both", 1, []), Reason("invalid", "new", 1, [])])
    assert "New reasons: new (invalid)." in text_of(new, old)
    assert "Gone reasons: old (rejected)." in text_of(new, old)
    assert "No new reasons." in text_of(old, old)
    assert "as many records read, as many records not accepted." in text_of(old, old)


def test_a_panel_without_events_is_a_sentence() -> None:
    calm = partial_report(timeline=[Sample(float(t), 1_000, 1, latency_ms=300.0) for t in range(1, 50)])
    assert "No request was throttled or retried." in text_of(calm)
    assert "requests refused with 429, in each 1 s" in text_of(
        partial_report(timeline=[*calm.timeline, Sample(50.0, 0, 1, 1)])
    )


def test_shapes_stay_inside_their_panels() -> None:
    for tag, attributes in Page(render_page(partial_report())).tags:
        if tag == "path":
            drawn = str(attributes["d"])
            assert all(-0.1 <= float(x) <= 1000.1 for x in re.findall(r"[MH]([-\d.]+)", drawn))
            assert all(-0.1 <= float(y) <= 100.1 for y in re.findall(r"V([-\d.]+)", drawn))
        if tag == "rect":
            assert float(str(attributes["y"])) + float(str(attributes["height"])) == pytest.approx(100.0, abs=0.1)


@given(
    intervals=st.lists(
        st.tuples(st.floats(0.01, 50.0), st.integers(0, 10_000), st.integers(0, 9)), min_size=1, max_size=100
    )
)
def test_columns_of_time_lose_nothing(intervals: list[tuple[float, int, int]]) -> None:
    timeline, t_s = [], 0.0
    for length_s, updated, throttled in intervals:
        t_s += length_s
        timeline.append(Sample(t_s, updated, updated // 1_000, throttled, throttled // 2))
    columns = bins(timeline, bin_width_s(t_s))
    assert len(columns) <= BINS_MAX + 1
    assert sum(c.covered_s for c in columns) <= t_s * 1.000001
    assert sum(c.updated for c in columns) == pytest.approx(sum(s.updated for s in timeline))
    assert sum(c.throttled for c in columns) == sum(s.throttled for s in timeline)
    assert sum(c.retried for c in columns) == sum(s.retried for s in timeline)


def test_the_rate_of_the_last_column_counts_only_the_time_it_covers() -> None:
    columns = bins([Sample(10.0, updated=1_000), Sample(12.0, updated=200)], 10.0)
    assert [column.per_s(column.updated) for column in columns] == [100.0, 100.0]


def test_what_a_killed_process_did_not_record_is_a_gap_and_not_a_flat_line() -> None:
    timeline = [Sample(20.0 + t, updated=500, requests=1, latency_ms=10.0) for t in range(5)]
    columns = bins(timeline, 1.0)
    assert [column.per_s(column.updated) for column in columns] == [None] * 19 + [500.0] * 5
    assert "In a gap nothing was recorded" in text_of(partial_report(timeline=timeline))
    assert "In a gap nothing was recorded" not in text_of(partial_report())
    area = re.search(r'class="area" d="([^"]*)"', render_page(partial_report(timeline=timeline)))
    assert area is not None
    assert area[1].startswith("M791.7 100V")


def test_time_that_was_observed_is_covered_without_a_gap() -> None:
    columns = bins([Sample(0.7 * t) for t in range(1, 100)], 1.0)
    assert [round(column.covered_s, 6) for column in columns[:-1]] == [1.0] * 69


@given(value=st.floats(1e-6, 1e12))
def test_axes_end_at_a_round_number_not_far_above_the_values(value: float) -> None:
    top = nice_max(value)
    assert value <= top * 1.002
    assert top <= value * 1.7


def luminance(color: str) -> float:
    """Return the relative luminance of `#rgb` or `#rrggbb`. Source: WCAG 2.2, definition of relative luminance."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_pictures_stand_out(theme: str) -> None:
    """Words need a contrast of 4.5 and pictures one of 3. Source: WCAG 2.2, 1.4.3 and 1.4.11."""
    rules = re.findall(r":root\{([^}]*)\}", STYLE)[theme == "dark"]
    colors = dict(re.findall(r"--([\w-]+):(#\w+)", rules))
    for name in ("ink", "soft", "good", "warn", "bad"):
        assert contrast(colors[name], colors["page"]) >= 4.5, name
        assert contrast(colors[name], colors["card"]) >= 4.5, name
    for name in ("blue", *STATE_MEANINGS):
        assert contrast(colors[name], colors["card"]) >= 3, name


def test_it_says_how_to_ask_for_a_single_record() -> None:
    html = render_page(partial_report(config_path="my night.toml"))
    assert "python -m engine find -c &#39;my night.toml&#39; ID" in html
