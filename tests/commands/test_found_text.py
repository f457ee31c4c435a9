"""What is found out about an id, for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.commands.found_text import ANSWERS, found_text
from engine.commands.night_table import COLUMNS
from engine.run import Answer, Found
from engine.run.finding.found import InLedger, InSource, ListedGone, NotAccepted, Row, Sent

RUN, BEGAN = "20261123T020000Z-000001", "2026-11-23T02:00:00.000Z"


def reject(**changes: object) -> NotAccepted:
    values = {
        "run_id": RUN,
        "run_started_at": BEGAN,
        "outcome": "rejected",
        "reason": "late",
        "http_status": 422,
        "path": "loans.csv",
        "row": 7,
        "waits": True,
        "has_data": True,
    }
    return NotAccepted(**(values | changes))  # type: ignore[arg-type]


def gone(outcome: str | None) -> ListedGone:
    return ListedGone(run_id=RUN, run_started_at=BEGAN, last_run=None, outcome=outcome, reason=None)


def moved() -> ListedGone:
    return replace(gone(None), moved_to="b")


def test_every_answer_is_told() -> None:
    assert set(ANSWERS) == set(Answer)


def test_all_that_is_known_is_told() -> None:
    sent = Sent(
        run_id=RUN,
        run_started_at=BEGAN,
        chunk=3,
        chunk_records=10_000,
        outcome="updated",
        settled_at="2026-11-23T02:01:00.000Z",
    )
    rows = [Row(path="loans.csv", row=7, state="record"), Row(path="loans.csv", row=9, state="invalid", reason="no id")]
    found = Found(
        id="loan 1",
        campaign_id="camp",
        answer=Answer.ARRIVED,
        ledger=InLedger(is_proven=True, run_id=RUN, run_started_at=BEGAN),
        source=InSource(count=4, rows=rows, same_values=True, sent=[sent]),
        gone=[ListedGone(run_id=RUN, run_started_at=BEGAN, last_run=None, outcome="updated", reason=None)],
        notes=["the source has changed"],
    )
    assert found_text(found, "night.toml").splitlines() == [
        "loan 1: arrived: the API has acknowledged what the source holds today",
        "  acknowledged   last by run 20261123T020000Z-000001, begun 2026-11-23 02:00:00",
        "                 UTC",
        "  source         loans.csv row 7",
        "                 and 2 more rows",
        "                 loans.csv row 9: invalid, no id",
        "  values         those of its last row are the ones that were acknowledged",
        "  sent           updated, answered by 2026-11-23 02:01:00 UTC, in chunk 3",
        "                 (10,000 records) of run 20261123T020000Z-000001, begun",
        "                 2026-11-23 02:00:00 UTC",
        "  gone           listed in run 20261123T020000Z-000001, begun 2026-11-23",
        "                 02:00:00 UTC, told the API: updated",
        "  note           the source has changed",
    ]


@pytest.mark.parametrize("waits", [True, False])
def test_what_waits_can_be_sent_again(waits: bool) -> None:
    text = found_text(Found(id="a", campaign_id="camp", not_accepted=[reject(waits=waits)]), "my night.toml")
    assert (f"\n    python -m engine replay -c 'my night.toml' {RUN}" in text) is waits
    assert "rejected (HTTP 422) in run" in text


def test_what_waits_without_its_data_waits_for_the_source() -> None:
    text = found_text(Found(id="a", campaign_id="camp", not_accepted=[reject(has_data=False)]), "config.toml")
    assert "replay" not in text
    assert "waits for the next sync" in text


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"answer": Answer.UNKNOWN}, "neither the state directory nor the source"),
        ({"answer": Answer.UNKNOWN, "source_read": False}, "and the source was not read to its end"),
        ({"answer": Answer.GONE, "gone": [gone(None)]}, "the API was not told so"),
        ({"answer": Answer.GONE, "gone": [gone("updated")]}, "and the API was told so"),
        ({"answer": Answer.GONE, "gone": [gone("rejected"), gone("updated")]}, "that the API was told so is rejected"),
        ({"answer": Answer.GONE}, "the API was not told so"),
        ({"answer": Answer.GONE, "gone": [moved()]}, "moved to campaign b; the API was not told so"),
        ({"answer": Answer.NOT_ACCEPTED, "not_accepted": [reject(outcome="unknown")]}, "NOT PROVEN"),
        ({"answer": Answer.NOT_ACCEPTED, "not_accepted": [reject(), reject(outcome="unknown")]}, "NOT accepted"),
    ],
)
def test_an_answer_says_what_it_rests_on(values: dict[str, Any], says: str) -> None:
    text = found_text(Found(id="a", campaign_id="camp", **values), "config.toml")
    assert says in " ".join(text.split())


def test_nothing_from_outside_breaks_a_line() -> None:
    record_id = "x\n\x1b[31m" + "y" * 200
    text = found_text(Found(id=record_id, campaign_id="camp", not_accepted=[reject(reason="a\nb" * 200)] * 9), "c.toml")
    lines = text.splitlines()
    assert max(len(line) for line in lines if "python -m engine" not in line) <= COLUMNS
    assert not [line for line in lines[1:] if not line.startswith("  ")]
    assert "and 4 earlier times" in text


def test_every_campaign_that_knows_an_id_is_told_and_each_note_once() -> None:
    first = Found(id="a", campaign_id="camp_1", answer=Answer.NOT_SENT, notes=["a file is lost"])
    others = [
        Found(id="a", campaign_id=each, answer=Answer.ACKNOWLEDGED, notes=["a file is lost", f"doubt {each}"])
        for each in ("camp_2", None)
    ]
    first.campaigns = [first, *others]
    assert found_text(first, "config.toml", names_campaign=True).splitlines() == [
        "a in campaign camp_1: stands in the source; nothing proves that it was sent",
        "  note           a file is lost",
        "a in campaign camp_2: acknowledged",
        "  note           doubt camp_2",
        "a for no campaign: acknowledged",
        "  note           doubt None",
    ]


def test_what_this_configuration_cannot_replay_has_no_command() -> None:
    other = Found(id="a", campaign_id="camp", not_accepted=[reject(fits_config=False)])
    text = found_text(other, "config.toml")
    assert "python -m engine" not in text
    assert "with the configuration of that run" in " ".join(text.split())
