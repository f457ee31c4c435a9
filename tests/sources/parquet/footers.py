"""Changes the footers of Parquet files, to make files that no proper writer makes.

A footer is one struct in Thrift's compact protocol. Here a struct is a dict from field numbers to (type, value) as they
stand in the file; the numbers are those of parquet.thrift in the Parquet specification.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

Struct = dict[int, tuple[int, Any]]

NUM_ROWS, SCHEMA, ROW_GROUPS = 3, 2, 4
"""Fields of the file."""
ELEMENT_NAME, ELEMENT_CHILDREN, ELEMENT_CONVERTED, ELEMENT_LOGICAL, ELEMENT_REPETITION = 4, 5, 6, 10, 3
"""Fields of an element of the schema."""
GROUP_COLUMNS, GROUP_ROWS = 1, 3
"""Fields of a row group."""
COLUMN_FACTS, NUM_VALUES, CODEC = 3, 5, 4
"""The field of a column chunk that holds its facts, and fields of those."""

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
_TRUE, _FALSE, _BYTE = 1, 2, 3


def change_footer(path: Path, change: Callable[[Struct], None]) -> None:
    """Let `change` alter the footer of a file in place."""
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = _read_struct(io.BytesIO(content[-8 - length : -8]))
    change(footer)
    out = io.BytesIO()
    _write_struct(out, footer)
    encoded = out.getvalue()
    path.write_bytes(content[: -8 - length] + encoded + len(encoded).to_bytes(4, "little") + b"PAR1")


def schema_of(footer: Struct) -> list[Struct]:
    """Return the elements of the schema; the first is the root."""
    elements: list[Struct] = footer[SCHEMA][1][1]
    return elements


def row_groups_of(footer: Struct) -> list[Struct]:
    groups: list[Struct] = footer[ROW_GROUPS][1][1]
    return groups


def chunk_of(group: Struct, column: int) -> Struct:
    """Return the facts of a column chunk."""
    facts: Struct = group[GROUP_COLUMNS][1][1][column][COLUMN_FACTS][1]
    return facts


def _read_struct(data: BinaryIO) -> Struct:
    found: Struct = {}
    number = 0
    while (head := data.read(1)[0]) != 0:
        step, type_ = divmod(head, 16)
        number = number + step if step else _read_signed(data)
        found[number] = (type_, _read(data, type_))
    return found


def _read(data: BinaryIO, type_: int) -> Any:
    if type_ in (_TRUE, _FALSE):
        return type_ == _TRUE
    if type_ == _BYTE:
        return data.read(1)
    if type_ in (4, I32, I64):
        return _read_signed(data)
    if type_ == BINARY:
        return data.read(_read_unsigned(data))
    if type_ == LIST:
        count, item_type = divmod(data.read(1)[0], 16)
        count = _read_unsigned(data) if count == 15 else count
        if item_type in (_TRUE, _FALSE):
            return item_type, [data.read(1) for _ in range(count)]
        return item_type, [_read(data, item_type) for _ in range(count)]
    if type_ == STRUCT:
        return _read_struct(data)
    return data.read(8)  # a double


def _read_unsigned(data: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = data.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def _read_signed(data: BinaryIO) -> int:
    value = _read_unsigned(data)
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def _write_struct(out: BinaryIO, struct: Struct) -> None:
    last = 0
    for number, (type_, value) in sorted(struct.items()):
        kind = (_TRUE if value else _FALSE) if type_ in (_TRUE, _FALSE) else type_
        if 0 < number - last < 16:
            out.write(bytes([(number - last) << 4 | kind]))
        else:
            out.write(bytes([kind]))
            _write_signed(out, number)
        last = number
        _write(out, type_, value)
    out.write(b"\0")


def _write(out: BinaryIO, type_: int, value: Any) -> None:
    if type_ in (_TRUE, _FALSE):
        return
    if type_ in (4, I32, I64):
        _write_signed(out, value)
    elif type_ == BINARY:
        _write_unsigned(out, len(value))
        out.write(value)
    elif type_ == LIST:
        item_type, items = value
        out.write(bytes([min(len(items), 15) << 4 | item_type]))
        if len(items) >= 15:
            _write_unsigned(out, len(items))
        for item in items:
            out.write(item) if item_type in (_TRUE, _FALSE) else _write(out, item_type, item)
    elif type_ == STRUCT:
        _write_struct(out, value)
    else:  # a byte, a double
        out.write(value)


def _write_unsigned(out: BinaryIO, value: int) -> None:
    while value >= 0x80:
        out.write(bytes([value & 0x7F | 0x80]))
        value >>= 7
    out.write(bytes([value]))


def _write_signed(out: BinaryIO, value: int) -> None:
    _write_unsigned(out, (value << 1) ^ (value >> 63))
