"""The accelerator of the ledger: an extension in C that finds the numbers of most records.

Nothing depends on it but speed: Python finds those of lines that it declines, and of all where it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import load_extension

if TYPE_CHECKING:
    from types import ModuleType

SOURCE_DIGEST = "97cfa7799a1c1f3883142d4dd66f7ac8"
"""What the binary must say of its source."""


def _import_digests() -> ModuleType:
    from engine.ledger import _digests

    return _digests


accelerator, why_pure = load_extension(_import_digests, SOURCE_DIGEST)
"""The extension, or None; and if so, why, as a sentence without its end."""
