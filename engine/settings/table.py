"""What every table of the configuration is made of: typed keys that are read in the order in which they stand.

A key is declared as `name: type = default`. Its type says how its value is checked (`kinds.py`), and in `Annotated`
stands what happens before that (functions of `values.py`), and after (`Bounds`). A `check` sees the earlier keys, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, dataclass_transform, get_type_hints

from engine.settings.kinds import Bounds, Found, Kind, Mistakes, collect, expected
from engine.settings.values import Threshold, as_http_url, as_list, as_service_url, as_text, as_threshold

Text = Annotated[str, as_text]
Texts = Annotated[tuple[Text, ...], as_list]
FilePath = Annotated[Path, as_text]
Seconds = Annotated[float, Bounds(above=0, at_most=86_400, is_finite=True)]
SecondsOrNone = Annotated[float, Bounds(at_least=0, at_most=86_400, is_finite=True)]
ServiceUrl = Annotated[str, as_service_url]
HttpUrl = Annotated[str, as_http_url]
Limit = Annotated[Threshold, as_threshold]

EMPTY: dict[Any, Any] = {}
"""The default of keys that hold names and what belongs to them."""

UNKNOWN = "unknown"
"""What is wrong with a key that its table does not have."""

MISSING = "missing"
"""What is wrong with a key that was not given and has no default."""


class Context(NamedTuple):
    """What a check knows beside the value: its key, the good values of the keys before, and the table as given."""

    key: str
    earlier: Mapping[str, Any]
    given: Mapping[str, Any]


class Check(NamedTuple):
    """A check of some keys: it returns the value, perhaps another one, or raises ValueError with what is wrong."""

    function: Callable[[Any, Context], Any]
    keys: tuple[str, ...]
    before: bool


def check(*keys: str, before: bool = False) -> Callable[[Callable[[Any, Context], Any]], Check]:
    """Make a function a check of `keys`: of their typed values, or `before` that, of what was given."""
    return lambda function: Check(function, keys, before)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Table:
    """A table of the file: exact types, no unknown keys, immutable, and no secret in its text.

    Making one with values takes them as they are; `read` checks what was given.
    """

    def __init__(self, **values: Any) -> None:
        """Take typed values; a key that is not among them has its default."""
        kinds = keys_of(type(self))
        if wrong := [key for key in values if key not in kinds]:
            raise TypeError(f"{type(self).__name__} has no key {wrong[0]!r}")
        for key, kind in kinds.items():
            if key not in values and not kind.has_default:
                raise TypeError(f"{type(self).__name__} needs {key!r}")
            self.__dict__[key] = values.get(key, kind.default)

    @classmethod
    def read(cls, given: Any) -> Self:
        """Return the table that `given`, a mapping as TOML has it, stands for.

        Raises:
            Mistakes: naming all of them.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise ValueError(expected("must be a table", given))
        mistakes: Found = []
        earlier: dict[str, Any] = {}
        for key, kind in keys_of(cls).items():
            if key not in given and not kind.has_default:
                mistakes.append(((key,), MISSING))
                continue
            with collect(mistakes, key):
                earlier[key] = cls._read_key(kind, Context(key, earlier, given))
        mistakes += [((str(key),), UNKNOWN) for key in given if key not in keys_of(cls)]
        if mistakes:
            raise Mistakes(mistakes)
        return cls(**earlier)

    @classmethod
    def _read_key(cls, kind: Kind, context: Context) -> Any:
        is_given = context.key in context.given
        if not is_given and not kind.is_always_checked:
            return kind.default
        value = context.given[context.key] if is_given else kind.default
        checks = _checks_of(cls, context.key)
        for each in checks:
            value = each.function(value, context) if each.before else value
        value = None if value is None and kind.may_be_none else kind.read(value)
        for each in checks:
            value = value if each.before else each.function(value, context)
        return value

    def changed(self, **values: Any) -> Self:
        """Return the same table with other values of some keys."""
        return type(self)(**self.__dict__ | values)

    def as_plain(self, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the table as JSON would have it, without some keys."""
        return {key: _plain(value) for key, value in self.__dict__.items() if key not in without}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make another with changed({name}=…)")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, type(self)) else NotImplemented

    def __repr__(self) -> str:
        shown = (f"{key}={self.__dict__[key]!r}" for key, kind in keys_of(type(self)).items() if not kind.is_secret)
        return f"{type(self).__name__}({', '.join(shown)})"


_KINDS: dict[type[Table], dict[str, Kind]] = {}
_CHECKS: dict[type[Table], list[Check]] = {}


def keys_of(table: type[Table]) -> dict[str, Kind]:
    """Return the keys of a table, in the order in which they are read: those of what it is made of first."""
    if table not in _KINDS:
        hints = get_type_hints(table, include_extras=True)
        _KINDS[table] = {
            key: Kind.of(hint, *([getattr(table, key)] if hasattr(table, key) else [])) for key, hint in hints.items()
        }
    return _KINDS[table]


def tables_of(whole: type[Table]) -> dict[str, type[Table]]:
    """Return the tables of what is made of nothing else."""
    return get_type_hints(whole)


def _checks_of(table: type[Table], key: str) -> list[Check]:
    """Return the checks of a key, in the order in which they are written."""
    if table not in _CHECKS:
        written = (each for base in reversed(table.__mro__) for each in vars(base).values())
        _CHECKS[table] = [each for each in written if isinstance(each, Check)]
    return [each for each in _CHECKS[table] if key in each.keys]


def _plain(value: Any) -> Any:
    match value:
        case Table():
            return value.as_plain()
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case tuple():
            return [_plain(each) for each in value]
        case Path():
            return str(value)
        case time():
            return value.isoformat()
        case _:
            return value
