"""Writes units from the templates of their kind; each value in them is escaped as its format reads it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from engine.commands.service.facts import PERSON_CODES, RESTART_CODES, Facts
from engine.commands.templates import templates_of
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
        f"{facts.name}{suffix}": _templates().get_template(f"{kind}{suffix}.j2").render(facts=facts)
        for suffix in UNITS[kind]
    }


@cache
def _templates() -> Environment:
    return templates_of(
        __package__,
        *(json_text, shell_words, systemd_word, unexpanded, yaml_text),
        person_codes=PERSON_CODES,
        restart_codes=RESTART_CODES,
        not_accepted=NOT_ACCEPTED,
    )


def json_text(value: object) -> str:
    """Return a value as JSON, which YAML reads as well."""
    return json.dumps(value)


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
