"""Which columns of a table are sent, under which names and in what shape, and which of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.sources.shaping.shaper import Shaper, constant_members, shaper_of
from engine.sources.spec import SourceSpec
from engine.values import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is sent: its position, its name in the file, the field it becomes, and how."""

    index: int
    name: str
    field: str
    shaper: Shaper


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows are taken only if the column at this position holds one of these texts; "" also means null."""

    index: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What becomes of the columns of a table. Positions count from 0.

    `sent` are the columns that become fields, in their order. `given` are columns that the file itself does not have:
    one value each, the same in all rows, at the positions behind its own. `constants` are members of a JSON object.
    """

    id_index: int
    id: str
    id_shaper: Shaper
    sent: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    given: Mapping[int, str | None]
    constants: str
    tells_filtered: bool = field(default=False, kw_only=True)
    """Whether the ids of rows that do not meet the conditions are wanted, too."""
    sends_nulls: bool
    route_index: int | None = field(default=None, kw_only=True)
    """The position of the column that says which campaign a record is for; None where there is only one."""

    @property
    def read(self) -> list[int]:
        """The positions of the file's own columns that take part, ascending."""
        indices = {self.id_index, *(column.index for column in self.sent), *(each.index for each in self.conditions)}
        indices |= set() if self.route_index is None else {self.route_index}
        return sorted(indices - self.given.keys())


def map_columns(
    names: Sequence[str], spec: SourceSpec, path: str, *, is_text: bool, keys: Mapping[str, str | None]
) -> ColumnMapping:
    """Return the mapping of a table with columns `names`.

    Args:
        names: The columns of the file.
        spec: What is to be sent.
        path: The file, for messages.
        is_text: Whether its format has nothing but text.
        keys: Columns that the names of its directories add, unless the file has one of that name.

    Raises:
        ConfigError: the settings and the columns don't fit together; every misfit is named.
    """
    added = {name: value for name, value in keys.items() if name not in names}
    given = dict(enumerate(added.values(), len(names)))
    names = [*names, *added]
    listed = ", ".join(name.replace("\n", "\\n") for name in names)
    if spec.id is None:
        raise ConfigError(f"source.id must name the column of {path} that holds the id; its columns are {listed}")
    sent = tuple(
        Column(index, name, field, shaper_of(spec, name, is_text=is_text))
        for index, name in enumerate(names)
        if (field := spec.field_of(name)) is not None
    )
    mistakes = _mistakes(names, sent, spec, path)
    if mistakes:
        raise ConfigError(f"{'; '.join(mistakes)}; its columns are {listed}")
    if not sent and not spec.constants:
        raise ConfigError(f"source.fields: no column of {path} is left to send")
    id_shape = replace(spec.shape_of(spec.id), type=None, default=None)
    return ColumnMapping(
        id_index=names.index(spec.id),
        id=spec.id,
        id_shaper=Shaper(id_shape, spec.null_values, is_text=is_text),
        sent=sent,
        conditions=tuple(Condition(names.index(name), texts) for name, texts in spec.where.items()),
        given=given,
        constants=constant_members(spec.constants),
        sends_nulls=spec.nulls == "send",
        tells_filtered=spec.tells_filtered,
        route_index=None if spec.route is None else names.index(spec.route),
    )


def _mistakes(names: Sequence[str], sent: Sequence[Column], spec: SourceSpec, path: str) -> list[str]:
    mistakes = [f"{path} has no column {spec.id!r} (source.id)"] if spec.id not in names else []
    looked_at = {spec.id, spec.route, *spec.where}
    needed = [name for name in names if name in looked_at or spec.field_of(name) is not None]
    mistakes += [f"the header of {path} has the column {name!r} twice" for name in _repeated(needed)]
    for key, wanted in spec.named_columns().items():
        mistakes += [f"{path} has no column {name!r} ({key})" for name in sorted(wanted) if name not in names]
    fields = [column.field for column in sent]
    mistakes += [f"two columns become the field {field!r} (source.rename)" for field in _repeated(fields)]
    mistakes += [
        f"a column becomes the field {field!r}, too (source.constants)" for field in spec.constants if field in fields
    ]
    return mistakes


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
