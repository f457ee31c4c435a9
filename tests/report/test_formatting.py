"""Numbers and sentences that several outputs share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from engine.report.formatting import (
    age_text,
    bytes_text,
    local,
    moment_text,
    ms_text,
    night_text,
    rate_text,
    seconds_text,
    share_text,
    shown,
    zone_text,
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
        (245, "4 min 05 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, expected: str) -> None:
    assert seconds_text(seconds) == expected


@pytest.mark.parametrize(
    ("ms", "expected"), [(0.4, "0 ms"), (310.2, "310 ms"), (999.6, "1.0 s"), (61_000, "1 min 01 s")]
)
def test_latencies(ms: float, expected: str) -> None:
    assert ms_text(ms) == expected


@pytest.mark.parametrize(
    ("rate", "expected"), [(0, "0"), (9.6, "9.6"), (10.0, "10"), (99.96, "100"), (9999.4, "9,999")]
)
def test_rates(rate: float, expected: str) -> None:
    assert rate_text(rate) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (9_940, "9.9 kB"), (999_600, "1.0 MB"),
     (142_000_000, "142 MB"), (3 * 10**12, "3.0 TB"), (5 * 10**15, "5,000 TB")],
)  # fmt: skip
def test_amounts_of_data(count: int, expected: str) -> None:
    assert bytes_text(count) == expected


def test_moments() -> None:
    assert moment_text("2026-11-23T02:00:59.123Z") == "2026-11-23 02:00 UTC"
    assert moment_text("2026-11-23T20:30:59.123Z", ZoneInfo("Asia/Kolkata")) == "2026-11-24 02:00 IST"
    assert moment_text("") == ""


def test_a_night_bears_the_date_of_the_place_where_it_is() -> None:
    begun = local("2026-11-27T20:30:00.000Z", ZoneInfo("Asia/Kolkata"))
    assert begun is not None
    assert (night_text(begun), zone_text(begun)) == ("Sat 28 Nov 02:00", "IST")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-27T20:30:00"])
def test_what_is_no_moment_has_no_local_time(text: str) -> None:
    assert local(text) is None


@pytest.mark.parametrize(
    ("count", "whole", "expected"),
    [(0, 9, "0%"), (9, 9, "100%"), (1, 3, "33.3%"), (1, 1_000_000, "<0.01%"), (999_999, 1_000_000, "99.99%"),
     (5, 1000, "0.50%"), (995, 1000, "99.50%")],
)  # fmt: skip
def test_shares_never_hide_a_record(count: int, whole: int, expected: str) -> None:
    assert share_text(count, whole) == expected


@given(text=st.text(alphabet=st.characters(), max_size=80), width=st.integers(5, 60))
def test_whatever_is_shown_is_one_visible_line_of_bounded_width(text: str, width: int) -> None:
    visible = shown(text, width)
    assert visible.isprintable()
    assert len(visible) <= width
    if text.isprintable() and len(text) <= width:
        assert visible == text


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(seconds=-5), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(days=3, hours=23), "3 days"),
    ],
)
def test_ages(ago: timedelta, expected: str) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    assert age_text((now - ago).isoformat(), now) == expected
