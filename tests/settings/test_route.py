"""`[route]`: what of it decides whether a run that waits can be continued."""

from __future__ import annotations

from typing import Any

import pytest

from engine.settings.kinds import Mistakes
from engine.settings.route import RouteTable


def test_only_another_number_of_open_chunks_cuts_other_chunks() -> None:
    usual = RouteTable(column="bucket")
    assert usual.identity() == RouteTable(column="bucket", open_chunks=50).identity()
    assert "open_chunks" not in usual.identity()  # runs of earlier versions can be continued
    assert RouteTable(column="bucket", open_chunks=60).identity() == usual.identity() | {"open_chunks": 60}
    assert RouteTable().identity() == {}


@pytest.mark.parametrize(
    "table",
    [{"open_chunks": 60}, {"other": "skip"}, {"column": "b", "open_chunks": 49}, {"column": "b", "campaigns": {}}],
)
def test_what_makes_no_sense_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(Mistakes):
        RouteTable.read(table)
