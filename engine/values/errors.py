"""Why a run stops: one root, a class for each reaction, and the one table that maps them to exit codes.

A record or a chunk that is refused is a *value* (see `records.py`). An exception means that the run must stop,
and its class says what the supervisor should do about it. Messages are for users: one sentence that says what,
where and what to do, never a secret and never record data.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `python -m engine`, as promised in the README."""

    OK = 0
    BUG = 1
    USAGE = 2
    SOME_NOT_ACCEPTED = 3
    SOURCE_UNTRUSTED = 65
    SOURCE_MISSING = 66
    LOCKED = 69
    STATE_FAILED = 74
    INTERRUPTED = 75
    ACCESS_REFUSED = 77


class EngineError(Exception):
    """Something the engine understands and stops for. `str()` is the whole message for the user."""

    exit_code: ExitCode = ExitCode.BUG


class ConfigError(EngineError):
    """The command line or the configuration is wrong; nothing was read or sent."""

    exit_code = ExitCode.USAGE


class SourceUntrusted(EngineError):
    """The source is unreadable or damaged, changed under an interrupted run, or tripped a guard."""

    exit_code = ExitCode.SOURCE_UNTRUSTED


class SourceMissing(EngineError):
    """The source does not exist or holds no record."""

    exit_code = ExitCode.SOURCE_MISSING


class StateLocked(EngineError):
    """Another run holds the lock of this state directory."""

    exit_code = ExitCode.LOCKED


class StateFailed(EngineError):
    """The state directory is full, not writable, damaged or unsafe."""

    exit_code = ExitCode.STATE_FAILED


class Interrupted(EngineError):
    """Not finished, run again to resume: a signal, the deadline, or an outage longer than the retry window."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, message: str, *, silence_s: float | None = None) -> None:
        super().__init__(message)
        self.silence_s = silence_s
        """For how long the server wants no request, in seconds, if that is the reason."""


class AccessRefused(EngineError):
    """The token or the campaign was refused."""

    exit_code = ExitCode.ACCESS_REFUSED


class CampaignMissing(AccessRefused):
    """The API does not know the campaign, or not any more: whatever it held is gone with it."""


class EndpointUntrusted(AccessRefused):
    """The server redirects, or fails TLS: not one more byte of personal data goes there."""


class NotTheApi(AccessRefused):
    """What answers is not the API, or answers in a way that is not documented."""


class AccountsDoNotBalance(EngineError):
    """The engine's own sums are wrong: a bug, and it says so instead of reporting success."""
