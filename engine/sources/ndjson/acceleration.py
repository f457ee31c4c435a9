"""The accelerator: an extension in C that proves lines of NDJSON at once, and tells ids apart by numbers.

Nothing depends on it but speed: what it declines, and everything where it is missing, is read in Python. It is missing
where there was no C compiler at installation, and with an interpreter that has no stable binary interface.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

PURE_VARIABLE = "ENGINE_PURE"
"""The environment variable that, if it is 1, keeps the accelerator from being used."""

SOURCE_DIGEST = "dbc29e30e153b0d5f4ef46948c5eacd5"
"""What the binary must say of its source: it is not used if it was built from another version of it."""


def _load() -> tuple[ModuleType | None, str]:
    """Return the extension, or None and why there is none."""
    if os.environ.get(PURE_VARIABLE) == "1":
        return None, f"{PURE_VARIABLE}=1 is set"
    if sys.implementation.name != "cpython":
        return None, f"{sys.implementation.name} cannot use it"
    try:
        from engine.sources.ndjson import _scan
    except ImportError:
        return None, "it was not built; a C compiler at installation builds it"
    if _scan.SOURCE_DIGEST != SOURCE_DIGEST:
        return None, "it was built from another version; install the engine again"
    return _scan, ""


hash_seed = int.from_bytes(os.urandom(8), "big")
"""What the numbers of ids are made with in this process: nobody can choose ids that have the same."""

accelerator, why_pure = _load()
"""The extension, or None; and if so, why, as a sentence without its end."""
