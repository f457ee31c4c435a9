"""What sessions share whose driver nothing can interrupt, and whose rows come in columns of Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import StillWanted
from engine.sources.databases.typed_columns import TypedColumn, schema_of_typed
from engine.sources.databases.worker import Worker

T = TypeVar("T")


class Connected:
    """A connection whose calls are made in a worker; what the driver raises becomes what it means.

    Args:
        asked: What is read.
        still_wanted: See `StillWanted`.
        opened: Opens a connection; also another one, to ask whether the server lives.
        failures: What the driver raises.
        translated: Returns what one of these means.
    """

    def __init__(
        self,
        asked: DatabaseQuery,
        still_wanted: StillWanted,
        opened: Callable[[], Any],
        failures: tuple[type[Exception], ...],
        translated: Callable[[Any, DatabaseQuery], Exception],
    ) -> None:
        self._asked, self._opened, self._failures, self._translated = asked, opened, failures, translated
        self._worker = Worker(asked.label, still_wanted)
        try:
            self.connection = self._answer(opened, None)
        except BaseException:
            self._worker.end(lambda: None)
            raise

    def call(self, work: Callable[[], T]) -> T:
        """Return what a call returns.

        Raises:
            ReadFailed, EngineError: what the driver's error means; as `Worker.call`.
        """
        return self._answer(work, lambda: self._opened().close())

    def end(self) -> None:
        """Close the connection, without waiting for it."""
        self._worker.end(self.connection.close)

    def _answer(self, work: Callable[[], T], lives: Callable[[], object] | None) -> T:
        try:
            return self._worker.call(work, lives)
        except self._failures as error:
            raise self._translated(error, self._asked) from None


class TypedSession:
    """The part of a `Session` that is the same everywhere."""

    _columns: Sequence[TypedColumn]

    def __init__(self, driver: Connected) -> None:
        self._driver = driver

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.end()

    @property
    def schema(self) -> pa.Schema:
        """The columns; see `Session`."""
        return schema_of_typed(self._columns)
