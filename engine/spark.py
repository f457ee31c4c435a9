"""The data source `bulk_sync` for Spark: a DataFrame is brought to the API as one run.

    spark.dataSource.register(engine.spark.BulkSync)
    loans.write.format("bulk_sync").options(campaign_id="…", id="loan_id", state_dir="…").mode("append").save()

Spark's tasks read and encode their partitions, and keep them in the state directory, which must be shared; then its
driver sends them. `docs/clusters.md` says why, how, and when not to use it. Needs the extra `spark`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.run import Gathering, Part, begin_gathering
from engine.settings import from_options
from engine.values import ConfigError, missing_extra

try:
    from pyspark import TaskContext
    from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
    from pyspark.sql.pandas.types import to_arrow_schema
except ImportError:
    raise missing_extra("engine.spark needs PySpark 4, which is not installed", "spark") from None

ORIGIN = "the write to bulk_sync"


class BulkSync(DataSource):
    """The data source: its options are the arguments of `engine.push`, with `token_env` or `token_file`."""

    @classmethod
    def name(cls) -> str:
        """Return what `format` calls it."""
        return "bulk_sync"

    def writer(self, schema: Any, overwrite: bool) -> DataSourceArrowWriter:
        """Check the options and the columns, before any task begins; on the driver.

        Raises:
            ConfigError: there are mistakes in them, or no token, or a sync waits to be continued.
            EngineError: the state directory cannot be used.
        """
        if overwrite:
            raise ConfigError('records are updated, never replaced as a whole: write with mode("append")')
        arguments = from_options({name: str(value) for name, value in self.options.items()})
        return BulkSyncWriter(begin_gathering(arguments, origin=ORIGIN, schema=to_arrow_schema(schema)))


class BulkSyncWriter(DataSourceArrowWriter):
    """A write under way; Spark takes copies of it to the tasks, and back to the driver's end of the job."""

    def __init__(self, job: Gathering) -> None:
        self._job = job

    def write(self, iterator: Iterator[Any]) -> KeptPart:
        """Keep a partition; in a task. Attempts at one partition, also at once, are kept apart: Spark commits one."""
        context = TaskContext.get()
        return KeptPart(self._job.keep(iterator, context.partitionId() if context is not None else 0))

    def commit(self, messages: list[Any]) -> None:
        """Send what the committed attempts have kept; on the driver.

        Raises:
            EngineError: not every record was tried to the end.
        """
        self._job.send([message.part for message in messages])  # each task has one, or this is an abort

    def abort(self, messages: list[Any]) -> None:
        """Write the report of a write of which a task failed for good: nothing was sent. On the driver."""
        self._job.give_up([message and message.part for message in messages])


@dataclass
class KeptPart(WriterCommitMessage):
    """What an attempt at a partition has kept."""

    part: Part
