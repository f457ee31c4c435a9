"""What the name of a file tells before the file is opened: its format, and how it is compressed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from engine.sources.formats import FORMAT_OF_SUFFIX, Format
from engine.sources.stored.compression import COMPRESSION_OF_SUFFIX, Compression


class NamedKind(NamedTuple):
    """What the suffixes of a name stand for; None where they tell nothing."""

    format: Format | None
    compression: Compression | None


def kind_by_name(path: str) -> NamedKind:
    """Return what the name of a file (or a glob of them) tells; capitals make no difference."""
    stem, suffix = os.path.splitext(path.lower())
    compression = COMPRESSION_OF_SUFFIX.get(suffix)
    return NamedKind(FORMAT_OF_SUFFIX.get(os.path.splitext(stem)[1] if compression else suffix), compression)


def evident_formats(paths: Iterable[str], given: Format | None) -> set[Format]:
    """Return the formats that are evident before any file is looked at; empty if none is."""
    if given:
        return {given}
    return {format_ for path in paths if (format_ := kind_by_name(path).format)}
