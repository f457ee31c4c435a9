"""The figures by which nights are compared, and how they are written."""

from __future__ import annotations

import pytest

from engine.report.figures import (
    MARGIN,
    READ,
    change_text,
    count_text,
    margin_s,
    margin_text,
    name_of,
    percent_text,
    throttled_share,
)
from engine.report.history import Night
from engine.values.counts import RequestCounts
from tests.report.nights_told import begun_at, iso, night_of, report_of


def test_the_margin_is_positive_before_the_deadline_and_negative_after_it() -> None:
    assert margin_s(report_of(0)) is None
    assert margin_s(report_of(0, deadline_at=iso(begun_at(0, hours=1)))) == 3_000
    assert margin_s(report_of(0, deadline_at=iso(begun_at(0)))) == -600
    assert (margin_text(3_000), margin_text(-12)) == ("50 min 00 s before", "12 s after")


def test_the_throttled_share_is_of_the_requests_sent() -> None:
    assert throttled_share(report_of(0, requests=RequestCounts(sent=200, succeeded=190, throttled=10))) == 0.05
    assert throttled_share(report_of(0, requests=RequestCounts())) is None


@pytest.mark.parametrize(("share", "expected"), [(0.0, "0%"), (0.0004, "0.0%"), (0.05, "5.0%"), (0.123, "12%")])
def test_shares(share: float, expected: str) -> None:
    assert percent_text(share) == expected


def test_the_median_of_two_counts_may_be_a_half() -> None:
    assert (count_text(1_234), count_text(1_234.5)) == ("1,234", "1,234.5")


@pytest.mark.parametrize(
    ("value", "usual", "expected"),
    [(112, 100, "+12%"), (88, 100, "-12%"), (100.4, 100, ""), (5, 0, ""), (4_700, 100, "47 times as much")],
)
def test_how_far_a_value_is_from_what_is_usual(value: float, usual: float, expected: str) -> None:
    assert change_text(READ, value, usual) == expected
    assert change_text(MARGIN, value, usual) == ""


def test_a_night_without_a_known_begin_is_named_by_its_id() -> None:
    assert name_of(night_of(0), begun_at(0).tzinfo) == "Mon 02 Nov 02:00"
    assert name_of(Night(run_id="mine")) == "mine"
