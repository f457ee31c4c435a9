"""The accelerator of the ledger: an extension in C that finds the numbers of most records.

Nothing depends on it but speed: Python finds those of lines that it declines, and of all where it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import load_extension

if TYPE_CHECKING:
    from types import ModuleType

SOURCE_DIGEST = "013157dc96bef8061ee6353277461c3f"
"""What the binary must say of its source."""


def _import_digests() -> ModuleType:
    from engine.ledger import _digests

    return _digests


accelerator, why_pure = load_extension(_import_digests, SOURCE_DIGEST)
"""The extension, or None; and if so, why, as a sentence without its end."""
