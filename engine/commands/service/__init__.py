"""`service`: a ready unit for a supervisor, one module a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.service.command import add_arguments as add_arguments, run as run
else:
    __getattr__ = lazy_face(__name__, {"command": "add_arguments run"})
