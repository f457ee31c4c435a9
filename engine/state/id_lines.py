"""The lines of some ids in a file of one JSON object a line, such as a reject file: bytes are scanned, few lines read.

An id stands in such a line as its source wrote it. Where no escape is used, that is its own text in quotes; so a line
that has neither that text nor a backslash is of another id, and most of a file is only passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.state.state_dir import translated

BLOCK_BYTES = 1 << 22
"""So much is looked at together."""

SEARCHED_ONE_BY_ONE_MAX = 16
"""More ids than that are not searched for: each line is read."""

_BACKSLASH = b"\\"


def lines_of_ids(path: Path, ids: Collection[str], length: int | None = None) -> Iterator[tuple[str, int, bytes]]:
    """Yield each line of one of these ids: the id, the byte at which the line begins, and the line.

    Only the first `length` bytes count, by default all. None if the file is gone. A line that is damaged has no id.

    Raises:
        StateFailed: the file can't be read.
    """
    wanted = frozenset(ids)
    texts = [msgspec.json.encode(each) for each in wanted] if len(wanted) <= SEARCHED_ONE_BY_ONE_MAX else None
    for start, block in _blocks(path, length):
        if not _may_hold(block, texts):
            continue
        position = start
        for line in block.split(b"\n"):  # not splitlines: a carriage return is white space to JSON
            if _may_hold(line, texts):
                with suppress(msgspec.MsgspecError):
                    record_id = _decode(line).id
                    if record_id in wanted:
                        yield record_id, position, line
            position += len(line) + 1


def _may_hold(part: bytes, texts: list[bytes] | None) -> bool:
    return texts is None or _BACKSLASH in part or any(text in part for text in texts)


def _blocks(path: Path, length: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, and where they begin."""
    with translated(path):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        position = 0
        with file:
            while block := file.read(BLOCK_BYTES) + file.readline():
                if length is not None:
                    block = block[: length - position]
                yield position, block
                position += len(block)
                if position == length:
                    return


class _WithId(msgspec.Struct):
    id: str = ""


_decode = msgspec.json.Decoder(_WithId).decode
