"""From a failed validation to sentences for the person who wrote the file: the key, what is wrong, how to mend it.

No sentence holds a value of the file: it could be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from engine.values import counted

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

TOKEN_KEYS = {"token", "bearer", "bearer_token", "api_key", "apikey", "secret", "password", "access_token"}
"""Keys under `[api]` by which people try to write down the token itself."""

BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}
"""How pydantic names a broken bound: the key of its context, and the word for it."""

CONTRADICTION = "contradiction"
"""The kind of a mistake that two tables make together; its context names the key to blame."""

TABLES_OF_NAMES = (
    *(f"source.{key}" for key in ("rename", "types", "columns", "constants", "where")),
    "route.campaigns",
)
"""Keys that hold tables whose own keys are names of columns or fields."""

COLUMN = "source.columns.NAME"
"""How the table of one column is called among the tables that are known."""

IN_QUOTES = " in quotes"
"""How texts are written in the file."""

HINTS = {
    "api.campaign_id": f"put the id of the campaign here,{IN_QUOTES}",
    "source.path": "name the file, the files or the pattern to read",
}
"""What to write for the keys that have no default."""


def report(origin: str, mistakes: Sequence[str]) -> str:
    """Return one message that lists all mistakes found in `origin`."""
    count = counted(len(mistakes), "mistake")
    return "\n".join([f"{origin} has {count}; nothing was read or sent", *(f"  - {mistake}" for mistake in mistakes)])


def mistakes_in(error: ValidationError, known: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> list[str]:
    """Return one sentence for each mistake.

    Args:
        error: what pydantic found.
        known: the keys of each table.
        labels: {dotted key: what to call it instead, since it was not taken from the file}.
    """
    sentences: list[str] = []
    tables = list(known)
    for details in sorted(error.errors(include_url=False), key=lambda details: _position(details, tables)):
        key = _dotted(details, known)
        sentence = f"{labels.get(key, key)}: {_what(details, key, known)}"
        if key in labels:  # what is no line of the file is not written as one
            sentence = sentence.replace(IN_QUOTES, "")
        if sentence not in sentences:
            sentences.append(sentence)
    return sentences


def _position(details: ErrorDetails, tables: Sequence[str]) -> int:
    table = str(details["loc"][0])
    return tables.index(table) if table in tables else len(tables)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean …?" for the candidate most like `name`, or nothing."""
    matches = get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def _dotted(details: ErrorDetails, known: Mapping[str, Sequence[str]]) -> str:
    """Return the key as it is written in the file; branches of unions and the like are no part of it."""
    if details["type"] == CONTRADICTION:
        return str(details["ctx"]["key"])
    location = [str(part) for part in details["loc"]]
    key = ".".join(location[:2])
    return ".".join([key, *location[2:4]]) if key in TABLES_OF_NAMES else key


def _what(details: ErrorDetails, key: str, known: Mapping[str, Sequence[str]]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(key, known)
    if kind == "missing":
        return f"missing; {HINTS.get(key, 'it has no default')}"
    if kind == CONTRADICTION:
        return details["msg"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}".replace("'", '"')
    if kind in BOUNDS:
        name, word = BOUNDS[kind]
        return f"must be {word} {context[name]:.12g}"
    if kind == "finite_number":
        return "must be a finite number"
    return f"{_expected(kind)}, not {_name_of_type(details['input'])}"


def _unknown_key(key: str, known: Mapping[str, Sequence[str]]) -> str:
    table, _, name = key.partition(".")
    if key.startswith("source.columns."):
        table, name = COLUMN, key.rpartition(".")[2]
    if not name:
        owners = [other for other, keys in known.items() if table in keys]
        if owners:
            return f"unknown; this key belongs under [{owners[0]}]"
        return "unknown; there is no such table" + nearest(table, known)
    if table == "api" and name.lower() in TOKEN_KEYS:
        return "unknown; the token never stands here: name its variable in api.token_env or its file in api.token_file"
    suggestion = nearest(name, known[table])
    if not suggestion:
        owners = [other for other, keys in known.items() if name in keys]
        suggestion = f"; it belongs under [{owners[0]}]" if owners else f"; [{table}] knows {', '.join(known[table])}"
    return f"unknown{suggestion}"


def _expected(kind: str) -> str:
    wording = {
        "bool_type": "must be true or false",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "string_type": f"must be text{IN_QUOTES}",
        "path_type": f"must be a path{IN_QUOTES}",
        "tuple_type": "must be text or a list of texts",
        "dict_type": "must be a table",
        "model_type": "must be a table",
        "time_type": "must be a time of day",
    }
    return wording.get(kind, "has the wrong type")


def _name_of_type(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "a whole number",
        float: "a fraction",
        str: "text",
        list: "a list",
        tuple: "a list",
        type(None): "None",
    }
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (date, time)):
        return "a date or time"
    return names.get(type(value), "that")
