"""Settings that are the arguments of a call of the library, and what they are called there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from engine.settings.loading import is_numeric, validate
from engine.settings.mistakes import nearest
from engine.settings.shaping import CANONICAL_LINES, ShapingKeys
from engine.settings.table import keys_of
from engine.settings.tables import GuardTable, RunSettings, UploadTable
from engine.values import ConfigError

REQUIRED = {"url": "api.url", "campaign_id": "api.campaign_id", "state_dir": "state.dir"}
OPTIONAL = {"org_id": "api.org_id"}
TOKEN_ARGUMENTS = {"token_env": "api.token_env", "token_file": "api.token_file"}
TOKEN_NAMES = " or ".join(TOKEN_ARGUMENTS)
"""How messages call the place of the token where a call names it."""
TOKEN_KEYS = "api.token_env or token_file"  # noqa: S105 - two names
"""How messages call the place of the token."""


class GivenSettings(RunSettings):
    """The settings of a run whose records are given: what becomes of their columns, if they have any."""

    source: ShapingKeys


_KEY = re.compile(r"\b(?:api|state|upload|guard|source)\.[a-z_]+\b")


def from_arguments(
    arguments: Mapping[str, object], *, origin: str, mistakes: Sequence[str] = (), with_token_keys: bool = False
) -> GivenSettings:
    """Make the settings of a run whose records are given, from arguments of a call; an optional None is not given.

    They are `REQUIRED`, `OPTIONAL`, the keys of the tables `[upload]` and `[guard]`, and those of `[source]` that say
    what becomes of columns; `with_token_keys`, those of `[api]` that name the place of the token, too. `mistakes` were
    found before.

    Raises:
        ConfigError: naming all mistakes, each with its argument.
    """
    known = _keys_of_arguments() | (TOKEN_ARGUMENTS if with_token_keys else {})
    tables: dict[str, dict[str, object]] = {}
    unknown = [f"{name}: there is no such argument{nearest(name, known)}" for name in arguments if name not in known]
    for name, value in arguments.items():
        if name in known and (value is not None or name in REQUIRED):
            table, _, key = known[name].partition(".")
            tables.setdefault(table, {})[key] = value
    labels = {key: name for name, key in known.items()}
    try:
        return validate(dict(tables), GivenSettings, origin, labels, [*unknown, *mistakes])
    except ConfigError as error:
        error.args = (in_terms_of_a_call(str(error)),)
        raise


def from_options(options: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments that options of text stand for: lists and tables are written in JSON, numbers plainly.

    Raises:
        ConfigError: an option begins like a list or a table, and is none.
    """
    numeric = {name for name, key in _keys_of_arguments().items() if is_numeric(*key.split("."))}
    arguments: dict[str, object] = {}
    for name, text in options.items():
        try:
            is_json = name in numeric or text.lstrip()[:1] in ("[", "{")
            arguments[name] = json.loads(text) if is_json else text
        except ValueError:
            written = "must be a number" if name in numeric else 'is no JSON: write ["a", "b"], or {"a": "b"}'
            raise ConfigError(f"option {name}: {written}") from None
    return arguments


def in_terms_of_a_call(message: str, token: str = "token") -> str:  # noqa: S107  (the name of an argument)
    """Return a message that names settings as the file does, with the names that they have as arguments.

    `token` is how the call names the place of the token.
    """
    names = {key: name for name, key in _keys_of_arguments().items()}
    message = message.replace(TOKEN_KEYS, token).replace(CANONICAL_LINES, "pairs")
    return _KEY.sub(lambda key: names.get(key[0], key[0]), message)


def _keys_of_arguments() -> dict[str, str]:
    tables = {"upload": UploadTable, "guard": GuardTable, "source": ShapingKeys}
    return REQUIRED | OPTIONAL | {key: f"{name}.{key}" for name, table in tables.items() for key in keys_of(table)}
