"""The configuration: tables of typed values, and every mistake in them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.settings.loading import from_tables as from_tables, load as load, run_settings_from as run_settings_from
    from engine.settings.tables import NotifyTable as NotifyTable, RunSettings as RunSettings, Settings as Settings
    from engine.settings.values import as_deadline as as_deadline
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "loading": "from_tables load run_settings_from",
            "tables": "NotifyTable RunSettings Settings",
            "values": "as_deadline",
        },
    )
