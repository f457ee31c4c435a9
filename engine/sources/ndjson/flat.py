"""Flat NDJSON lines: one key holds the id, the others are fields, mapped as the configuration says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from engine.sources.json_text import DEPTH_MAX, nests_deeper
from engine.sources.ndjson.exact_lines import (
    Invalid,
    decode_object,
    decode_string,
    kind_of,
    object_of,
    readable_id,
    refuse_repeated_keys,
)
from engine.sources.ndjson.utf8 import is_utf8
from engine.sources.shaping.scalars import json_string
from engine.sources.shaping.shaper import Misfit, Shaper, constant_members, shaper_of
from engine.sources.spec import SourceSpec
from engine.sources.stored.line_slices import count_byte

_SHAPES_MAX = 1_000
"""How many sets of keys are remembered."""

_NULL = Raw(b"null")
_integer = re.compile(rb"-?[0-9]+")
_decode_strings = msgspec.json.Decoder(list[str]).decode
_encode_lines = msgspec.json.Encoder().encode_lines


class FlatLines:
    """Reads lines of which `spec.id` names the key of the id, by the mapping of `spec`.

    Args:
        spec: What is to be sent.
        keys: Keys that every line has besides, unless it has one of that name, and their texts.
        seen: Gets the keys of all lines that are read.
    """

    def __init__(self, spec: SourceSpec, keys: Mapping[str, str | None], seen: set[str]) -> None:
        self._spec = spec
        self._id_key = spec.id or ""
        self._omit_nulls = spec.nulls == "omit"
        self._where = [(name, frozenset(texts)) for name, texts in spec.where.items()]
        self.added = {name: _NULL if text is None else Raw(json_string(text).encode()) for name, text in keys.items()}
        """The values that every line has besides, by their keys."""
        self.last_keys: Iterable[str] = ()
        """The keys of the line that was read last, if it was an object."""
        self._seen = seen
        self._shapers: dict[str, Shaper] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._takes_whole_slices = not (spec.columns or spec.rename or spec.null_values or self._where or self.added)

    def read_line(self, line: bytes) -> tuple[str, bytes] | None:
        """Return the id and the canonical line of a record, None if its values do not meet `where`.

        Values keep the bytes they were written in, unless their shape says otherwise.

        Raises:
            Invalid: the line is no such record.
        """
        self.last_keys = ()
        values = object_of(line)
        refuse_repeated_keys(line, values)
        self.last_keys = values
        if self.added:
            values = {**self.added, **values}
        self._seen.update(values)
        if not all(text_of_value(values.get(name)) in texts for name, texts in self._where):
            return None
        text_id, raw_id = _id_of(self._shaped_id(values.get(self._id_key)))
        values = self._shaped(values, text_id)
        if self._omit_nulls and _NULL in values.values():
            values = {key: value for key, value in values.items() if value != _NULL}
        shape = self._shape_of(tuple(values))
        if shape.conflict:
            raise Invalid("two values would be sent as the same field; see source.rename and source.constants")
        if not shape.sent_keys and not self._spec.constants:
            raise Invalid("data has no fields", text_id, b"{}")
        return text_id, shape.template % (raw_id, *[values[key] for key in shape.sent_keys])

    def id_of(self, line: bytes) -> str | None:
        """Return the id of a line, whatever else there is in it; None if it can't be read."""
        try:
            values = object_of(line)
            refuse_repeated_keys(line, values)
            return _id_of(self._shaped_id({**self.added, **values}.get(self._id_key)))[0]
        except Invalid:
            return readable_id(line, self._id_key) if self.id_shaper.changes_nothing else None

    def _shaped(self, values: dict[str, Raw], text_id: str) -> dict[str, Raw]:
        """Return the values of the fields in their shapes; those that are not sent stay as they are."""
        changed: dict[str, Raw] = {}
        for key, value in values.items():
            shaper = self.shaper_of(key)
            if shaper.changes_nothing or self._spec.field_of(key) is None:
                continue
            try:
                found = shaper.json_to_json(bytes(value))
            except Misfit as misfit:
                raise Invalid(f"key {key!r} {misfit}", text_id, self._shown(values)) from None
            changed[key] = _NULL if found is None else Raw(found)
        return {**values, **changed} if changed else values

    def added_members(self) -> list[tuple[str, bytes]]:
        """Return the fields that every record gets of the values beside its line, and each as a member of its data.

        Raises:
            Invalid: one of the values does not fit its type.
        """
        members = []
        for key, value in self._shaped(self.added, "").items():
            field = self._spec.field_of(key)
            if field is not None and not (self._omit_nulls and value == _NULL):
                members.append((field, b"%b:%b" % (msgspec.json.encode(field), value)))
        return members

    def _shown(self, values: dict[str, Raw]) -> bytes:
        """Return the data of a record that does not fit, each value as it was written."""
        sent = {field: value for key, value in values.items() if (field := self._spec.field_of(key)) is not None}
        return msgspec.json.encode(sent)

    def _shaped_id(self, value: Raw | None) -> Raw | None:
        """Return the id after the steps that ids can take: all but type and default."""
        shaper = self.id_shaper
        if value is None or shaper.changes_nothing:
            return value
        found = shaper.json_to_json(bytes(value))
        return None if found is None else Raw(found)

    @cached_property
    def id_shaper(self) -> Shaper:
        """What becomes of an id before it is read."""
        shape = replace(self._spec.shape_of(self._id_key), type=None, default=None)
        return Shaper(shape, self._spec.null_values, is_text=False)

    def shaper_of(self, key: str) -> Shaper:
        """Return what becomes of the values of a key."""
        shaper = self._shapers.get(key)
        if shaper is None:
            if len(self._shapers) >= _SHAPES_MAX:
                self._shapers.clear()
            shaper = self._shapers[key] = shaper_of(self._spec, key, is_text=False)
        return shaper

    def read_lines(self, lines: bytes, count: int) -> tuple[list[str], bytes] | None:
        """Return what `read_line` would return for each of `count` lines, joined, or None if that is not sure.

        That is the fast path for lines that are all compact, have the keys of the first line in their order, the id
        ahead, and no null to omit, if all fields are sent under their own names and in no other shape.
        """
        if not self._takes_whole_slices:
            return None
        first_line, _, _ = lines.partition(b"\n")
        try:
            shape = self._shape_of(tuple(decode_object(first_line)))
            if not shape.data_follows_id or (self._omit_nulls and b":null" in lines) or not is_utf8(lines):
                return None
            records = shape.decode_lines(lines)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        # Encoding them again gives compact lines that have each key once, and one line a record; so does the source if
        # it is the same, unless there are newlines inside values, and then there are more lines than records.
        if len(records) != count or _encode_lines(records) != lines + b"\n":
            return None
        single_lines = lines.split(b"\n")
        brackets_to_spare = count_byte(lines, b"{") + count_byte(lines, b"[") - count
        if brackets_to_spare >= DEPTH_MAX and any(nests_deeper(line, DEPTH_MAX) for line in single_lines):
            return None
        raw_ids = [record.id for record in records]
        ids = _ids_of(raw_ids)
        if ids is None:
            return None
        self._seen.update(shape.keys)
        wrap = b'{"id":%b,"data":{%b' if bytes(raw_ids[0]).startswith(b'"') else b'{"id":"%b","data":{%b'
        wrap += b",%b}}" % self._constants.replace(b"%", b"%%") if self._constants else b"}}"
        rest = shape.id_start + len(",")
        return ids, b"\n".join(
            [wrap % (raw_id, line[rest + len(raw_id) : -1]) for raw_id, line in zip(raw_ids, single_lines, strict=True)]
        )

    @cached_property
    def _constants(self) -> bytes:
        return constant_members(self._spec.constants).encode()

    def _shape_of(self, keys: tuple[str, ...]) -> _Shape:
        shape = self._shapes.get(keys)
        if shape is None:
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[keys] = _shape(keys, self._spec)
        return shape


