"""The pictures of the page of all nights: to scale, with their values on hover, and only where there is something."""

from __future__ import annotations

from datetime import UTC
from xml.etree.ElementTree import Element, fromstring

import pytest

from engine.report.drawing import Panel
from engine.report.history import Night
from engine.report.history_charts import history_charts, nice_seconds, sparkline
from engine.report.report import Pacing
from engine.report.trend import trends
from engine.values.counts import Reason, RecordCounts, RequestCounts
from tests.report.nights_told import begun_at, crashed, iso, night_of


def panels(*nights: Night) -> dict[str, Panel]:
    [trend] = trends(nights, UTC)
    return {panel.title: panel for panel in history_charts(trend, UTC)}


def bars(panel: Panel) -> list[Element]:
    return [rect for rect in fromstring(panel.svg).iter("rect") if rect.get("class") != "hit"]  # noqa: S314 - ours


def said(panel: Panel) -> list[str]:
    return [group.findtext("title") or "" for group in fromstring(panel.svg).iter("g")]  # noqa: S314 - ours


def read(count: int, **parts: int) -> RecordCounts:
    return RecordCounts(read=count, updated=count - sum(parts.values()), **parts)


def test_a_bar_stands_on_the_ground_and_is_to_scale() -> None:
    found = panels(*(night_of(day, records=read(n)) for day, n in enumerate([500, 1_000, 250])))
    boxes = [(float(bar.get("y", "")), float(bar.get("height", ""))) for bar in bars(found["Read"])]
    assert boxes == [(50.0, 50.0), (0.0, 100.0), (75.0, 25.0)]
    assert found["Read"].top == "1,000"
    assert panels(night_of(0, records=read(1_400_000)))["Read"].top == "1.5M"


def test_each_night_says_its_values() -> None:
    found = panels(
        night_of(0, records=read(1_000)), night_of(1), night_of(2, records=read(1_000, rejected=7)), crashed(4)
    )
    assert said(found["Not accepted"]) == [
        "Mon 02 Nov 02:00: 0 (1,000 updated)",
        "Tue 03 Nov 02:00: 0 (1,000,000 updated)",
        "Wed 04 Nov 02:00: 7 (993 updated, 7 rejected)",
        "Thu 05 Nov 02:00: no run",
        "Fri 06 Nov 02:00 (crashed): 0 (1,000,000 updated)",
    ]


def test_a_missed_night_is_a_gap_that_is_seen_and_an_unfinished_one_is_pale() -> None:
    found = panels(night_of(0), night_of(1), night_of(3), crashed(4))
    assert [bar.get("class") for bar in bars(found["Time worked"])] == [
        "value", "value", "none", "value", "value unfinished",
    ]  # fmt: skip


def test_where_nothing_happened_there_is_no_picture() -> None:
    assert list(panels(night_of(0), night_of(1))) == ["Read", "Time worked", "Sent a second"]
    throttled = RequestCounts(sent=10, succeeded=9, throttled=1)
    all_of_them = panels(
        night_of(0, requests=throttled, pacing=Pacing(rate_limit=9.6), deadline_at=iso(begun_at(0, hours=4)))
    )
    assert list(all_of_them) == ["Read", "Time worked", "Deadline", "Sent a second", "Throttled", "Limit found"]


def test_a_missed_deadline_is_of_another_colour() -> None:
    in_time, late = iso(begun_at(0, hours=1)), iso(begun_at(1))
    found = panels(night_of(0, deadline_at=in_time), night_of(1, deadline_at=late))
    assert [bar.get("class") for bar in bars(found["Deadline"])] == ["value", "s-rejected"]
    assert said(found["Deadline"]) == ["Mon 02 Nov 02:00: 50 min 00 s before", "Tue 03 Nov 02:00: 10 min 00 s after"]


def test_what_is_usual_is_a_line() -> None:
    found = panels(*(night_of(day, records=read(500)) for day in range(3)), night_of(3, records=read(1_000)))
    assert found["Read"].label == "latest 1,000, usually 500"
    assert 'class="usual" d="M0 50.0H1000"' in found["Read"].svg


@pytest.mark.parametrize(("seconds", "top"), [(0.3, 1), (61, 120), (3_600, 3_600), (15_000, 21_600), (90_000, 172_800)])
def test_axes_of_durations_end_at_round_ones(seconds: float, top: float) -> None:
    assert nice_seconds(seconds) == top


def test_a_reason_has_a_picture_of_the_size_of_a_word() -> None:
    nights = [night_of(day, reasons=[Reason("rejected", "no & such", n, [])] * (n > 0)) for day, n in enumerate([0, 4])]
    [trend] = trends(nights, UTC)
    svg = fromstring(sparkline(trend.reasons()[0]))  # noqa: S314 - ours
    assert svg.findtext("title") == "no & such: 0, 4"
    assert [rect.get("height") for rect in svg.iter("rect")] == ["100.0"]
