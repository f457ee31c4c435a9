"""What Oracle and its driver complain of → what the engine does about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable
from engine.values import AccessRefused, ConfigError, SourceUntrusted

if TYPE_CHECKING:
    import oracledb

_REFUSED = {
    *("ORA-01005", "ORA-01017", "ORA-01031", "ORA-01045", "ORA-01918", "ORA-28000", "ORA-28001", "ORA-28002"),
    *("ORA-28003", "ORA-28009", "ORA-28040", "ORA-28759", "ORA-29024", "ORA-41900", "DPY-4001", "DPY-6010"),
}
_NOBODY_ANSWERS = {
    *("ORA-00018", "ORA-00020", "ORA-00028", "ORA-01012", "ORA-01033", "ORA-01034", "ORA-01089", "ORA-01090"),
    *("ORA-01092", "ORA-02391", "ORA-02396", "ORA-02399", "ORA-03113", "ORA-03114", "ORA-03135", "ORA-12514"),
    *("ORA-12516", "ORA-12518", "ORA-12519", "ORA-12520", "ORA-12528", "ORA-12537", "ORA-12541", "ORA-12547"),
    *("DPY-1001", "DPY-4011", "DPY-4024"),
}
_OF_CONNECTIONS = "DPY-6"
_IS_WRONG = re.compile(r"ORA-009\d\d|ORA-01(702|747|788|789|790)|ORA-0404[34]|ORA-02(000|289)|DPY-[234]\d{3}")
_ON_A_VALUE = re.compile(
    r"ORA-01(40[6-9]|426|438|476|722|8[2-9]\d)|ORA-06502|ORA-06512|ORA-22835|ORA-40\d{3}|ORA-6\d{4}|ORA-31011"
)
_SNAPSHOT_TOO_OLD = "ORA-01555"
_VALUES = re.compile(r"'[^']*'")
_HELP = re.compile(r"\s*(Help:|https?://|\(CONNECTION_ID=).*")


def translated(error: oracledb.Error, asked: DatabaseQuery) -> Exception:
    """Return what an error means: an `EngineError`, or a `ReadFailed`. Values that its text quotes are left out."""
    about = error.args[0] if error.args else None
    code = getattr(about, "full_code", None) or ""
    said = _HELP.sub("", str(error).strip().partition("\n")[0])
    if code in _REFUSED:
        return AccessRefused(
            f"{asked.label}: the database refuses access: {said}; look at source.database and the password in "
            f"{asked.password_env}"
        )
    if code in _NOBODY_ANSWERS or code.startswith(_OF_CONNECTIONS) or not code:
        return Unreachable(f"{asked.label} cannot be reached, or was lost: {said}")
    if code == _SNAPSHOT_TOO_OLD:
        return Ended(
            f"{asked.label}: the database did not keep the snapshot until all was read ({code}, snapshot too old): "
            "UNDO_RETENTION is too short for this read"
        )
    if _ON_A_VALUE.match(code):
        return SourceUntrusted(f"{asked.label}: the query fails on a value ({code})")
    if _IS_WRONG.match(code):
        return ConfigError(f"{asked.label}: {said}; nothing was sent")
    return Ended(f"{asked.label}: the server ended the read: {_VALUES.sub(chr(39) + '…' + chr(39), said)}")
