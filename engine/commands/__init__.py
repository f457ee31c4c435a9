"""What a person types: one file or package a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.cli import main
else:
    __getattr__ = lazy_face(__name__)
