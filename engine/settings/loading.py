"""The settings from a TOML file, from variables that override it, or from values."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

from engine.settings.kinds import Kind, Mistakes
from engine.settings.mistakes import COLUMN, nearest, report, sentences_of
from engine.settings.shaping import ColumnTable
from engine.settings.table import keys_of, tables_of
from engine.settings.tables import RoutedSettings, RunSettings, Settings
from engine.values import ConfigError, program

CONFIG_BYTES_MAX = 1_000_000
"""A larger file is certainly not a configuration (a source given by mistake, say)."""

VARIABLE_PREFIX = "ENGINE_"
_NEAR = 0.7
"""How alike the names of two tables must be for one to be taken for the other: 1 is the same."""

FIRST_TABLES = ("api", "source")
"""Mistakes are listed in the order of the file: these tables first."""

TEXTS_TOO = {"source.path", "notify.command"}
"""Keys of lists whose text may begin with a bracket: `[ab]*.csv` is a pattern."""

_LISTS_OR_TABLES = re.compile(r"[\[{]")
_LISTS_AT_ALL_EVENTS = re.compile(r"\[\s*[\"']")

Model = TypeVar("Model", bound=RunSettings)


def load(
    path: Path, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Mapping[str, object]] | None = None
) -> Settings:
    """Read the settings from the TOML file at `path`; variables go before the file, `overrides` before both.

    Relative paths in the file are relative to the working directory, as if they were typed in a shell there.

    Args:
        path: the TOML file.
        environ: variables to look at; default: those of the process.
        overrides: {table: {key: value}}, for options of the command line.

    Raises:
        ConfigError: the file is missing or no TOML, or its settings hold mistakes: all of them are named.
    """
    variables = os.environ if environ is None else environ
    tables = _read(path)
    labels, mistakes = _apply_variables(tables, variables)
    for table, values in (overrides or {}).items():
        _table_of(tables, table).update(values)
    return validate(tables, Settings, str(path), labels, mistakes)


def from_tables(tables: Mapping[str, Mapping[str, object]], *, origin: str = "the settings") -> Settings:
    """Make settings from values, as `load` makes them from a file. `origin` names them in the error.

    Raises:
        ConfigError: naming all mistakes.
    """
    return validate(dict(tables), Settings, origin, {}, [])


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
    except FileNotFoundError:
        advice = f"name another with -c, or write one: {program()} init SOURCE -o config.toml"
        raise ConfigError(f"there is no configuration file at {str(path)!r}; {advice}") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{str(path)!r} is larger than {CONFIG_BYTES_MAX} bytes: that is not a configuration file")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{str(path)!r} is not UTF-8 text (line {line}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None


def _apply_variables(tables: dict[str, Any], variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Write `ENGINE_TABLE__KEY` variables into `tables`; return {dotted key: label} and what was wrong with them."""
    labels: dict[str, str] = {}
    mistakes: list[str] = []
    of_secrets = {_given(tables, "api", "token_env"), _given(tables, "source", "password_env")}
    known = {_variable(table, key): (table, key) for table, kinds in _kinds().items() for key in kinds}
    prefixes = tuple(f"{VARIABLE_PREFIX}{table.upper()}_" for table in tables_of(Settings))
    for name, text in sorted(variables.items()):
        if name in known:
            table, key = known[name]
            label = labels[f"{table}.{key}"] = f"{name} ({table}.{key})"
            if _is_broken(text, table, key):
                mistakes.append(f'{label}: is no TOML; lists are written ["a", "b"], and tables {{ "a" = "b" }}')
                _table_of(tables, table).pop(key, None)
            else:
                _table_of(tables, table)[key] = _from_variable(text, numeric=is_numeric(table, key))
        elif name not in of_secrets and (name.startswith(prefixes) or _seems_meant(name)):
            mistakes.append(f"{name}: there is no such setting{nearest(name, known)}")
    return labels, mistakes


def _seems_meant(name: str) -> bool:
    """Whether a variable names a key of a table that there nearly is; most others are somebody else's."""
    table, _, key = name.removeprefix(VARIABLE_PREFIX).lower().partition("__")
    near = get_close_matches(table, _kinds(), cutoff=_NEAR) if name.startswith(VARIABLE_PREFIX) and key else ()
    return any(key in _kinds()[known] for known in near)


def _is_broken(text: str, table: str, key: str) -> bool:
    """Whether text is meant for a list or a table, and is none: taken as it is, it would be a word or a name."""
    if not _kinds()[table][key].holds_many:
        return False
    begins = _LISTS_AT_ALL_EVENTS if f"{table}.{key}" in TEXTS_TOO else _LISTS_OR_TABLES
    return begins.match(text) is not None and _from_variable(text, numeric=False) == text


def _from_variable(text: str, *, numeric: bool) -> object:
    """Return the value a variable's text stands for: numbers, lists and tables are written as in TOML."""
    if not numeric and text[:1] not in ("[", "{"):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def is_numeric(table: str, key: str) -> bool:
    """Return whether the values of a key are numbers."""
    return _kinds()[table][key].is_numeric


def _variable(table: str, key: str) -> str:
    return f"{VARIABLE_PREFIX}{table}__{key}".upper()


def _kinds() -> dict[str, dict[str, Kind]]:
    """Return the keys of each table."""
    return {name: keys_of(table) for name, table in tables_of(Settings).items()}


def _given(tables: dict[str, Any], table: str, key: str) -> object:
    """Return what the file says of a key; None if that is nothing, or no text."""
    given = tables.get(table, {})
    value = given.get(key) if isinstance(given, dict) else None
    return value if isinstance(value, str) else None


def _table_of(tables: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the table to write into; a scalar in its place is left alone, for validation to complain about."""
    table = tables.setdefault(name, {})
    return table if isinstance(table, dict) else {}


def validate(
    tables: dict[str, Any], model: type[Model], origin: str, labels: Mapping[str, str], mistakes: list[str]
) -> Model:
    """Make settings of tables, whose keys are called by `labels` where they have one; `mistakes` were found before.

    Raises:
        ConfigError: naming all mistakes in what is called `origin`.
    """
    for name in tables_of(model):
        tables.setdefault(name, {})  # so that a missing table is reported as its missing keys
    is_routed = (
        model is Settings and isinstance(tables["route"], dict) and bool({"column", "campaigns"} & set(tables["route"]))
    )
    kind = cast("type[Model]", RoutedSettings) if is_routed else model
    try:
        settings = kind.read(tables)
    except Mistakes as error:
        kinds = _kinds()
        known = {name: list(kinds[name]) for name in sorted(kinds, key=lambda name: name not in FIRST_TABLES)}
        known[COLUMN] = list(keys_of(ColumnTable))
        told = {mistake.partition(":")[0] for mistake in mistakes}  # what is no TOML is not called missing, too
        found = sentences_of(error.found, known, labels)
        mistakes = [mistake for mistake in found if mistake.partition(":")[0] not in told] + mistakes
    if mistakes:
        raise ConfigError(report(origin, mistakes))
    return settings
