"""A sink for Ray Data: a dataset is brought to the API as one run.

    loans.write_datasink(engine.ray.BulkSyncSink(campaign_id="…", id="loan_id", state_dir="…"))

Ray's tasks read and encode their blocks, and keep them in the state directory, which must be shared; then the driver
sends them. `docs/clusters.md` says why, how, and when not to use it. Needs the extra `ray`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.report import Report
from engine.run import Part, begin_gathering
from engine.values import missing_extra

try:
    from ray.data import Datasink
    from ray.data.block import BlockAccessor
except ImportError:
    raise missing_extra("engine.ray needs Ray Data, which is not installed", "ray") from None


class BulkSyncSink(Datasink):
    """A sink for one write. Its arguments are those of `engine.push`, with `token_env` or `token_file`.

    Raises:
        ConfigError: there are mistakes in them, or no token, or a sync waits to be continued.
        EngineError: the state directory cannot be used.
    """

    def __init__(self, **arguments: Any) -> None:
        self._job = begin_gathering(arguments, origin="the call of BulkSyncSink")
        self.report: Report | None = None
        """The report of the run, once it has ended."""

    def get_name(self) -> str:
        """Return what Ray calls the sink."""
        return "bulk_sync"

    def write(self, blocks: Iterable[Any], ctx: Any) -> Part:
        """Keep some blocks; in a task. Attempts at one task are kept apart: Ray returns one."""
        return self._job.keep((BlockAccessor.for_block(block).to_arrow() for block in blocks), ctx.task_idx)

    def on_write_complete(self, write_result: Any) -> None:
        """Send what the tasks have kept; on the driver.

        Raises:
            EngineError: not every record was tried to the end.
        """
        self.report = self._job.send(write_result.write_returns)

    def on_write_failed(self, error: Exception) -> None:
        """Write the report of a write of which a task failed for good: nothing was sent. On the driver."""
        self._job.give_up([], type(error).__name__)
