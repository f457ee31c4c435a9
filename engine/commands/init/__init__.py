"""`init SOURCE`: a look at a real source, and a commented configuration for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.init.command import add_arguments, run
else:
    __getattr__ = lazy_face(__name__)
