"""Which columns of a table are sent, under which names and as which types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.sources.spec import ColumnType, SourceSpec
from engine.values import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is sent: its position in the file, its name there, and the field it becomes."""

    index: int
    name: str
    field: str
    type: ColumnType = "string"


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The position of the id, and the columns that become fields, in the order of the file."""

    id_index: int
    id: str
    sent: tuple[Column, ...]
    sends_nulls: bool


def map_columns(names: Sequence[str], spec: SourceSpec, path: str) -> ColumnMapping:
    """Return the mapping of a table with columns `names`.

    Raises:
        ConfigError: the settings and the columns don't fit together; every misfit is named.
    """
    listed = ", ".join(names)
    if spec.id is None:
        raise ConfigError(f"source.id must name the column of {path} that holds the id; its columns are {listed}")
    mistakes = [f"{path} has no column {spec.id!r} (source.id)"] if spec.id not in names else []
    mistakes += [f"the header of {path} has the column {name!r} twice" for name in _repeated(names)]
    for key, wanted in (
        ("fields", spec.fields or ()),
        ("exclude", spec.exclude),
        ("rename", spec.rename),
        ("types", spec.types),
    ):
        mistakes += [f"{path} has no column {name!r} (source.{key})" for name in sorted(wanted) if name not in names]
    sent = [(index, name, spec.field_of(name)) for index, name in enumerate(names)]
    columns = tuple(
        Column(index, name, field, spec.types.get(name, "string")) for index, name, field in sent if field is not None
    )
    mistakes += [
        f"two columns become the field {field!r} (source.rename)" for field in _repeated([c.field for c in columns])
    ]
    if mistakes:
        raise ConfigError(f"{'; '.join(mistakes)}; its columns are {listed}")
    if not columns:
        raise ConfigError(f"source.fields: no column of {path} is left to send")
    return ColumnMapping(names.index(spec.id), spec.id, columns, spec.nulls == "send")


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
