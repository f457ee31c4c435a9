"""From a failed validation to sentences for the person who wrote the file: the key, what is wrong, how to mend it.

No sentence holds a value of the file: it could be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from engine.settings.kinds import IN_QUOTES, Found
from engine.settings.table import MISSING, UNKNOWN
from engine.values import counted

TOKEN_KEYS = {"token", "bearer", "bearer_token", "api_key", "apikey", "secret", "password", "access_token"}
"""Keys under `[api]` by which people try to write down the token itself."""

TABLES_OF_NAMES = (
    *(f"source.{key}" for key in ("rename", "types", "columns", "constants", "where")),
    "route.campaigns",
)
"""Keys that hold tables whose own keys are names of columns or fields."""

COLUMN = "source.columns.NAME"
"""How the table of one column is called among the tables that are known."""

HINTS = {
    "api.campaign_id": f"put the id of the campaign here,{IN_QUOTES}",
    "source.path": "name the file, the files or the pattern to read",
}
"""What to write for the keys that have no default."""


def report(origin: str, mistakes: Sequence[str]) -> str:
    """Return one message that lists all mistakes found in `origin`."""
    count = counted(len(mistakes), "mistake")
    return "\n".join([f"{origin} has {count}; nothing was read or sent", *(f"  - {mistake}" for mistake in mistakes)])


def sentences_of(mistakes: Found, known: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> list[str]:
    """Return one sentence for each mistake.

    Args:
        mistakes: where each is, and what is wrong.
        known: the keys of each table.
        labels: {dotted key: what to call it instead, since it was not taken from the file}.
    """
    sentences: list[str] = []
    tables = list(known)
    for where, what in sorted(mistakes, key=lambda mistake: _position(mistake[0][0], tables)):
        key = _dotted(where)
        sentence = f"{labels.get(key, key)}: {_what(what, key, known)}"
        if key in labels:  # what is no line of the file is not written as one
            sentence = sentence.replace(IN_QUOTES, "")
        if sentence not in sentences:
            sentences.append(sentence)
    return sentences


def _position(table: str, tables: Sequence[str]) -> int:
    return tables.index(table) if table in tables else len(tables)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean …?" for the candidate most like `name`, or nothing."""
    matches = get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def _dotted(where: Sequence[str]) -> str:
    """Return the key as it is written in the file; a place in a list is no part of it."""
    key = ".".join(where[:2])
    return ".".join([key, *where[2:4]]) if key in TABLES_OF_NAMES else key


def _what(what: str, key: str, known: Mapping[str, Sequence[str]]) -> str:
    if what == UNKNOWN:
        return _unknown_key(key, known)
    if what == MISSING:
        return f"missing; {HINTS.get(key, 'it has no default')}"
    return what


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
