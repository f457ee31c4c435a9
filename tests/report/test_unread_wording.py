"""What was not read, in words: exact where it is known, `about` where it is judged, and never a false number."""

from __future__ import annotations

import pytest

from engine.report.report import Report, RunStatus
from engine.report.source import Input, Unread, bytes_of
from engine.report.unread_wording import unread_about, unread_text
from engine.values.counts import RecordCounts
from tests.reports import succeeded_report


def report_with(unread: Unread, *sizes: int | None, read: int = 320_000, filtered: int = 0) -> Report:
    records = RecordCounts(read=read, updated=read, filtered=filtered)
    inputs = [Input(path=f"part-{number}.csv", bytes=size) for number, size in enumerate(sizes)]
    return succeeded_report(status=RunStatus.INTERRUPTED, exit_code=75, records=records, inputs=inputs, unread=unread)


@pytest.mark.parametrize(
    ("unread", "sizes", "text"),
    [
        (Unread(rows=680_000, bytes=102_000_000), [150_000_000], "680,000 records (102 MB)"),
        (Unread(rows=1), [None], "1 record"),
        (Unread(bytes=102_000_000), [150_000_000], "about 680,000 records (102 MB)"),
        (Unread(bytes=102_000_000), [100_000_000, 50_000_000], "about 680,000 records (102 MB)"),
        (Unread(bytes=102_000_000), [150_000_000, None], "102 MB of the source"),
        (Unread(bytes=102_000_000), [102_000_000], "102 MB of the source"),
        (Unread(), [], "how much more the source holds is not known"),
        (Unread(rows=0, bytes=0), [150_000_000], ""),
        (Unread(bytes=0), [150_000_000], ""),
    ],
)
def test_words(unread: Unread, sizes: list[int | None], text: str) -> None:
    assert unread_text(report_with(unread, *sizes)) == text


def test_an_estimate_has_two_digits() -> None:
    assert unread_about(report_with(Unread(bytes=100_000), 123_456)) == 1_400_000
    assert unread_about(report_with(Unread(bytes=1), 1_000_000, read=10)) == 1


def test_rows_that_were_left_out_were_read() -> None:
    assert unread_about(report_with(Unread(bytes=50), 100, read=100, filtered=900)) == 1_000


def test_who_has_read_nothing_and_who_has_ended_claims_nothing() -> None:
    assert unread_text(report_with(Unread(), read=0)) == ""
    assert unread_text(succeeded_report()) == ""  # of a version that did not say it


def test_what_two_parts_have_not_read_adds_up_as_far_as_it_is_known() -> None:
    assert Unread(rows=1, bytes=10) + Unread(bytes=5) == Unread(bytes=15)
    assert bytes_of([]) == 0
