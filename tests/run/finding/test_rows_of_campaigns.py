"""Which campaign each row is for, and how many of its records came before: as the chunks of a run count."""

from __future__ import annotations

from engine.reading import Routing
from engine.run.finding.rows_of_campaigns import NOWHERE, RowsOfCampaigns
from engine.values import Block, Place, Refusal, Span


def block(*texts: str, refused: tuple[str | None, ...] = ()) -> Block:
    ids = [f"id {number}" for number in range(len(texts))]
    lines = b"\n".join(b'{"id":"%b","data":{}}' % each.encode() for each in ids)
    refusals = [Refusal("bad", Place("a", row), routed_by=text) for row, text in enumerate(refused, 1)]
    return Block(ids, lines, [Span("a", 1, len(ids))], refusals, routed_by=list(texts))


def test_positions_count_by_campaigns_and_refusals_come_first() -> None:
    rows = RowsOfCampaigns(Routing("to"), "")
    rows.take(block("x", "y", "x", refused=("y", None, "y")))
    assert [rows.of_record(index) for index in range(3)] == [("x", 0), ("y", 2), ("x", 1)]
    assert [(campaign, skipped) for _, campaign, skipped in rows.refused()] == [
        ("y", False),
        (NOWHERE, False),
        ("y", False),
    ]
    rows.take(block("y", "", "x"))
    assert [rows.of_record(index) for index in range(3)] == [("y", 3), (NOWHERE, 0), ("x", 2)]
    assert rows.why_nowhere(1) == ("invalid", "no campaign: the value of 'to' (route.column) is empty")
    assert rows.of_left_out == NOWHERE


def test_what_the_route_leaves_out_counts_nowhere() -> None:
    rows = RowsOfCampaigns(Routing("to", {"x": "camp"}, "skip"), "")
    for _ in range(2):
        rows.take(block("?", "x", refused=("?",)))
    assert (rows.of_record(0), rows.of_record(1)) == ((NOWHERE, 0), ("camp", 1))
    assert [(campaign, skipped) for _, campaign, skipped in rows.refused()] == [(NOWHERE, True)]
    assert rows.why_nowhere(0) == ("filtered", "route.other leaves it out")


def test_without_a_route_all_rows_are_of_the_only_campaign() -> None:
    rows = RowsOfCampaigns(None, "camp")
    rows.take(block("x", "y", refused=(None,)))
    rows.take(block("x", "y", refused=(None,)))
    assert [rows.of_record(index) for index in range(2)] == [("camp", 4), ("camp", 5)]
    assert [(campaign, skipped) for _, campaign, skipped in rows.refused()] == [("camp", False)]
    assert rows.of_left_out == "camp"
