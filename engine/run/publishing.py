"""Copies of a run's report in a store, for those who cannot see the machine that sends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from engine.outlets import Harmless, get_logger
from engine.report import GONE_FILE, INDEX_HTML, REPORT_HTML, REPORT_JSON
from engine.settings import RunSettings, Settings
from engine.sources import USUAL_ACCESS, StoreAccess, copy_to, scheme_of
from engine.state import REJECTED, REJECTED_CSV, RUNS
from engine.values import EngineError


async def publish(settings: RunSettings, run_dir: Path) -> None:
    """Copy the report, the list of nights and, if it is wanted, the rejects to `state.publish`, laid out as here.

    What fails is one warning: a run has done its work whether or not anybody can read of it there.
    """
    table = settings.state
    if table.publish is None:
        return
    files = files_to_publish(table.dir, run_dir, with_records=table.publish_rejects)
    with Harmless("publishing the report"):
        try:
            await asyncio.to_thread(copy_to, table.publish, files, access_to(table.publish, settings))
        except EngineError as error:
            get_logger().warning("not_published", message=f"the report was not published: {error}")


def files_to_publish(state_dir: Path, run_dir: Path, *, with_records: bool) -> Mapping[str, Path]:
    """Return the files that are there, by their places below the address."""
    names = [REPORT_JSON, REPORT_HTML, *([REJECTED, REJECTED_CSV, GONE_FILE] if with_records else [])]
    places = {f"{RUNS}/{run_dir.name}/{name}": run_dir / name for name in names}
    places[INDEX_HTML] = state_dir / INDEX_HTML
    return {place: path for place, path in places.items() if path.is_file()}


def access_to(address: str, settings: RunSettings) -> StoreAccess:
    """Return how the address is reached: as the source is, if that lies in a store of the same kind."""
    if isinstance(settings, Settings) and scheme_of(address) in map(scheme_of, settings.source.path):
        return settings.source.access()
    return USUAL_ACCESS
