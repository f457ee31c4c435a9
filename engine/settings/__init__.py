"""The configuration: tables of typed values, and every mistake in them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.settings.addresses import variables_of
    from engine.settings.arguments import TOKEN_NAMES, GivenSettings, from_arguments, from_options, in_terms_of_a_call
    from engine.settings.credentials import why_no_token
    from engine.settings.loading import VARIABLE_PREFIX, from_tables, load
    from engine.settings.route import OPEN_CHUNKS_MAX
    from engine.settings.source import SourceTable
    from engine.settings.tables import DeltaTable, GuardTable, NotifyTable, RunSettings, Settings
    from engine.settings.values import Threshold, as_deadline, as_duration
else:
    __getattr__ = lazy_face(__name__)
