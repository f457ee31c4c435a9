"""Columns of text that already is what JSON wants: numbers of any length and scale, and whole JSON documents.

Arrow has no type for numbers that each have a scale of their own, as `numeric` of PostgreSQL holds them. Spools keep
such columns as the text that the database wrote, so that no digit is lost or added.
"""

from __future__ import annotations

from typing import Literal, cast

import pyarrow as pa

from engine.sources.columns.column_text import JsonText, any_of, valid_text
from engine.sources.columns.typed_text import typed_json
from engine.sources.shaping.scalars import text_type
from engine.sources.spec import ColumnShape

WrittenKind = Literal["number", "integer", "json"]

_NAME = "bulk-sync.written"


class WrittenJson(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Text that is read like a column of CSV whose type is `kind`; what does not fit it is marked when it is sent."""

    def __init__(self, kind: WrittenKind) -> None:
        self.kind = kind
        super().__init__(pa.string(), _NAME)

    def __arrow_ext_serialize__(self) -> bytes:
        """Return the kind."""
        return self.kind.encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: pa.DataType, serialized: bytes) -> WrittenJson:
        """Return the type."""
        return cls(cast(WrittenKind, serialized.decode()))


pa.register_extension_type(WrittenJson("number"))  # so that Arrow knows columns of it when it reads a file


def whole_only(array: pa.Array) -> pa.Array:
    """Return a column of ids in which numbers must be whole: those of a database that each may have a scale."""
    if not isinstance(array.type, WrittenJson) or array.type.kind != "number":
        return array
    return pa.ExtensionArray.from_storage(WrittenJson("integer"), array.storage)


def written_json(array: pa.Array) -> JsonText:
    """Return the values as JSON text."""
    shape = ColumnShape(type=array.type.kind)
    text = valid_text(array.storage)
    value = typed_json(text.text, shape, text_type(shape))
    complaint = " or ".join(filter(None, (text.complaint, value.complaint)))
    return value._replace(misfits=any_of([text.misfits, value.misfits]), complaint=complaint)
