"""`service`: a ready unit for a supervisor, from the template of its kind."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.commands.service.command import add_arguments, run
else:
    __getattr__ = lazy_face(__name__)
