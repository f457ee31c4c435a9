"""A configuration, and what units need to know of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.commands.service.command import facts_of
from engine.commands.service.units import Facts
from engine.settings.loading import from_tables

CONFIG = '[api]\ncampaign_id = "c"\n[source]\npath = "exports/*.csv"\nid = "loan_id"\n'


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    settings = from_tables(
        {"api": {"campaign_id": "c"}, "source": {"path": "/data/a b.csv", "id": "i"}, "upload": {"drain_timeout_s": 45}}
    )
    config = tmp_path / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return replace(
        facts_of(settings, config=config, name="bulk-sync", start_at="02:00"),
        state_dir=tmp_path / "engine-state",
        working_dir=tmp_path,
    )
