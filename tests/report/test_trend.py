"""How nights go on: which compare, what is usual, which reasons are new or grow."""

from __future__ import annotations

from datetime import UTC

from engine.report.figures import READ, UPDATED
from engine.report.history import Night
from engine.report.report import DeltaFacts, RunStatus
from engine.report.trend import NIGHTS_MAX, REASONS_MAX, Missed, kind_of, trends
from engine.values.counts import Reason, RecordCounts
from tests.report.nights_told import begun_at, crashed, night_of


def with_reasons(day: int, **counts: int) -> Night:
    reasons = [Reason("rejected", reason, count, ["L-1"]) for reason, count in counts.items()]
    total = sum(counts.values())
    return night_of(day, reasons=reasons, records=RecordCounts(read=1_000, updated=1_000 - total, rejected=total))


def test_only_whole_nights_compare() -> None:
    limited, replayed = night_of(2, limit=500), night_of(3, kind="replay")
    [trend] = trends([night_of(0), night_of(1), limited, replayed, night_of(4)], UTC)
    assert [night.run_id for night in trend.nights] == [night_of(day).run_id for day in (0, 1, 4)]
    assert [missed.at for missed in trend.missed] == [begun_at(2), begun_at(3)]


def test_what_is_usual_is_the_median_of_the_complete_nights_before() -> None:
    read = [100, 300, 200, 250]
    nights = [night_of(day, records=RecordCounts(read=n, updated=n)) for day, n in enumerate(read)]
    stopped = night_of(4, status=RunStatus.INTERRUPTED, exit_code=75, records=RecordCounts(read=7, pending=7))
    [trend] = trends([*nights, stopped, crashed(5), night_of(6)], UTC)
    assert trend.usual(READ.value) == 225
    assert len(trend.before) == 4


def test_a_full_send_among_nights_with_delta_is_no_trend() -> None:
    changed, full = DeltaFacts(mode="changed"), DeltaFacts(mode="changed", full=True, full_reason="asked for")
    few, all_ = RecordCounts(read=100, updated=2, unchanged=98), RecordCounts(read=100, updated=100)
    nights = [night_of(day, delta=changed, records=few) for day in range(3)]
    [trend] = trends([*nights, night_of(3, delta=full, records=all_)], UTC)
    assert trend.usual(UPDATED.value, of_alike=UPDATED.of_alike) is None, "nothing like it was there before"
    assert trend.usual(READ.value, of_alike=READ.of_alike) == 100, "what is read does not depend on that"
    [trend] = trends(
        [night_of(0, delta=full, records=all_), *(night_of(d, delta=changed, records=few) for d in range(1, 6))], UTC
    )
    assert trend.usual(UPDATED.value, of_alike=True) == 2
    assert (len(trend.before), len(trend.alike), kind_of(trend)) == (5, 4, "delta")
    off = [night_of(day, records=all_) for day in range(3)]
    [trend] = trends([*off, night_of(3, delta=full, records=all_)], UTC)
    assert trend.usual(UPDATED.value, of_alike=True) == 100, "with delta off all is sent, too"


def test_nothing_is_usual_after_two_nights() -> None:
    [trend] = trends([night_of(day) for day in range(3)], UTC)
    assert trend.usual(READ.value) is None


def test_missed_nights_stand_in_their_place() -> None:
    [trend] = trends([night_of(day) for day in (0, 1, 3)], UTC, begun_at(4, hours=6))
    assert [isinstance(entry, Missed) for entry in trend.entries] == [False, False, True, False, True]


def test_a_night_that_went_on_the_day_after_is_not_missed_then() -> None:
    resumed = night_of(2, resumes=1, finished_at="2026-11-05T02:40:00.000Z")
    [trend] = trends([night_of(0), night_of(1), resumed, night_of(4)], UTC)
    assert trend.missed == []


def test_each_campaign_has_its_own_trend_the_latest_first() -> None:
    nights = [night_of(day, campaign_id=campaign) for day in range(4) for campaign in ("a", "b")]
    nights.append(Night(run_id=night_of(4).run_id, crashed=True))  # nobody knows of which: taken for the latest
    found = trends(nights, UTC)
    assert [(trend.campaign_id, len(trend.nights)) for trend in found] == [("b", 5), ("a", 4)]


def test_the_latest_thirty_nights_are_looked_at() -> None:
    [trend] = trends([night_of(day) for day in range(NIGHTS_MAX + 5)], UTC)
    assert [night.run_id for night in trend.nights] == [night_of(day).run_id for day in range(5, NIGHTS_MAX + 5)]


def test_a_reason_is_new_or_growing_or_not_told() -> None:
    nights = [with_reasons(day, steady=9 + day % 2, growing=day % 3) for day in range(6)]
    [trend] = trends([*nights, with_reasons(6, steady=10, growing=7, new=2)], UTC)
    told = [(each.reason, each.count, each.is_new) for each in trend.reasons()]
    assert told == [("growing", 7, False), ("new", 2, True)]
    assert trend.reasons()[0].usual == 1
    assert trend.reasons()[0].counts == (0, 1, 2, 0, 1, 2, 7)


def test_in_the_first_night_no_reason_is_called_new() -> None:
    [trend] = trends([with_reasons(0, first=3)], UTC)
    assert trend.reasons() == []


def test_the_reasons_told_are_bounded_the_most_frequent_first() -> None:
    many = with_reasons(1, **{f"reason_{n:03}": n + 1 for n in range(50)})
    [trend] = trends([with_reasons(0), many], UTC)
    assert [each.count for each in trend.reasons()] == list(range(50, 50 - REASONS_MAX, -1))
