"""What SQL Server and its driver complain of → what the engine does about it. The driver tells words, not numbers."""

from __future__ import annotations

import re

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable
from engine.values import AccessRefused, ConfigError, SourceUntrusted

_REFUSED = re.compile(
    "Login failed|permission was denied|not able to access the database|Cannot open (database|server)|is not "
    "allowed to access|The login is from an untrusted domain|Cannot generate SSPI context|password of the account|"
    "certificate verify failed|certificate chain|SSL Provider"
)
_REFUSED_NUMBERS = {229, 230, 262, 297, 300, 916, 4060, 18456}
_NOBODY_ANSWERS = {
    *("Client unable to establish connection", "Communication link failure", "Connection failure during transaction"),
    *("Connection not open", "Server rejected the connection", "Disconnect error", "Connection timeout expired"),
    *("Timeout expired", "Connection operation failed"),
}
_IS_BUSY = re.compile(
    "SHUTDOWN is in progress|is being recovered|in the middle of a restore|is in transition|currently unavailable|"
    "not currently available|too busy|TCP Provider|forcibly closed|Named Pipes Provider"
)
_IS_WRONG = {
    *("Syntax error or access violation", "Base table or view not found", "Column not found", "Invalid catalog name"),
    *("Invalid schema name", "Prepared statement not a cursor-specification", "Index not found"),
}
_ON_A_VALUE = re.compile(
    "Conversion failed|Error converting|overflow|Divide by zero|Division by zero|out-of-range|"
    "Invalid length parameter|would be truncated|Invalid character value|Invalid datetime format"
)
_NOT_LOADED = "Failed to load the driver"
_NO_SNAPSHOT = re.compile("snapshot isolation is not allowed|not allow(ed)? snapshot", re.IGNORECASE)
_VALUES = re.compile(r"'[^']*'")
_MAKERS = re.compile(r"^(\[[^\]]*\])+\s*")


def translated(error: Exception, asked: DatabaseQuery) -> Exception:
    """Return what an error means: an `EngineError`, or a `ReadFailed`. Values that its text quotes are left out."""
    words = str(getattr(error, "driver_error", ""))
    said = _MAKERS.sub("", str(getattr(error, "ddbc_error", "")).strip()).partition("\n")[0]
    if not words:  # what the driver says of a connection string may hold a part of it
        return ConfigError(f"{asked.label}: the driver does not take this url; nothing was sent")
    if _NOT_LOADED in said:
        return ConfigError(
            "source.database: the driver of SQL Server misses libraries of the system: apt-get install libltdl7 "
            "libkrb5-3 libgssapi-krb5-2"
        )
    if words == "Invalid authorization specification" or _REFUSED.search(said):
        return _refused(said, asked)
    if _NO_SNAPSHOT.search(said):
        return ConfigError(f"{asked.label}: {said}; nothing was sent")
    if _ON_A_VALUE.search(said) or _ON_A_VALUE.search(words):
        return SourceUntrusted(f"{asked.label}: the query fails on a value ({words})")
    if words in _NOBODY_ANSWERS or _IS_BUSY.search(said):
        return Unreachable(f"{asked.label} cannot be reached, or was lost: {words}: {said}")
    if words in _IS_WRONG:
        return ConfigError(f"{asked.label}: {said}; nothing was sent")
    return Ended(f"{asked.label}: the server ended the read: {_VALUES.sub(chr(39) + '…' + chr(39), said) or words}")


def of_number(number: int, message: str, asked: DatabaseQuery) -> Exception:
    """Return what it means that the server cannot describe the columns of the statement."""
    if number in _REFUSED_NUMBERS or _REFUSED.search(message):
        return _refused(message, asked)
    return ConfigError(f"{asked.label}: {message} ({number}); nothing was sent")


def _refused(said: str, asked: DatabaseQuery) -> AccessRefused:
    return AccessRefused(
        f"{asked.label}: the database refuses access: {said}; look at source.database and the password in "
        f"{asked.password_env}"
    )
