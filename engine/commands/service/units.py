"""Writes units from the templates of their kind; each value in them is escaped as its format reads it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from engine.commands.service.facts import PERSON_CODES, RESTART_CODES, Facts
from engine.values import NOT_ACCEPTED

if TYPE_CHECKING:
    from jinja2 import Environment

UNITS = {
    "systemd": (".service", ".timer"),
    "supervisord": (".conf",),
    "kubernetes": (".yaml",),
    "prometheus-alerts": (".yaml",),
}
"""The suffixes of the files of each kind: `systemd.timer.j2` in `templates/` is the template of one."""


def render(kind: str, facts: Facts) -> dict[str, str]:
    """Return the files of a kind of unit: {file name: content}."""
    return {
        f"{facts.name}{suffix}": _environment().get_template(f"{kind}{suffix}.j2").render(facts=facts)
        for suffix in UNITS[kind]
    }


@cache
def _environment() -> Environment:
    """Return the templates, in which a misspelt name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: only who prints units waits for it

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=False,  # noqa: S701 - units are no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    escapes = (shell_words, systemd_word, unexpanded, yaml_text)
    environment.filters |= {"json": json.dumps} | {function.__name__: function for function in escapes}
    environment.globals |= {
        "person_codes": PERSON_CODES,
        "restart_codes": RESTART_CODES,
        "not_accepted": NOT_ACCEPTED,
    }
    return environment


def shell_words(words: Iterable[object]) -> str:
    """Return words as one command of a POSIX shell."""
    return shlex.join(map(str, words))


def unexpanded(value: object) -> str:
    """Return text in which neither systemd nor supervisord expands anything."""
    return str(value).replace("%", "%%")


def systemd_word(value: object) -> str:
    """Return one word of a command or a list, as systemd reads it."""
    text = unexpanded(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(character in text for character in " \t'\"\\;$") else text


def yaml_text(value: object) -> str:
    """Return text that ends neither a quoted YAML text nor a comment, and starts no template of Prometheus."""
    harmless = "".join(character if character.isprintable() else "?" for character in str(value))
    return harmless.replace("\\", "\\\\").replace('"', '\\"').replace("{{", "{ {")
