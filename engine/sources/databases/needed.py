"""What of a result is kept: the columns that are sent, or that decide about rows; of the others, only the names."""

from __future__ import annotations

import pyarrow as pa

from engine.sources.columns.mapping import map_columns
from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import Piece, Session
from engine.sources.spec import SourceSpec


class Needed:
    """The columns of a result that `spec` speaks of; without one, all."""

    def __init__(self, spec: SourceSpec | None) -> None:
        self._spec = spec

    def is_needed(self, name: str) -> bool:
        """Return whether the values of a column are wanted."""
        if self._spec is None:
            return True
        return name == self._spec.id or name in self._spec.where or self._spec.field_of(name) is not None

    def check(self, session: Session, asked: DatabaseQuery) -> None:
        """Hold the mapping against the columns before a row is read.

        Raises:
            ConfigError: it does not fit them.
        """
        if self._spec is None:
            return
        if session.schema is None:
            map_columns(session.names, self._spec, asked.label, is_text=False, keys={})
            return
        from engine.sources.parquet.reader import map_schema

        map_schema(session.schema, self._spec, asked.label)

    def schema(self, schema: pa.Schema | None) -> pa.Schema | None:
        """Return the columns as they are kept; None for lines."""
        if schema is None:
            return None
        return pa.schema([field if self.is_needed(field.name) else pa.field(field.name, pa.null()) for field in schema])

    def of(self, piece: Piece) -> Piece:
        """Return what is kept of some rows; lines were written without the rest."""
        if isinstance(piece, bytes):
            return piece
        columns = [
            column if self.is_needed(name) else pa.nulls(len(piece))
            for name, column in zip(piece.schema.names, piece.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema(piece.schema))
