"""The charts of the report page say what happened, when it did, and what held it up."""

from __future__ import annotations

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from engine.report.charts import Charts, charts
from engine.report.holdups import OUTAGE, Holdup
from engine.report.measured import ProcessStart, Sample, bucket_of
from engine.report.page import render_page
from engine.report.report import Pacing, Report, RunStatus, from_json, to_json
from engine.report.wording import HEADLINE_MAX, headline
from tests.reports import partial_report

STARTS = [ProcessStart(0.0, "2026-11-23T02:00:00.000Z"), ProcessStart(30.0, "2026-11-23T03:00:00.000Z")]


def night(**changes: object) -> Report:
    """A run of a minute at its ceiling, in which ten seconds were an outage."""
    timeline = [
        Sample(float(t), 0, 10, sent=10, rate_limit=10.0)
        if 10 < t <= 20
        else Sample(float(t), 100, 10, sent=10, rate_limit=10.0, latencies={bucket_of(300.0): 9, bucket_of(900.0): 1})
        for t in range(1, 61)
    ]
    made = partial_report(
        timeline=timeline,
        processes=STARTS,
        holdups=[Holdup(OUTAGE, 10.0, 20.0, held_s=10.0)],
        pacing=Pacing(ceiling=10.0),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def drawn(report: Report) -> Charts:
    found = charts(report, ZoneInfo("Asia/Kolkata"))
    assert found is not None
    return found


def test_latency_is_that_of_answered_requests_and_a_gap_where_none_was_answered() -> None:
    panel = drawn(night()).panels[1]
    assert panel.keys == [("line-key", "median 292 ms"), ("most-key", "95% within 899 ms")]
    [median] = re.findall(r'class="line" d="([^"]*)"', panel.svg)
    assert median.count("M") == 2  # before the outage and after it
    assert "median 0" not in panel.svg


def test_requests_stand_below_the_ceiling() -> None:
    panel = drawn(night()).panels[2]
    assert (panel.unit, panel.label, panel.limit) == ("sent a second", "peak 10", "10")


def test_a_ceiling_that_was_not_reached_is_drawn_if_it_is_near() -> None:
    slower = [replace(sample, sent=7, rate_limit=7.0) for sample in night().timeline]
    assert drawn(night(timeline=slower)).panels[2].keys == [("ceiling-key", "never more than 10")]
    assert drawn(night(timeline=slower, pacing=Pacing(ceiling=1_000.0))).panels[2].keys == []


def test_each_column_says_its_values_and_what_held_it_up_when_asked() -> None:
    svg = drawn(night()).panels[0].svg
    assert "<title>07:30:05: 100 records/s</title>" in svg
    assert "<title>07:30:15 (outage): 0 records/s</title>" in svg
    assert "<title>08:30:10: 100 records/s</title>" in svg  # the other process, an hour later


def test_times_of_day_break_where_the_run_was_resumed() -> None:
    found = drawn(night())
    assert found.zone == "IST"
    assert [tick.words for tick in found.clock_ticks] == ["07:30:00", "08:30:00", "08:30:15"]
    assert [(row.name, row.when) for row in found.holdups] == [
        ("outage", "07:30:10 to 07:30:20"),
        ("not running", "07:30:30 to 08:30:00"),
    ]


def test_bands_are_drawn_in_every_panel_and_named_above_the_first() -> None:
    found = drawn(night())
    assert all('class="band h-outage"' in panel.svg for panel in found.panels)
    assert [label.words for label in found.bands] == ["outage"]


def test_an_old_report_is_drawn_as_far_as_it_goes() -> None:
    old = to_json(partial_report())
    for key in (b'"processes": []', b'"holdups": []', b'"ceiling": null'):
        assert key in old
        old = old.replace(key, b'"unknown": 0')
    old = re.sub(rb',"sent":null,"latencies":\{\}', b"", old)
    found = drawn(from_json(old))
    assert [panel.title for panel in found.panels[:3]] == ["Records delivered", "Latency of requests", "Requests"]
    assert (found.panels[1].unit, found.panels[2].unit) == ("mean", "ended a second")
    assert (found.zone, found.holdups) == ("", [])


def test_what_was_measured_survives_being_written_and_read() -> None:
    assert from_json(to_json(night())) == night()


@pytest.mark.parametrize(("status", "exit_code"), [(RunStatus.FAILED, 65), (RunStatus.INTERRUPTED, 75)])
def test_a_long_reason_is_told_below_a_short_headline(status: RunStatus, exit_code: int) -> None:
    message = "12,000 of the 30,000 records read are invalid, more than guard.max_invalid (10%) allows; " * 3
    report = partial_report(status=status, exit_code=exit_code, message=message)
    short, whole = headline(report)
    assert len(short) <= HEADLINE_MAX
    assert message.strip() in whole
    assert f"<h1>{short}</h1>" in render_page(report)
    assert message.strip() in render_page(report)


def test_a_short_reason_is_the_headline() -> None:
    report = partial_report(status=RunStatus.FAILED, exit_code=66, message="portfolio.csv does not exist")
    assert headline(report) == ("Stopped: portfolio.csv does not exist.", "")
