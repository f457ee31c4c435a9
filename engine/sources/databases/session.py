"""What is asked of every database: its columns, then all rows of one statement in one snapshot, and that they are all.

Each module of a database has a `connect` that returns a `Session`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias

from engine.sources.databases.address import DatabaseQuery
from engine.values import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

Piece: TypeAlias = "pa.RecordBatch | bytes"
"""Some rows: a batch of typed columns, or flat lines of NDJSON where each value has a type of its own."""

StillWanted: TypeAlias = Callable[[], None]
"""Is called at least every second of a read; raises what the read is to end with."""

SILENCE_S = 60.0
"""After so many seconds without a byte it is asked whether the server lives."""

CONNECT_S = 10
"""So long a connection may take to be made, in seconds."""


IsNeeded: TypeAlias = Callable[[str], bool]
"""Whether the values of a column are wanted; what is in others need not even have a form."""


class Finding(NamedTuple):
    """What `check` says about a database; a warning fails nothing."""

    text: str
    is_warning: bool = False


class Session(Protocol):
    """A connection with the statement prepared. It is used by one thread, and closed at the end of its `with` block."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns, no two of them alike."""

    @property
    def schema(self) -> pa.Schema | None:
        """The columns; None where each value has a type of its own, and pieces are lines."""

    def pieces(self) -> Iterator[Piece]:
        """Yield all rows, some at a time; the end is reached only if it is proven that these are all.

        Raises:
            ReadFailed: the read ended before.
            EngineError: it could only end so.
        """
        ...

    def findings(self) -> Sequence[Finding]:
        """Return what should be known before the night: the plan, the privileges, the time zone.

        Raises:
            ReadFailed: the connection was lost.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


Connect: TypeAlias = Callable[[DatabaseQuery, str | None, StillWanted, IsNeeded], Session]
"""Connects with a password, begins the snapshot and prepares the statement; raises as `pieces` does."""


def refuse_doubles(names: Sequence[str]) -> None:
    """Make sure that no two columns have the same name.

    Raises:
        ConfigError: two have.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"source.query: two columns have the same name, {twice[0]!r}; give one another with AS")
