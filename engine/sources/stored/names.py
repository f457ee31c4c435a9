"""What the path of a file tells before the file is opened: its format, its compression, its keys, whether it counts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import unquote

from engine.sources.formats import FORMAT_OF_SUFFIX, Format
from engine.sources.stored.compression import COMPRESSION_OF_SUFFIX, Compression

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark write into the name of a directory for a null."""


class NamedKind(NamedTuple):
    """What the suffixes of a name stand for; None where they tell nothing."""

    format: Format | None
    compression: Compression | None


def kind_by_name(path: str) -> NamedKind:
    """Return what the name of a file, a directory or a glob of them tells; capitals make no difference."""
    stem, suffix = os.path.splitext(path.lower().rstrip("/"))
    compression = COMPRESSION_OF_SUFFIX.get(suffix)
    return NamedKind(FORMAT_OF_SUFFIX.get(os.path.splitext(stem)[1] if compression else suffix), compression)


def format_by_directories(path: str) -> Format | None:
    """Return what the nearest of the directories in a path tells, as Spark names them (`out.parquet/part-0`)."""
    told = (kind_by_name(name).format for name in reversed(path.split("/")[:-1]))
    return next(filter(None, told), None)


def evident_formats(paths: Iterable[str], given: Format | None) -> set[Format]:
    """Return the formats that are evident before any file is looked at; empty if none is."""
    if given:
        return {given}
    return {format_ for path in paths if (format_ := kind_by_name(path).format)}


def keys_of(path: str) -> dict[str, str | None]:
    """Return what the directories in a path say of all rows of its file, as in `state=KA/day=2026-11-28/part-0.csv`.

    Names and values are percent-decoded, where that gives UTF-8; the name that Hive has for a null is None.
    """
    keys: dict[str, str | None] = {}
    for directory in path.split("/")[:-1]:
        name, equals, value = directory.partition("=")
        if name and equals:
            keys[_decoded(name)] = None if value == HIVE_NULL else _decoded(value)
    return keys


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def is_hidden(name: str) -> bool:
    """Return whether a name begins with `.` or `_`, as what Spark writes beside its parts does, not `_key=value`."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def is_part(path: str, pattern: str) -> bool:
    """Return whether a path that a glob matches counts: what is hidden in it must be named by the glob as hidden."""
    named = [part for part in pattern.split("/") if is_hidden(part)]
    hidden = [part for part in path.split("/") if is_hidden(part)]
    return all(any(part[0] == name[0] and fnmatchcase(part, name) for name in named) for part in hidden)
