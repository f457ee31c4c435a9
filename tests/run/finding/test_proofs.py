"""Which runs provably read what today's source holds, and in which campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.outlets import NoProgress
from engine.run import sync
from engine.run.finding.in_source import Survey, survey_source
from engine.run.finding.kept import kept_of
from engine.run.finding.proofs import Proofs, TodaysSource
from engine.run.job import source_identity_of
from engine.settings import Settings
from engine.simulator.process import StandInProcess
from engine.sources import FileFingerprint
from engine.state import Run
from tests.run.finding.settings_of import settings_of
from tests.run.nights import Night

CONTENTS: dict[str, FileFingerprint] = {"loans.csv": FileFingerprint(10, "digest")}
ROUTE = {"column": "bucket", "campaigns": {"x": "camp"}}


def run_of(settings: Settings, contents: Any) -> Run:
    return Run("run", "sync", "", "", identity=source_identity_of(settings), fingerprint=contents)


@pytest.mark.parametrize(
    ("contents", "route", "is_same"),
    [
        (CONTENTS, ROUTE, True),
        ({"other name": (10, "digest")}, ROUTE, True),
        ({"loans.csv": (10, "another")}, ROUTE, False),
        ({"loans.csv": (10, None)}, ROUTE, False),
        (CONTENTS, {"column": "product"}, False),
        (CONTENTS, ROUTE | {"other": "skip"}, False),
        (CONTENTS, {}, False),
    ],
)
def test_a_source_is_that_of_a_run_if_it_is_read_and_routed_so(
    contents: Any, route: dict[str, Any], is_same: bool, tmp_path: Path
) -> None:
    source = {"path": "loans.csv", "id": "id"}
    today = TodaysSource(settings_of(tmp_path, source, route=ROUTE), Survey(contents=CONTENTS))
    assert today.is_that_of(run_of(settings_of(tmp_path, source, route=route), contents)) is is_same


async def test_a_record_was_in_the_chunk_of_its_campaign(tmp_path: Path, server: StandInProcess) -> None:
    path = tmp_path / "loans.csv"
    rows = [f"loan {n},{server.campaign_id if n % 2 else 'nowhere'}\n" for n in range(20)]
    path.write_text("id,bucket\n" + "".join(rows), encoding="utf-8")
    night, source_table = Night(tmp_path, server), {"path": str(path), "id": "id"}
    settings = night.settings_with(source=source_table, route={"column": "bucket"}, upload={"batch_size": 3})
    report = await sync(settings)
    assert report.exit_code == 77, "the API does not know the other one"
    ids = ["loan 9", "loan 8"]
    with kept_of(settings, ids) as kept:
        survey = survey_source(settings, ids, kept.key_of, NoProgress())
        source = TodaysSource(settings, survey)
        found = {}
        for record_id, campaign_id in zip(ids, (server.campaign_id, "nowhere"), strict=True):
            record = survey.met[record_id][campaign_id].record
            assert record is not None
            assert record.position == 4
            sent = Proofs(kept.of(campaign_id), source).sent(record_id, record)
            found[record_id] = [(each.run_id, each.chunk, each.chunk_records, each.outcome) for each in sent]
    assert found == {"loan 9": [(report.run_id, 1, 3, "updated")], "loan 8": []}
