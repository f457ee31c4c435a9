"""When an extension in C is used, and why not: the same rule for all of them.

Nothing depends on extensions but speed: Python says the same. They are missing where there was no C compiler at
installation, and with an interpreter that has no stable binary interface.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

PURE_VARIABLE = "ENGINE_PURE"
"""The environment variable that, if it is 1, keeps extensions from being used."""


def load_extension(import_it: Callable[[], ModuleType], digest: str) -> tuple[ModuleType | None, str]:
    """Return an extension that was built from a source of this digest, or None and why there is none.

    The reason is a sentence without its end.
    """
    if os.environ.get(PURE_VARIABLE) == "1":
        return None, f"{PURE_VARIABLE}=1 is set"
    if sys.implementation.name != "cpython":
        return None, f"{sys.implementation.name} cannot use it"
    try:
        found = import_it()
    except ImportError:
        return None, "it was not built; a C compiler at installation builds it"
    if digest != found.SOURCE_DIGEST:
        return None, "it was built from another version; install the engine again"
    return found, ""
