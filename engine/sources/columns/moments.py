"""Columns of dates, times and moments → ISO 8601, exact in all years from 0 to 9999, whatever their unit.

Moments are split into whole seconds and what is left of one. Arrow turns only the seconds into text: there every zone
can be applied without leaving 64 bits, which the nanoseconds of some moments do.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.column_text import JsonText, any_of, join, where_not

_DAY_S = 86_400
_FIRST_S, _LAST_S = -62_167_219_200, 253_402_300_799
"""The first second of the year 0 and the last one of the year 9999, from 1970."""
_NO_DATE = "is not a date in the years 0 to 9999"
_NO_TIME = "is not a time of day"

_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DATE_CHARACTERS = len("2026-11-05")
_TIME_CHARACTERS = len("10:00:00")
_ZERO, _ONE = pa.scalar(0, pa.int64()), pa.scalar(1, pa.int64())


class SplitMoments(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Moments without a zone, by the nanosecond, in years that 64 bits of nanoseconds don't reach.

    They are stored as whole seconds from 1970, rounded down, and the nanoseconds behind them.
    """

    def __init__(self) -> None:
        super().__init__(pa.struct([("seconds", pa.int64()), ("nanoseconds", pa.int64())]), "bulk-sync.split-moments")

    def __arrow_ext_serialize__(self) -> bytes:
        """Return nothing: all are of one kind."""
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: pa.DataType, _serialized: bytes) -> SplitMoments:
        """Return the type."""
        return cls()


def date_json(array: pa.Array) -> JsonText:
    """Return days as dates."""
    if pa.types.is_date64(array.type):
        days, misfits = _whole_days(array.cast(pa.int64()))
    else:
        days, misfits = array.cast(pa.int32()), None
    days, others = _within(days, _FIRST_S // _DAY_S, _LAST_S // _DAY_S)
    text = days.cast(pa.int32()).cast(pa.date32()).cast(pa.string())
    return JsonText(text, True, any_of([misfits, others]), _NO_DATE)


def time_json(array: pa.Array) -> JsonText:
    """Return times of a day; no fraction if it is zero."""
    unit = array.type.unit
    count, misfits = _within(_count(array), 0, _DAY_S * _UNITS_PER_SECOND[unit] - 1)
    seconds, rest = _split(count, unit)
    text = seconds.cast(pa.int32()).cast(pa.time32("s")).cast(pa.string())
    return JsonText(join(text, _fraction(rest, unit)), True, misfits, _NO_TIME)


def moment_json(array: pa.Array) -> JsonText:
    """Return local times with the offset of their zone, or without one if they have none; no fraction if it is zero."""
    if isinstance(array.type, SplitMoments):
        seconds, rest = array.storage.flatten()
        return _moments(seconds, rest, "ns", None)
    seconds, rest = _split(_count(array), array.type.unit)
    return _moments(seconds, rest, array.type.unit, array.type.tz)


def _moments(seconds: pa.Int64Array, rest: pa.Int64Array | None, unit: str, zone: str | None) -> JsonText:
    offset: pa.StringArray | str = ""
    # A day more at both ends is enough for any zone; only local years count.
    margin = _DAY_S if zone else 0
    seconds, misfits = _within(seconds, _FIRST_S - margin, _LAST_S + margin)
    if zone:
        seconds, offset = _local(seconds, zone)
        seconds, others = _within(seconds, _FIRST_S, _LAST_S)
        misfits = any_of([misfits, others])
    text = seconds.cast(pa.timestamp("s")).cast(pa.string())
    text = pc.binary_replace_slice(text, _DATE_CHARACTERS, _DATE_CHARACTERS + 1, "T")
    return JsonText(join(text, _fraction(rest, unit), offset), True, misfits, _NO_DATE)


def _local(seconds: pa.Int64Array, zone: str) -> tuple[pa.Int64Array, pa.StringArray]:
    """Return the local times of a zone and their offsets: the same instants in UTC where the zone is not known."""
    try:
        local = pc.local_timestamp(seconds.cast(pa.timestamp("s", zone))).cast(pa.int64())
    except pa.ArrowInvalid:
        local = seconds
    offsets = pc.subtract(local, seconds).dictionary_encode()
    texts = pa.array([_offset(value) for value in offsets.dictionary.to_pylist()], pa.string())
    return local, texts.take(offsets.indices)


def _offset(seconds: int) -> str:
    if not seconds:
        return "Z"
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text  # local mean time, before zones were


def _count(array: pa.Array) -> pa.Int64Array:
    """Return how many of its units each value is."""
    return array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64()).cast(pa.int64())


def _whole_days(milliseconds: pa.Int64Array) -> tuple[pa.Int64Array, pa.BooleanArray | None]:
    """Return days, and where there is more than whole ones."""
    day = pa.scalar(_DAY_S * 1_000, pa.int64())
    days = pc.divide(milliseconds, day)
    return days, where_not(pc.equal(pc.multiply(days, day), milliseconds))


def _split(count: pa.Int64Array, unit: str) -> tuple[pa.Int64Array, pa.Int64Array | None]:
    """Return whole seconds, rounded down, and how many units follow them; None if none do anywhere."""
    per_second = pa.scalar(_UNITS_PER_SECOND[unit], pa.int64())
    if unit == "s":
        return count, None
    seconds = pc.divide(count, per_second)  # rounds towards zero
    rest = pc.subtract(count, pc.multiply(seconds, per_second))
    least, most = pc.min_max(rest).as_py().values()
    if not least and not most:
        return seconds, None
    if least < 0:
        below = pc.less(rest, _ZERO)
        seconds = pc.if_else(below, pc.subtract(seconds, _ONE), seconds)
        rest = pc.if_else(below, pc.add(rest, per_second), rest)
    return seconds, rest


def _within(values: pa.Array, first: int, last: int) -> tuple[pa.Array, pa.BooleanArray | None]:
    """Return values without those that are not between `first` and `last`, and where these are."""
    least, most = pc.min_max(values).as_py().values()
    if least is None or (least >= first and most <= last):
        return values, None
    from_first = pc.greater_equal(values, pa.scalar(first, values.type))
    to_last = pc.less_equal(values, pa.scalar(last, values.type))
    others = where_not(pc.and_(from_first, to_last))
    return pc.if_else(others, pa.scalar(None, values.type), values), others


def _fraction(rest: pa.Int64Array | None, unit: str) -> pa.StringArray | str:
    """Return what stands behind the whole seconds: all digits of the unit, nothing if they are zero."""
    if rest is None:
        return ""
    type_ = pa.time32("ms") if unit == "ms" else pa.time64(unit)
    text = rest.cast(pa.int32() if unit == "ms" else pa.int64()).cast(type_).cast(pa.string())
    digits = pc.utf8_slice_codeunits(text, _TIME_CHARACTERS)
    return pc.if_else(pc.equal(rest, _ZERO), pa.scalar("", pa.string()), digits)


def duration_json(array: pa.Array) -> JsonText:
    """Return durations in seconds, such as `PT90.5S`."""
    digits = len(str(_UNITS_PER_SECOND[array.type.unit])) - 1
    texts = [_iso_duration(count, digits) for count in array.cast(pa.int64()).to_pylist()]
    return JsonText(pa.array(texts, pa.string()), quoted=True)


def _iso_duration(count: int | None, digits: int) -> str | None:
    if count is None:
        return None
    seconds, fraction = divmod(abs(count), 10**digits)
    decimals = f".{fraction:0{digits}}".rstrip("0") if fraction else ""
    return f"{'-' if count < 0 else ''}PT{seconds}{decimals}S"
