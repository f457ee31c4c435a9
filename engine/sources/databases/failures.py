"""Why a read of a database ends before its end. What no further attempt mends is an `EngineError` at once."""

from __future__ import annotations

from engine.values import ConfigError, missing_extra


class ReadFailed(Exception):
    """A read is not whole. The text is for users; it holds neither a secret nor record data."""


class Unreachable(ReadFailed):
    """The server cannot be reached, is busy, or the connection was lost: another attempt may do."""


class Ended(ReadFailed):
    """The server has ended the statement, and says why: if it does so twice, it will do so again."""


def missing_driver(extra: str) -> ConfigError:
    """Return what to say where the package is not installed that speaks to a database."""
    return missing_extra("source.database: its driver is not installed", extra)