@dataclass(frozen=True)
class _Shape:
    """What becomes of lines that have certain keys in a certain order.

    `template` makes a record of an id and the values of `sent_keys`, all of them JSON. `conflict` tells that two of
    them would be sent under one name, `data_follows_id` that the id comes first and is followed by nothing but fields
    that are sent just as they are written.
    """

    keys: tuple[str, ...]
    sent_keys: list[str]
    template: bytes
    conflict: bool
    data_follows_id: bool

    @property
    def id_start(self) -> int:
        """Where the id's value starts in a compact line, if it comes first."""
        return len('{"":') + len(self.keys[0].encode())

    @cached_property
    def decode_lines(self) -> Callable[[bytes], list[Any]]:
        """Decodes lines with exactly these keys to objects with an `id`; the values stay the bytes they are."""
        names = ["id", *(f"field_{i}" for i in range(1, len(self.keys)))]
        fields = [(name, Raw, msgspec.field(name=key)) for name, key in zip(names, self.keys, strict=True)]
        line = msgspec.defstruct("FlatLine", fields, gc=False, forbid_unknown_fields=True)
        return msgspec.json.Decoder(line).decode_lines


def _shape(keys: tuple[str, ...], spec: SourceSpec) -> _Shape:
    sent = [(key, field) for key in keys if (field := spec.field_of(key)) is not None]
    fields = [*(field for _, field in sent), *spec.constants]
    members = [msgspec.json.encode(field).replace(b"%", b"%%") + b":%b" for _, field in sent]
    if spec.constants:
        members.append(constant_members(spec.constants).encode().replace(b"%", b"%%"))
    conflict = len(set(fields)) < len(fields)
    no_escapes = all(len(msgspec.json.encode(key)) == len(key.encode()) + len('""') for key in keys)
    fields_follow_id = keys[:1] == (spec.id,) and [(key, key) for key in keys[1:]] == sent
    return _Shape(
        keys=keys,
        sent_keys=[key for key, _ in sent],
        template=b'{"id":%%b,"data":{%b}}' % b",".join(members),
        conflict=conflict,
        data_follows_id=bool(sent) and fields_follow_id and no_escapes and not conflict,
    )


def text_of_value(value: Raw | None) -> str:
    """Return the text form of a value, "" for a null and for nothing."""
    raw = b"null" if value is None else bytes(value)
    if raw.startswith(b'"'):
        return decode_string(raw)
    return "" if raw == b"null" else raw.decode()


def _id_of(value: Raw | None) -> tuple[str, bytes]:
    """Return the id as text and as a JSON string. An integer of any size becomes its decimal text."""
    if value is None:
        raise Invalid("id is missing")
    raw = bytes(value)
    if raw.startswith(b'"'):
        text = decode_string(raw)
        if not text:
            raise Invalid("id is empty")
        return text, raw
    if not _integer.fullmatch(raw):
        raise Invalid(f"id is {kind_of(raw)}, not a string or an integer")
    digits = b"0" if raw == b"-0" else raw
    return digits.decode(), b'"%b"' % digits


def _ids_of(raw_ids: list[Raw]) -> list[str] | None:
    """Return the ids as text if all are strings and none is empty, or if all are digits; None in all other cases."""
    joined = b",".join(raw_ids)
    if joined.replace(b",", b"").isdigit():
        return joined.decode().split(",")
    try:
        ids = _decode_strings(b"[%b]" % joined)
    except msgspec.ValidationError:
        return None
    return ids if all(ids) else None
