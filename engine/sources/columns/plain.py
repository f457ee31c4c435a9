"""Columns of values without the ways in which Arrow may store them: dictionaries, runs, views, named extensions."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.column_text import join
from engine.sources.columns.moments import SplitMoments
from engine.sources.columns.written import WrittenJson

_LISTS = {pa.types.is_list: pa.list_, pa.types.is_large_list: pa.large_list}
"""Lists as views are left alone: to pick rows of these, Arrow need not touch what they hold."""
_KEPT = (SplitMoments, WrittenJson)
"""Extensions of our own: what their values mean, their storage does not tell."""
_UUID_GROUPS = (0, 8, 12, 16, 20, 32)
"""Where the groups of hexadecimal digits of a UUID begin and end."""


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Return the type that `plain` makes of `type_`."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return plain_type(type_.value_type)
    if isinstance(type_, pa.UuidType):
        return pa.string()
    if isinstance(type_, pa.Bool8Type):
        return pa.bool_()
    if isinstance(type_, pa.BaseExtensionType) and not isinstance(type_, _KEPT):
        return plain_type(type_.storage_type)
    return _without_views(type_)


def plain(array: pa.Array) -> pa.Array:
    """Return a column as the values that are meant, each for itself; UUIDs are text, and booleans of 8 bits booleans.

    Only the column itself is made plain, not what its values hold, but for text and bytes as views: Arrow cannot pick
    rows of these at any depth.
    """
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(type_):
        return plain(pc.run_end_decode(array))
    if isinstance(type_, pa.UuidType):
        return _uuids(array.storage)
    if isinstance(type_, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(type_, pa.BaseExtensionType) and not isinstance(type_, _KEPT):
        return plain(array.storage)
    without = _without_views(type_)
    return array if without == type_ else array.cast(without)


def _without_views(type_: pa.DataType) -> pa.DataType:
    """Return `type_` with text and bytes that are not views, also inside lists, objects and maps."""
    if pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_struct(type_):
        return pa.struct([_field_without_views(field) for field in type_])
    if pa.types.is_map(type_):
        key, item = _field_without_views(type_.key_field), _field_without_views(type_.item_field)
        return pa.map_(key, item, type_.keys_sorted)
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(_field_without_views(type_.value_field), type_.list_size)
    for is_it, list_of in _LISTS.items():
        if is_it(type_):
            return list_of(_field_without_views(type_.value_field))
    return type_


def _field_without_views(field: pa.Field) -> pa.Field:
    return field.with_type(_without_views(field.type))


def _uuids(array: pa.FixedSizeBinaryArray) -> pa.StringArray:
    digits = pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    groups = [pc.utf8_slice_codeunits(digits, start, stop) for start, stop in pairwise(_UUID_GROUPS)]
    return join(groups[0], "-", groups[1], "-", groups[2], "-", groups[3], "-", groups[4])


def items_of(array: pa.Array) -> pa.Array:
    """Return what all lists of a column hold, one item behind the other; null lists hold nothing."""
    if not pc.sum(pc.list_value_length(array)).as_py():
        return array.values[:0]  # Arrow cannot flatten these where it has no way to build their type
    return array.flatten()


def as_list(array: pa.MapArray) -> pa.ListArray:
    """Return maps as lists of their entries, which Arrow can do more with."""
    entries = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    lists, validity_and_offsets = pa.list_(entries.type), array.buffers()[:2]
    return pa.Array.from_buffers(lists, len(array), validity_and_offsets, offset=array.offset, children=[entries])
