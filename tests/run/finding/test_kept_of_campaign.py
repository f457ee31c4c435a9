"""Which runs may have sent to a campaign."""

from __future__ import annotations

from typing import Any

import pytest

from engine.run.finding.kept_of_campaign import Runs
from engine.run.finding.rows_of_campaigns import NOWHERE
from engine.state import Run

KNOWN = {"a": {"routed": 1}}


@pytest.mark.parametrize(
    ("run", "a", "b", "nowhere"),
    [
        ({"id": "single", "campaign_id": "a"}, True, False, False),
        ({"id": "routed", "in_flight": 8, "tried": True}, True, False, True),
        ({"id": "routed", "in_flight": 8}, True, True, True),  # it was killed: what was in flight is not known
        ({"id": "other", "in_flight": 8, "tried": True}, True, True, True),  # which ones it had is forgotten
        ({"id": "other"}, False, False, True),
    ],
)
def test_a_run_may_have_sent_to_a_campaign(run: dict[str, Any], a: bool, b: bool, nowhere: bool) -> None:
    values: dict[str, Any] = {"kind": "sync", "campaign_id": "", "started_at": "", "identity": {}, "number": 1}
    made = Run(**(values | run))
    runs = Runs([made], [1], KNOWN)
    assert [runs.may_be_of(made, each) for each in ("a", "b", NOWHERE)] == [a, b, nowhere]
