"""What the type of a key says of its value: whether that is of the type at all, and within which bounds.

Nothing is converted that TOML tells apart: `"5"` is no number, and `true` is not 1. No message holds a value: it could
be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from engine.settings.values import Threshold

Read = Callable[[Any], Any]
"""From what was given to the typed value. Raises ValueError with what is wrong."""

Found = list[tuple[tuple[str, ...], str]]
"""Mistakes: where each is, as the keys that lead to it, and what is wrong."""

IN_QUOTES = " in quotes"
"""How texts are written in the file."""

ALWAYS = "always checked"
"""Marks a key whose checks are made where it is not given, too: whether it must be, depends on other keys."""

SECRET = "secret"  # noqa: S105 - a mark
"""Marks a key whose value may hold a secret, and is not shown."""


class Mistakes(ValueError):
    """What is wrong in a list or a table, at several places perhaps."""

    def __init__(self, found: Found) -> None:
        super().__init__(f"{len(found)} mistakes")
        self.found = found


class MistakeAt(ValueError):
    """A mistake that two keys make together, of which another one than that being read is to blame."""

    def __init__(self, where: tuple[str, ...], what: str) -> None:
        super().__init__(what)
        self.where = where


@contextmanager
def collect(mistakes: Found, *where: str) -> Iterator[None]:
    """Keep what is found wrong with something that is at `where`, and go on."""
    try:
        yield
    except Mistakes as error:
        mistakes += [((*where, *inside), what) for inside, what in error.found]
    except MistakeAt as error:
        mistakes.append((error.where, str(error)))
    except ValueError as error:
        mistakes.append((where, str(error)))


class Bounds(NamedTuple):
    """Between what a number must be."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    is_finite: bool = False

    def __call__(self, value: Any) -> Any:
        """Return the number. Raises ValueError if it is out of bounds."""
        if self.is_finite and not isfinite(value):
            raise ValueError("must be a finite number")
        if self.above is not None and not value > self.above:
            raise ValueError(f"must be above {self.above:.12g}")
        if self.at_least is not None and not value >= self.at_least:
            raise ValueError(f"must be at least {self.at_least:.12g}")
        if self.at_most is not None and not value <= self.at_most:
            raise ValueError(f"must be at most {self.at_most:.12g}")
        return value


class Kind(NamedTuple):
    """What a key's declaration says."""

    read: Read
    has_default: bool
    default: Any
    may_be_none: bool
    is_always_checked: bool
    is_secret: bool
    is_numeric: bool
    holds_many: bool

    @classmethod
    def of(cls, annotation: Any, *default: Any) -> Kind:
        """Return what an annotation says, and the default, if there is one."""
        marks, leaves = _marks(annotation), list(_leaves(annotation))
        return cls(
            read=_reader(annotation),
            has_default=bool(default),
            default=default[0] if default else None,
            may_be_none=NoneType in leaves,
            is_always_checked=ALWAYS in marks,
            is_secret=SECRET in marks,
            is_numeric=all(leaf in (int, float, NoneType) for leaf in leaves),
            holds_many=any(get_origin(leaf) in (tuple, dict) for leaf in leaves),
        )


def expected(what: str, value: Any) -> str:
    """Return that a value should be something else: `what`, and what it is instead."""
    return f"{what}, not {_name_of_type(value)}"


def _marks(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the types that a value may have; those of lists and tables are not looked into."""
    if get_origin(annotation) is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _leaves(each)
    else:
        yield annotation


def _reader(annotation: Any) -> Read:
    """Return what checks a value of the annotated type; None, if that is among them, is not its business."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _with_steps(_reader(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return _any_of([each for each in arguments if each is not NoneType])
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _each(_reader(arguments[0]))
    if origin is dict:
        return _table_of(_reader(arguments[0]), _reader(arguments[1]))
    return _OF_TYPE.get(annotation) or annotation.read


def _with_steps(read: Read, steps: Iterable[Any]) -> Read:
    """Put functions before what checks the type, and bounds behind it."""
    functions = [step for step in steps if callable(step)]
    before = [step for step in functions if not isinstance(step, Bounds)]
    behind = [step for step in functions if isinstance(step, Bounds)]

    def read_in_steps(value: Any) -> Any:
        for step in (*before, read, *behind):
            value = step(value)
        return value

    return read_in_steps


def _any_of(kinds: list[Any]) -> Read:
    if len(kinds) == 1:
        return _reader(kinds[0])
    of_tables = [_reader(each) for each in kinds if _is_table(each)]
    others = [each for each in kinds if not _is_table(each)]
    if of_tables:
        read_other = _any_of(others)
        return lambda value: of_tables[0](value) if isinstance(value, dict) else read_other(value)
    types = tuple(others)

    def read_any(value: Any) -> Any:
        if not isinstance(value, types):
            raise ValueError(expected("has the wrong type", value))
        return value

    return read_any


def _is_table(annotation: Any) -> bool:
    return any(get_origin(leaf) is dict for leaf in _leaves(annotation))


def _one_of(words: tuple[str, ...]) -> Read:
    *quoted, last = (f'"{word}"' for word in words)
    told = f"must be one of {', '.join(quoted)} or {last}" if quoted else f"must be {last}"

    def read_word(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ValueError(told)
        return value

    return read_word


def _each(read: Read) -> Read:
    def read_each(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, (list, tuple)):
            raise ValueError(expected("must be text or a list of texts", values))
        mistakes: Found = []
        found: list[Any] = []
        for number, value in enumerate(values):
            with collect(mistakes, str(number)):
                found.append(read(value))
        if mistakes:
            raise Mistakes(mistakes)
        return tuple(found)

    return read_each


def _table_of(read_name: Read, read: Read) -> Read:
    def read_table(given: Any) -> dict[Any, Any]:
        if not isinstance(given, Mapping):
            raise ValueError(expected("must be a table", given))
        mistakes: Found = []
        table: dict[Any, Any] = {}
        for name, value in given.items():
            try:
                name = read_name(name)
            except ValueError as error:
                mistakes.append(((), f"has a name that {error}"))
            with collect(mistakes, str(name)):
                table[name] = read(value)
        if mistakes:
            raise Mistakes(mistakes)
        return table

    return read_table


def _exactly(what: str, *types: type, but: tuple[type, ...] = ()) -> Read:
    def read_exactly(value: Any) -> Any:
        if not isinstance(value, types) or isinstance(value, but):
            raise ValueError(expected(what, value))
        return value

    return read_exactly


def _number(value: Any) -> float:
    try:
        return float(_A_NUMBER(value))
    except OverflowError:
        raise ValueError("must be a finite number") from None


def _path(value: Any) -> Path:
    return Path(_A_PATH(value))


_A_NUMBER = _exactly("must be a number", int, float, but=(bool,))
_A_PATH = _exactly(f"must be a path{IN_QUOTES}", str, Path)
_OF_TYPE: dict[Any, Read] = {
    str: _exactly(f"must be text{IN_QUOTES}", str),
    bool: _exactly("must be true or false", bool),
    int: _exactly("must be a whole number", int, but=(bool,)),
    float: _number,
    Path: _path,
    time: _exactly("must be a time of day", time),
    Threshold: _exactly("has the wrong type", Threshold),
}


def _name_of_type(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "a whole number",
        float: "a fraction",
        str: "text",
        list: "a list",
        tuple: "a list",
        NoneType: "None",
    }
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (date, time)):
        return "a date or time"
    return names.get(type(value), "that")
