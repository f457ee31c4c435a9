"""`demo`: the main job in one command, on a portfolio that is made up, against the stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.demo.command import add_arguments as add_arguments, run as run
else:
    __getattr__ = lazy_face(__name__, {"command": "add_arguments run"})
