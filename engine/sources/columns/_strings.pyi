"""What `_strings.c` offers; see there."""

from typing import TypeAlias

import pyarrow as pa

_Plain: TypeAlias = tuple[int, pa.Buffer | None, pa.Buffer, pa.Buffer | None]
_Column: TypeAlias = _Plain | tuple[int, pa.Buffer | None, pa.Buffer, _Plain, int]

SOURCE_DIGEST: str

def join_rows(parts: list[bytes | _Column], rows: int, /) -> tuple[bytes, bytes]: ...
def number_texts(
    skipped: int, valid: pa.Buffer | None, numbers: pa.Buffer, are_floats: bool, rows: int, /
) -> tuple[bytes, bytes, bytes | None]: ...
def stands_as_it_is(column: _Plain, rows: int, /) -> bool: ...
def may_hold(column: _Column, rows: int, names: list[bytes], /) -> bool: ...
def are_plain_numbers(column: _Column, rows: int, whole: bool, /) -> bool: ...
