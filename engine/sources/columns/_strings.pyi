"""What `_strings.c` offers; see there."""

from typing import TypeAlias

import pyarrow as pa

_Column: TypeAlias = tuple[int, pa.Buffer | None, pa.Buffer, pa.Buffer | None]

SOURCE_DIGEST: str

def join_rows(parts: list[bytes | _Column], rows: int, /) -> tuple[bytes, bytes]: ...
def are_plain_numbers(column: _Column, rows: int, whole: bool, /) -> bool: ...
