"""Queries that stand in files of their own (`source.query_file`)."""

from __future__ import annotations

from pathlib import Path

from engine.values import ConfigError

QUERY_BYTES_MAX = 1 << 20
"""Longer than any query that a person wrote."""


def read_query(path: Path) -> str:
    """Return the query in a file.

    Raises:
        ConfigError: it cannot be read, is empty, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(QUERY_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"source.query_file: {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) > QUERY_BYTES_MAX:
        raise ConfigError(f"source.query_file: {str(path)!r} is too large to be a query")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"source.query_file: {str(path)!r} is not UTF-8 text") from None
    if not text.strip():
        raise ConfigError(f"source.query_file: {str(path)!r} is empty")
    return text
