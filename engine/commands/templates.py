"""Texts from templates (`templates/` of a package), for the commands that write units and configurations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates_of(package: str | None, *escapes: Callable[..., str], **constants: object) -> Environment:
    """Return the templates of a package, in which a misspelt name is an error.

    They escape what they are given with `escapes`, by the functions' names, because each format reads text its own way.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: only who writes such a text waits for it

    environment = Environment(
        loader=PackageLoader(package or ""),
        autoescape=False,  # noqa: S701 - none of them is HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {escape.__name__: escape for escape in escapes}
    environment.globals |= constants
    return environment


def toml_text(value: object) -> str:
    """Return a value as a string of TOML, whose escapes are those of JSON."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
