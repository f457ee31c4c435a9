"""The table of nights in a terminal: it fits, tells the local time, and shows what went wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.commands.night_table import COLUMNS, RUNS_SHOWN_MAX, latest_against_usual, table
from engine.report.history import Night
from engine.report.report import DeltaFacts, Gone, Pacing, RunStatus
from engine.values.counts import Reason, RecordCounts, RequestCounts
from tests.report.nights_told import begun_at, crashed, iso, night_of

FAILED = {"status": RunStatus.FAILED, "exit_code": 77, "message": "the API refused the token " * 9}
DELTA = {"delta": DeltaFacts(mode="changed"), "gone": Gone(found=120, pending=120)}


def lines(*nights: Night) -> list[str]:
    return table(nights, UTC).splitlines()


def test_a_night_in_two_lines() -> None:
    night = night_of(
        0,
        requests=RequestCounts(sent=200, succeeded=190, throttled=10),
        records=RecordCounts(read=4_210_000, updated=4_209_990, rejected=10),
        pacing=Pacing(rate_limit=9.6),
        deadline_at=iso(begun_at(0, hours=4.5)),
    )
    assert lines(night) == [
        "BEGAN                    STATUS            READ    UPDATED  NOT ACC.     ENDED",
        "RUN                      TOOK         RECORDS/S  THROTTLED     LIMIT  TO SPARE",
        "Mon 02 Nov 02:00 UTC     succeeded    4,210,000  4,209,990        10     02:10",
        "20261102T020000Z-000000  10 min 00 s      7,017       5.0%     9.6/s     4h20m",
    ]


def test_with_delta_it_tells_what_was_left_out_and_who_is_gone() -> None:
    records = RecordCounts(read=1_000_000, updated=20_000, unchanged=980_000)
    assert lines(night_of(0, records=records, **DELTA))[2:] == [
        "Mon 02 Nov 02:00 UTC     succeeded    1,000,000     20,000    980,000         0",
        "20261102T020000Z-000000  10 min 00 s       33.3         0%        120",
    ]


@pytest.mark.parametrize("delta", [{}, DELTA])
@pytest.mark.parametrize("count", [1, 9_999_999, 99_999_999, 4_000_000_000])
def test_every_line_fits_a_terminal_of_80_columns(count: int, delta: dict[str, object]) -> None:
    records = RecordCounts(read=count, updated=count)
    nights = [
        night_of(0, records=records, deadline_at=iso(begun_at(0, hours=20)), **delta),
        night_of(1, records=records, **FAILED, **delta),
        replace(crashed(2, records=records, **delta), under_way=False),
        night_of(4, records=records, limit=count, **delta),
    ]
    assert max(map(len, lines(*nights))) <= COLUMNS


def test_a_night_bears_the_date_of_the_place_where_it_is() -> None:
    night = night_of(0, started_at="2026-11-27T20:30:00.000Z", finished_at="2026-11-27T20:40:00.000Z")
    assert "Sat 28 Nov 02:00 IST " in table([night], ZoneInfo("Asia/Kolkata"))
    assert "Fri 27 Nov 20:30 UTC " in table([night], UTC)


def test_a_missed_night_stands_in_its_place() -> None:
    found = lines(night_of(0), night_of(1), night_of(3))
    assert found[6] == "Wed 04 Nov 02:00 UTC     missed: no run has begun"
    late = table([night_of(0), night_of(1), night_of(2)], UTC, begun_at(3, hours=6)).splitlines()
    assert late[-1] == "Thu 05 Nov 02:00 UTC     missed: no run has begun"


def test_of_a_crashed_run_is_told_what_is_known() -> None:
    [*_, first, second, remark] = lines(crashed(0, records=RecordCounts(read=300, updated=300)))
    assert first.split()[4:] == ["UTC", "crashed", "300", "300", "0"]
    assert second.split()[:4] == ["20261102T020000Z-000000", "10", "min", "00"]
    assert remark == "  its process was killed, after 02:10; told is what was durable by then"
    assert lines(Night(run_id="20261102T020000Z-000000"))[2:] == [
        "Mon 02 Nov 02:00 UTC     crashed",
        "20261102T020000Z-000000",
    ]


@pytest.mark.parametrize(
    ("night", "remark"),
    [
        (night_of(0, limit=500), "  only the first 500 records (--limit): compared with no night"),
        (night_of(0, kind="replay"), "  a replay"),
        (night_of(0, **{**FAILED, "message": "the token was refused."}), "  the token was refused"),
        (replace(night_of(0), counted=False), "  its files are deleted (state.keep_days), and its counts with them"),
    ],
)
def test_what_has_to_be_known_of_a_run_stands_below_it(night: Night, remark: str) -> None:
    assert lines(night)[4:] == [remark]


def test_the_table_is_bounded() -> None:
    found = lines(*(night_of(day) for day in range(RUNS_SHOWN_MAX + 5)))
    assert found[2] == "(5 earlier runs not shown)"
    assert found[4].split()[0] == "20261107T020000Z-000005"
    assert len(found) == 2 * RUNS_SHOWN_MAX + 3


def rejecting(day: int, count: int, **changes: object) -> Night:
    reasons = [Reason("rejected", "no such loan", count, [])] if count else []
    return night_of(
        day, reasons=reasons, records=RecordCounts(read=100, updated=100 - count, rejected=count), **changes
    )


def test_the_latest_night_stands_beside_what_is_usual() -> None:
    found = latest_against_usual([rejecting(0, 2), rejecting(1, 3), rejecting(2, 1), rejecting(3, 9)], UTC)
    assert found[:5] == [
        "Latest night of campaign 69bd2c",
        "                              LATEST             USUAL  median of 3",
        "  read                           100               100",
        "  updated                         91                98  -7%",
        "  not accepted                     9                 2  +350%",
    ]
    assert found[-2:] == ["  9 records rejected, growing, usually 2:", "    no such loan"]
    assert max(map(len, found)) <= COLUMNS


def test_a_full_send_is_not_held_against_nights_with_delta() -> None:
    delta = [
        rejecting(day, 0, delta=DeltaFacts(mode="changed", full=day in (0, 4), full_reason="asked for"))
        for day in range(5)
    ]
    found = latest_against_usual(delta, UTC)
    assert found[1] == "                              LATEST             USUAL  median of 4 (1 full)"
    assert [line.split()[0] for line in found[2:]] == ["read", "not"]
    many = [rejecting(day, 0, delta=DeltaFacts(mode="changed", full=day < 15)) for day in range(30)]
    assert latest_against_usual(many, UTC)[1].endswith("  median of 29 (14 delta)")
    assert len(latest_against_usual(many, UTC)[1]) <= COLUMNS


def test_a_night_that_has_not_ended_is_not_compared() -> None:
    nights = [rejecting(day, 1) for day in range(3)]
    assert latest_against_usual([*nights, crashed(3)], UTC) == []
    assert latest_against_usual(nights, UTC) == []  # two before it say nothing about what is usual


def test_an_end_right_at_the_deadline_has_no_sign() -> None:
    night = night_of(0)
    assert night.report is not None
    deadline = datetime.fromisoformat(night.report.finished_at) - timedelta(seconds=0.2)
    late = replace(night.report, deadline_at=deadline.isoformat())
    text = table([replace(night, report=late)], UTC)
    assert "-0s" not in text
    assert "0s" in text.split()
