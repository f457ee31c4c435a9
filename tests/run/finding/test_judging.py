"""What all that is known of an id comes to: the order of events decides, and doubts are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.run.finding.found import Answer, Found, InLedger, InSource, ListedGone, NotAccepted, Row, Sent
from engine.run.finding.judging import Evidence, judge

RUNS = {f"run {number}": number for number in range(1, 6)}


def known(**values: Any) -> Evidence:
    nothing: dict[str, Any] = {
        "numbers": RUNS,
        "doubt_since": lambda number: "" if number == 5 else f"doubt since {number}",
        "sent_blindly_since": lambda number: "",
        "syncs_since": lambda number: 5 - number,
    }
    return Evidence(**(nothing | values))


def source(*sent: int, same: bool | None = None, state: str = "record") -> InSource:
    runs = [
        Sent(run_id=f"run {n}", run_started_at="", chunk=0, chunk_records=1, outcome="updated", settled_at=None)
        for n in sent
    ]
    return InSource(count=1, rows=[Row(path="a", row=1, state=state)], same_values=same, sent=runs)


def entry(*, is_proven: bool = True, gone_since: str | None = None) -> InLedger:
    return InLedger(is_proven=is_proven, run_id="run 3", run_started_at="", gone_since=gone_since)


def reject(run: int, outcome: str = "rejected", *, waits: bool = False) -> NotAccepted:
    place = {"path": "a", "row": 1, "http_status": None, "reason": "", "has_data": True}
    return NotAccepted(run_id=f"run {run}", run_started_at="", outcome=outcome, waits=waits, **place)  # type: ignore[arg-type]


def gone(run: int, outcome: str | None = "updated", moved_to: str | None = None) -> ListedGone:
    listed = ListedGone(run_id=f"run {run}", run_started_at="", last_run=None, outcome=outcome, reason=None)
    return replace(listed, moved_to=moved_to)


RECORD = {"has_record": True, "last_state": "record"}
CASES: list[tuple[dict[str, Any], dict[str, Any], Answer, str]] = [
    ({}, {}, Answer.UNKNOWN, ""),
    ({"id": "a "}, {}, Answer.UNKNOWN, "blank"),
    # the ledger vouches for it
    ({"ledger": entry(), "source": source(same=True)}, RECORD, Answer.ARRIVED, ""),
    ({"ledger": entry(), "source": source(same=False)}, RECORD, Answer.CHANGED_SINCE, ""),
    ({"ledger": entry(), "source": source()}, RECORD, Answer.ACKNOWLEDGED, "cannot be compared"),
    ({"ledger": entry(), "source": source(3)}, RECORD | {"acknowledged_by": 3}, Answer.ARRIVED, ""),
    ({"ledger": entry(), "source": source(2)}, RECORD | {"acknowledged_by": 3}, Answer.ACKNOWLEDGED, "compared"),
    (
        {"ledger": entry(), "source": source(3), "source_read": False},
        RECORD | {"acknowledged_by": 3},
        Answer.ACKNOWLEDGED,
        "compared",
    ),
    ({"ledger": entry()}, {}, Answer.ACKNOWLEDGED, "does not hold it"),
    ({"ledger": entry(), "source_read": False}, {}, Answer.ACKNOWLEDGED, ""),
    ({"ledger": entry(), "source": source(state="filtered")}, {}, Answer.ACKNOWLEDGED, "source.where"),
    (
        {"ledger": entry(), "source": source(state="invalid")},
        {"last_state": "invalid"},
        Answer.NOT_ACCEPTED,
        "its last row",
    ),
    (
        {"ledger": entry(), "source_read": False, "not_accepted": [reject(5, "invalid")]},
        {"acknowledged_by": 3},
        Answer.NOT_ACCEPTED,
        "earlier version",
    ),
    (
        {"ledger": entry(), "source_read": False, "not_accepted": [reject(4, "invalid")]},
        {"acknowledged_by": 3},
        Answer.ACKNOWLEDGED,
        "only the source can tell",
    ),
    # it does not: runs do
    ({"source": source(5)}, RECORD, Answer.ARRIVED, ""),
    ({"source": source(4)}, RECORD, Answer.ACKNOWLEDGED, "doubt since 4"),
    ({"source": source(5), "source_read": False}, RECORD, Answer.ACKNOWLEDGED, ""),
    ({"source": source(3)}, RECORD | {"waits_for": ["run 4"]}, Answer.NOT_ACCEPTED, ""),
    ({"source": source(5)}, RECORD | {"waits_for": ["run 4"]}, Answer.ARRIVED, ""),
    ({"source": source(3), "gone": [gone(4)]}, RECORD, Answer.NOT_SENT, ""),
    ({"source": source()}, RECORD, Answer.NOT_SENT, ""),
    ({"source": source(state="filtered")}, {}, Answer.NOT_SENT, "source.where"),
    # it was not accepted
    ({"not_accepted": [reject(2, waits=True)]}, {"waits_for": ["run 2"]}, Answer.NOT_ACCEPTED, ""),
    ({}, {"waits_for": ["run 2"]}, Answer.NOT_ACCEPTED, ""),
    ({"not_accepted": [reject(2)], "source": source()}, RECORD, Answer.ACKNOWLEDGED, "delivered since"),
    ({"not_accepted": [reject(2)]}, {}, Answer.ACKNOWLEDGED, "delivered since"),
    ({"not_accepted": [reject(2)], "ledger": entry(is_proven=False)}, {}, Answer.UNPROVEN, "does not hold it"),
    ({"not_accepted": [reject(2, "invalid")]}, {}, Answer.NOT_ACCEPTED, "doubt since 2"),
    ({"not_accepted": [reject(5, "invalid")]}, {}, Answer.NOT_ACCEPTED, ""),
    # it is gone
    ({"gone": [gone(4)]}, {}, Answer.GONE, ""),
    ({"gone": [gone(4)], "not_accepted": [reject(2)]}, {}, Answer.GONE, ""),
    ({"gone": [gone(4)]}, {"waits_for": ["run 2"]}, Answer.GONE, ""),
    ({"gone": [gone(2)]}, {"waits_for": ["run 4"]}, Answer.NOT_ACCEPTED, ""),
    ({"gone": [gone(4)]}, {"sent_blindly_since": lambda number: f"blind {number}"}, Answer.GONE, "blind 4"),
    ({"gone": [gone(4, None)], "ledger": entry(is_proven=False, gone_since="run 4")}, {}, Answer.GONE, ""),
    ({"gone": [gone(4, None)], "ledger": entry(is_proven=False)}, {}, Answer.UNPROVEN, "not hold it"),
    (
        {"gone": [gone(4, None)], "ledger": entry(is_proven=False, gone_since="run 4"), "source": source()},
        RECORD,
        Answer.UNPROVEN,
        "",
    ),
    # the source holds it for other campaigns
    ({"ledger": entry()}, {"elsewhere": ["b"]}, Answer.ACKNOWLEDGED, "does not hold it for this campaign, but for b"),
    (
        {"gone": [gone(4, None, "b")], "ledger": entry(is_proven=False)},
        {"acknowledged_by": 3, "elsewhere": ["b"]},
        Answer.GONE,
        "",
    ),
    (
        {"gone": [gone(4, None, "b")], "ledger": entry(is_proven=False)},
        {"acknowledged_by": 4},
        Answer.UNPROVEN,
        "does not hold it",
    ),
]


@pytest.mark.parametrize(("values", "evidence", "answer", "doubt"), CASES)
def test_the_order_of_events_decides(
    values: dict[str, Any], evidence: dict[str, Any], answer: Answer, doubt: str
) -> None:
    found, notes = judge(Found(**({"id": "a", "campaign_id": "camp"} | values)), known(**evidence))
    assert found is answer
    assert doubt in " ".join(notes)
    assert bool(notes) == bool(doubt)
