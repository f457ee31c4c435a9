"""The page of all nights: what went wrong is seen at once, every night leads to its report, and it needs nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.report.history import Night
from engine.report.history_page import ROWS_MAX, render_history
from engine.report.report import DeltaFacts, Gone, Pacing, RunStatus
from engine.values.counts import Reason, RecordCounts
from tests.report.nights_told import begun_at, crashed, iso, night_of
from tests.report.test_page import HOSTILE, Page


def page_of(*nights: Night, runs_link: str = "runs", now: datetime | None = None) -> str:
    return render_history(nights, runs_link=runs_link, zone=UTC, now=now or begun_at(len(nights) - 1, hours=1))


def text_of(*nights: Night, now: datetime | None = None) -> str:
    return Page(page_of(*nights, now=now)).text


def strip(html: str) -> list[str]:
    return re.findall(r"<li class=\"\w+ (\w+)\">", html)


FAILED: dict[str, Any] = {
    "status": RunStatus.FAILED,
    "exit_code": 77,
    "message": "the API refused the token (HTTP 401)",
}
NIGHTS = (night_of(0), night_of(1), night_of(2, **FAILED), crashed(3), night_of(5))


def test_every_bad_night_is_seen_at_once() -> None:
    html = page_of(*NIGHTS, now=begun_at(5, hours=1))
    assert strip(html) == ["succeeded", "succeeded", "failed", "crashed", "missed", "succeeded"]
    text = Page(html).text
    for expected in (
        "Sat 07 Nov 02:00 UTC: succeeded All 1,000,000 records were delivered.",
        "missed: no run has begun",
        "the API refused the token (HTTP 401)",
        "Its process was killed, after 02:10. 1,000,000 records had been updated by then.",
    ):
        assert expected in text


def test_the_headline_is_that_tonight_has_not_begun() -> None:
    assert "missed No run has begun for Sun 08 Nov 02:00." in text_of(*NIGHTS, now=begun_at(6, hours=6))
    assert "No run has begun for" not in text_of(*NIGHTS, now=begun_at(6, hours=1))


@pytest.mark.parametrize(
    ("night", "expected"),
    [
        (replace(crashed(0), under_way=True), "running A run is under way."),
        (crashed(0), "crashed Its process was killed"),
        (Night(run_id="20261102T020000Z-000000", problem="damaged"), "unreadable Its report cannot be read."),
        (night_of(0, **FAILED), "failed Stopped: the API refused the token (HTTP 401)."),
    ],
)
def test_the_headline_is_how_the_latest_night_went(night: Night, expected: str) -> None:
    assert expected in text_of(night)


def test_without_a_run_the_page_says_so() -> None:
    assert "No run has begun here yet." in text_of(now=begun_at(0))


def test_each_night_leads_to_its_report_wherever_the_page_is() -> None:
    deleted = Night(run_id=night_of(1).run_id, report=night_of(1).report)
    html = page_of(night_of(0), deleted, runs_link="../my state/runs")
    links = {str(attributes["href"]) for tag, attributes in Page(html).tags if tag == "a"}
    assert links == {f"../my%20state/runs/{night_of(0).run_id}/report.html"}


def test_times_are_those_of_the_place() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    html = render_history([night_of(0, started_at="2026-11-27T20:30:00.000Z")], runs_link="runs", zone=kolkata)
    assert "Sat 28 Nov 02:00 IST: succeeded" in Page(html).text


def test_the_latest_stands_beside_what_is_usual() -> None:
    counts = [RecordCounts(read=n, updated=n) for n in (100, 100, 100, 150)]
    nights = [night_of(day, records=records) for day, records in enumerate(counts)]
    assert "Read 150 usually 100, +50%" in text_of(*nights)
    stopped = replace(nights[3], crashed=True)
    assert "Read 150 usually 100 " in text_of(*nights[:3], stopped)
    assert "usually" not in text_of(*nights[1:])


def test_a_full_send_stands_beside_other_full_sends_only() -> None:
    changed, full = DeltaFacts(mode="changed"), DeltaFacts(mode="changed", full=True, full_reason="asked for")
    nights = [night_of(day, delta=changed, records=RecordCounts(read=100, updated=2, unchanged=98)) for day in range(3)]
    text = text_of(*nights, night_of(3, delta=full, records=RecordCounts(read=100, updated=100)))
    assert "the median of the 3 complete nights before, of what was sent that of 0 full nights." in text
    assert "Updated 100 usually" not in text
    assert "Read 100 usually 100" in text


def test_new_and_growing_reasons_are_told() -> None:
    reasons = [[("late", 1)], [("late", 2)], [("late", 9), ("early", 3)]]
    nights = [night_of(d, reasons=[Reason("rejected", *each, []) for each in one]) for d, one in enumerate(reasons)]
    text = text_of(*nights)
    assert "growing 9 1.5 late: 1, 2, 9 rejected: late" in text
    assert "new 3 0 early: 0, 0, 3 rejected: early" in text
    assert "new or growing" not in text_of(*nights[:1])


def test_a_limited_run_and_a_replay_are_marked_and_in_no_trend() -> None:
    html = page_of(night_of(0), night_of(1, limit=500), night_of(1, kind="replay"))
    assert strip(html) == ["succeeded"]
    assert "succeeded (--limit 500)" in Page(html).text
    assert "succeeded (replay)" in Page(html).text


def test_columns_stand_there_only_if_somebody_fills_them() -> None:
    plain = text_of(night_of(0))
    assert not [name for name in ("unchanged", "gone", "limit found", "deadline") if f" {name} " in plain]
    full = text_of(
        night_of(0, delta=DeltaFacts(mode="changed"), gone=Gone(found=2, pending=2), pacing=Pacing(rate_limit=9.6)),
        night_of(1, deadline_at=iso(begun_at(1, hours=4))),
    )
    assert "unchanged gone not accepted time worked sent a second throttled limit found deadline" in full
    assert "3 h 50 min before" in full


def test_of_a_run_whose_files_are_deleted_no_counts_are_made_up() -> None:
    html = page_of(replace(night_of(0, records=RecordCounts()), counted=False, has_page=False))
    assert "read" not in re.findall(r'data-is="?(\w+)', html)
    assert strip(html) == ["succeeded"]


def test_several_campaigns_have_a_part_each() -> None:
    html = page_of(night_of(0, campaign_id="camp_a"), night_of(0, campaign_id="camp_b"))
    assert re.findall(r"<h2 class=campaign>([^<]*)", html) == ["Campaign camp_b", "Campaign camp_a"]
    assert "<h2 class=campaign>" not in page_of(night_of(0), night_of(1))


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    html = page_of(*NIGHTS)
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|url\(|@import|javascript:", html)
    names = {name for _, attributes in Page(html).tags for name in attributes}
    assert not [name for name in names if name in ("src", "action") or name.startswith("on")]


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_words_stay_words_wherever_they_come_from(evil: str) -> None:
    words: dict[str, Any] = {"campaign_id": evil, "started_at": evil, "finished_at": evil}
    words |= {"message": evil, "reasons": [Reason(evil, evil, 3, [evil])]}
    odd = replace(night_of(1, **FAILED | words | {"message": evil, "kind": evil}), run_id=evil)
    sync = replace(night_of(2, **words), run_id=evil)
    html = page_of(night_of(0, campaign_id=evil), odd, sync)
    found = Page(html)  # fails for a tag that is not ours
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert html.count("</style>") == 1
    assert not any(c in html for c in "\u202e\x1b\x00")
    assert all(str(a["href"]).startswith("runs/") for tag, a in found.tags if tag == "a")


def test_the_longest_page_is_bounded() -> None:
    reasons = [Reason("rejected", f"reason {n} " * 40, n, ["x" * 100]) for n in range(200)]
    html = page_of(*(night_of(day, reasons=reasons[: day * 2]) for day in range(120)))
    assert len(html.encode()) < 400_000
    assert html.count("<tbody class=") == ROWS_MAX
