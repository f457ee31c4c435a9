"""What is told of ids that are gone, of full sends and of the ledger, and that a headline leaves none of it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.report.delta_wording import delta_rows, ledger_text
from engine.report.page import render_page
from engine.report.report import DeltaFacts, Gone, Report, RunStatus
from engine.report.summary import render_summary
from engine.report.wording import verdict
from engine.values.counts import RecordCounts
from tests.reports import RUN_ID, delta_report, partial_report, succeeded_report

RUN_DIR = Path("engine-state/runs") / RUN_ID

NIGHT = """\
All 1,000,000 records were delivered or needed no update. 120 ids are gone: gone.ndjson lists them.

  read        1,000,000  from portfolio.csv.gz
  updated        20,000  on the server
  unchanged     980,000  needed no update

  gone        120 ids, 100 of them new since the last complete run; 120 only listed
  ledger      1,000,120 ids known; the oldest acknowledged 2026-11-20 02:00 UTC, 3 days before the end

  took        7 min 30 s, 2,225 records/s, 44.5 of them sent, 641 MB sent
  requests    2: 2 succeeded
  latency     median 312 ms, 95% within 540 ms, 99% within 812 ms, slowest 2.2 s

Files
  engine-state/runs/20261123T020000Z-07b3f9/report.html
  engine-state/runs/20261123T020000Z-07b3f9/gone.ndjson
"""

TOO_MANY_GONE = delta_report(
    status=RunStatus.FAILED,
    exit_code=65,
    message="30,000 of the 1,000,000 ids that this feed held last time are gone, more than guard.max_gone (2%) allows",
    gone=Gone(found=30_000, new=30_000, pending=30_000, skipped="30,000 ids are gone, more than guard.max_gone (2%)"),
)


def summary(report: Report) -> str:
    return render_summary(report, run_dir=RUN_DIR, config_path="night.toml")


def rows(**changes: Any) -> dict[str, str]:
    return dict(delta_rows(delta_report(**changes)))


def test_a_night_on_which_little_has_changed() -> None:
    assert summary(delta_report()) == NIGHT


def test_without_delta_nothing_is_said_of_it() -> None:
    assert delta_rows(partial_report()) == []
    assert "Compared with what was known" not in render_page(partial_report())


def test_a_full_send_says_why() -> None:
    facts = DeltaFacts(mode="changed", full=True, full_reason="nothing was acknowledged yet", ledger_records=5)
    told = rows(delta=facts, gone=Gone(skipped="this is the first complete run of the feed 'a.csv'"))
    assert told == {
        "gone": "not judged: this is the first complete run of the feed 'a.csv'",
        "full send": "yes: nothing was acknowledged yet",
        "ledger": "5 ids known, none of them good for leaving a record out",
    }


def test_who_was_told_and_who_could_not_be() -> None:
    told = rows(gone=Gone(found=10, new=4, updated=6, rejected=2, unknown=1, pending=1))
    assert told["gone"] == (
        "10 ids, 4 of them new since the last complete run; 6 told, 2 refused, 1 unproven, 1 only listed"
    )
    told = rows(gone=Gone(found=10, new=10, pending=10, skipped="3 rows have no id that can be read"))
    assert told["gone"].endswith("; 10 only listed; withheld: 3 rows have no id that can be read")


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (Gone(), ""),
        (Gone(skipped="the run is not complete"), ""),
        (Gone(found=1, pending=1), " 1 id is gone: gone.ndjson lists them."),
        (Gone(found=3, updated=3), " 3 ids that are gone were told so."),
        (Gone(found=3, pending=3, skipped="x"), " 3 ids are gone; nothing was sent to them: gone.ndjson lists them."),
    ],
)
def test_the_headline_of_a_good_night(gone: Gone, expected: str) -> None:
    assert verdict(delta_report(gone=gone)) == f"All 1,000,000 records were delivered or needed no update.{expected}"


def test_only_gone_ids_that_were_refused_are_no_records_that_were() -> None:
    report = delta_report(status=RunStatus.PARTIAL, exit_code=3, gone=Gone(found=9, updated=7, rejected=1, unknown=1))
    text = summary(report)
    assert text.splitlines()[0] == (
        "All 1,000,000 records were delivered or needed no update. 2 of 9 ids that are gone could not be told so."
    )
    assert "gone.ndjson says who could not be told to be gone, and why; the next run tries again." in text
    assert "rejected.ndjson" not in text


def test_both_may_go_wrong() -> None:
    records = RecordCounts(read=10, updated=9, rejected=1)
    report = partial_report(records=records, delta=DeltaFacts(mode="changed"), gone=Gone(found=2, unknown=2))
    text = summary(report)
    assert text.startswith("Finished, but 1 of 10 records was not accepted. 2 of 2 ids that are gone could not be told")
    assert "replay -c night.toml" in text
    assert "the next run tries again" in text


def test_more_gone_than_the_guard_allows_is_told_with_both_ways_on() -> None:
    lines = summary(TOO_MANY_GONE).splitlines()
    assert lines[0].startswith(
        "All 1,000,000 records were delivered or needed no update. Stopped then: 30,000 of the 1,000,000 ids"
    )
    assert lines[lines.index("Next") :] == [
        "Next",
        "  Look at gone.ndjson: are these ids really gone, or is the export not whole?",
        "  If they are gone, go on:",
        "    ENGINE_GUARD__MAX_GONE=100% python -m engine sync -c night.toml",
        "  If not, mend the export and begin anew; all that was delivered stays known:",
        "    python -m engine sync -c night.toml --fresh",
    ]


def test_another_guard_is_not_taken_for_that_one() -> None:
    report = succeeded_report(status=RunStatus.FAILED, exit_code=65, message="too many are invalid")
    assert summary(report).startswith("Stopped: too many are invalid.")


def test_after_a_full_send_nothing_is_older_than_the_run() -> None:
    report = delta_report()
    facts = DeltaFacts(mode="changed", ledger_records=5, last_full_at=report.started_at)
    assert ledger_text(delta_report(delta=facts)) == "5 ids known, none acknowledged before this run"


def test_the_age_of_the_ledger_is_left_out_where_the_end_is_not_known() -> None:
    assert ledger_text(delta_report(finished_at="")).endswith("the oldest acknowledged 2026-11-20 02:00 UTC")


@pytest.mark.parametrize("report", [delta_report(), TOO_MANY_GONE])
def test_the_page_says_it_too(report: Report) -> None:
    page = render_page(report)
    for _, text in delta_rows(report):
        assert text in page.replace("&#39;", "'")
    assert "980,000 unchanged" in page
    assert "<code>gone.ndjson</code>" in page
