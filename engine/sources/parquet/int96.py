"""Moments of 96 bits, as Spark, Hive and Impala write them: exact in all years.

Arrow can only read them into 64 bits, where nanoseconds wrap around every 584 years, and larger units drop what is
smaller. So they are read twice: seconds never wrap, and what is left of a second nanoseconds keep even where they do.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.moments import SplitMoments
from engine.sources.columns.plain import as_list

_WRAP_S = 9_223_372_036
"""Nanoseconds wrap around so many seconds before and after 1970."""
_NS_PER_SECOND = pa.scalar(10**9, pa.int64())


def exact_moments(nanoseconds: pa.Array, seconds: pa.Array) -> pa.Array:
    """Return a column that was read both ways, with all its moments as they are.

    It is the column of nanoseconds where these reach; else its moments, at whatever depth, are `SplitMoments`, and its
    lists are plain lists.
    """
    if nanoseconds.type == seconds.type or _all_in_reach(seconds):  # of one type: of other moments
        return nanoseconds
    type_ = nanoseconds.type
    if pa.types.is_timestamp(type_):
        return _split(nanoseconds.cast(pa.int64()), seconds.cast(pa.int64()))
    if pa.types.is_struct(type_):
        children = [exact_moments(*both) for both in zip(_fields(nanoseconds), _fields(seconds), strict=True)]
        names = [field.name for field in type_]
        return pa.StructArray.from_arrays(children, names, mask=nanoseconds.is_null())
    if pa.types.is_map(type_):
        entries = as_list(nanoseconds)
        keys, items = entries.flatten().flatten()
        items = exact_moments(items, as_list(seconds).flatten().field("value"))
        return pa.MapArray.from_arrays(_offsets(entries), keys, items)
    return pa.ListArray.from_arrays(_offsets(nanoseconds), exact_moments(nanoseconds.flatten(), seconds.flatten()))


def _all_in_reach(seconds: pa.Array) -> bool:
    """Return whether no moment of seconds in a column is too far for nanoseconds."""
    type_ = seconds.type
    if pa.types.is_timestamp(type_):
        least, most = pc.min_max(seconds.cast(pa.int64())).as_py().values()
        return least is None or (least >= -_WRAP_S and most < _WRAP_S)
    if pa.types.is_struct(type_):
        return all(_all_in_reach(field) for field in _fields(seconds))
    if pa.types.is_map(type_):
        return _all_in_reach(as_list(seconds))
    return not pa.types.is_nested(type_) or _all_in_reach(seconds.flatten())


def _fields(array: pa.StructArray) -> list[pa.Array]:
    fields: list[pa.Array] = array.flatten()
    return fields


def _split(nanoseconds: pa.Int64Array, seconds: pa.Int64Array) -> pa.Array:
    rest = pc.subtract(nanoseconds, pc.multiply(seconds, _NS_PER_SECOND))  # both wrap, and so agree again
    names = [field.name for field in SplitMoments().storage_type]
    storage = pa.StructArray.from_arrays([seconds, rest], names, mask=seconds.is_null())
    return pa.ExtensionArray.from_storage(SplitMoments(), storage)


def _offsets(array: pa.Array) -> pa.Int32Array:
    """Return where the items of each row begin if those of null rows are left out; null for a null row."""
    lengths = pc.list_value_length(array).cast(pa.int32())
    starts = pc.subtract(pc.cumulative_sum(lengths.fill_null(0)), lengths)
    end = pa.array([pc.sum(lengths, min_count=0).as_py()], pa.int32())
    return pa.concat_arrays([starts, end])
