"""Of which campaign is told first."""

from __future__ import annotations

import pytest

from engine.run.finding.found import Answer, Found, InSource, Row
from engine.run.finding.ranking import WORST_FIRST, most_telling_first


def found(campaign_id: str | None, answer: Answer, state: str = "record") -> Found:
    rows = [Row(path="a", row=1, state=state)]
    source = InSource(count=1, rows=rows, same_values=None, sent=[])
    return Found(id="a", campaign_id=campaign_id, answer=answer, source=source)


def order(*known: Found, held: set[str | None], acknowledged: dict[str, int] | None = None) -> list[str | None]:
    return [each.campaign_id for each in most_telling_first(known, held, acknowledged or {})]


def test_every_answer_has_its_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(Answer)


@pytest.mark.parametrize("answer", [each for each in Answer if each is not Answer.ARRIVED and each.value != "unknown"])
def test_an_id_that_has_not_arrived_everywhere_has_not_arrived(answer: Answer) -> None:
    known = [found("a", Answer.ARRIVED), found("b", answer)]
    assert order(*known, held={"a", "b"}, acknowledged={"a": 9}) == ["b", "a"]


def test_a_campaign_where_the_source_holds_it_comes_before_a_later_acknowledgement() -> None:
    known = [found("a", Answer.ACKNOWLEDGED), found("b", Answer.ARRIVED)]
    assert order(*known, held={"b"}, acknowledged={"a": 9, "b": 1}) == ["b", "a"]


def test_where_the_source_holds_it_nowhere_the_latest_acknowledgement_comes_first() -> None:
    known = [found("a", Answer.GONE), found("b", Answer.GONE), found(None, Answer.NOT_ACCEPTED)]
    assert order(*known, held=set(), acknowledged={"a": 2, "b": 3}) == ["b", "a", None]


def test_rows_that_are_left_out_hold_nothing() -> None:
    known = [found(None, Answer.NOT_SENT, "filtered"), found("a", Answer.ACKNOWLEDGED)]
    assert order(*known, held={None}) == ["a", None]
