"""`demo`: the main job in one command, on a portfolio that is made up, against the stand-in."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.demo.command import add_arguments, run
else:
    __getattr__ = lazy_face(__name__)
