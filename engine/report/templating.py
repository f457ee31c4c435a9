"""The templates of pages: a misspelt name in one is an error, and every value is escaped."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.report.formatting import counted, example_ids, moment_text, seconds_text, share_text, shown

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment, Template


def template(name: str) -> Template:
    """Return the template of this name in `templates/`."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: it is slow to import, and a run ends once

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        bytecode_cache=_bytecode_cache(),
    )
    environment.filters |= {"shown": lambda text, width_max=300: shown(text, width_max), "thousands": "{:,}".format}
    words = (counted, example_ids, moment_text, seconds_text, share_text)
    environment.globals |= {function.__name__: function for function in words}
    return environment


def _bytecode_cache() -> BytecodeCache | None:
    """Return where compiled templates are kept: beside Python's own byte code, or nowhere if nothing may be there."""
    from jinja2 import FileSystemBytecodeCache

    directory = Path(__file__).parent / "__pycache__"
    usable = not sys.dont_write_bytecode and os.access(directory, os.W_OK)
    return FileSystemBytecodeCache(str(directory)) if usable else None
