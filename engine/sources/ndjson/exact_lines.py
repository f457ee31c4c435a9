"""One line of NDJSON → one record, or the reason why it is none. Exact and not hurried.

This is the meaning of NDJSON sources; the fast path in `fast_lines.py` only proves that it would say the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Never

import msgspec
from msgspec import Raw

from engine.sources.json_text import DEPTH_MAX, nests_deeper, text_of
from engine.values import Place, Refusal

WHITESPACE = b" \t\r"
"""What JSON calls whitespace, but for the newline."""

LineReader = Callable[[bytes], tuple[str, bytes] | None]
"""Takes a line without whitespace around it; returns the record's id and its canonical line, or None if the record is
left out on purpose. Raises `Invalid`."""

decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
decode_string = msgspec.json.Decoder(str).decode


class Invalid(Exception):
    """A line is no valid record. `reason` holds no record data; `id` and `data` are what could be read of it."""

    def __init__(self, reason: str, id_: str | None = None, data: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.id = id_
        self.data = data

    def refusal(self, line: bytes, place: Place) -> Refusal:
        """Return the value that goes into the accounts."""
        readable = self.id is not None and self.data is not None
        return Refusal(self.reason, place, self.id, self.data, None if readable else text_of(line))


def readable_id(line: bytes, key: str = "id") -> str | None:
    """Return the id in a line that is no record, if it can be read without a doubt: a text that is there once."""
    try:
        pairs = json.loads(line.decode(), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    values = [value for name, value in pairs if name == key] if line.startswith(b"{") else []
    return values[0] if len(values) == 1 and isinstance(values[0], str) and values[0] else None


def read_canonical(line: bytes) -> tuple[str, bytes]:
    """Read a line `{"id": "…", "data": {…}}`. It is kept as it is, but for other keys, which are left out.

    Raises:
        Invalid: it is no such line.
    """
    values = object_of(line)
    refuse_repeated_keys(line, values)
    id_, data = values.get("id"), values.get("data")
    if id_ is None or data is None:
        raise Invalid("id is missing" if id_ is None else "data is missing")
    raw_id, raw_data = bytes(id_), bytes(data)
    if raw_id[0] != ord('"'):
        raise Invalid(f"id is {kind_of(raw_id)}, not a string")
    if raw_data[0] != ord("{"):
        raise Invalid(f"data is {kind_of(raw_data)}, not an object")
    text_id = decode_string(raw_id)
    if not text_id:
        raise Invalid("id is empty", text_id, raw_data)
    if is_empty(raw_data):
        raise Invalid("data has no fields", text_id, raw_data)
    return text_id, line if len(values) == 2 else b'{"id":%b,"data":%b}' % (raw_id, raw_data)


def object_of(line: bytes) -> dict[str, Raw]:
    """Return the values of a line that is a JSON object, by key, each as the bytes it was written in.

    Raises:
        Invalid: it is no object, or no valid text, or nested too deeply.
    """
    try:
        if not line.isascii():
            line.decode()  # msgspec looks at the text of keys, but not of values that it leaves raw
        values = decode_object(line)
    except msgspec.ValidationError:
        raise Invalid(f"the line is {kind_of(line)}, not an object") from None
    except msgspec.DecodeError:
        _explain(line)
    except UnicodeDecodeError:
        raise Invalid("not valid UTF-8") from None
    except RecursionError:
        raise Invalid(f"nested more than {DEPTH_MAX} levels deep") from None
    if nests_deeper(line, DEPTH_MAX):
        raise Invalid(f"nested more than {DEPTH_MAX} levels deep")
    return values


def refuse_repeated_keys(line: bytes, values: dict[str, Raw]) -> None:
    """Make sure that a line, an object with these values, has no key twice.

    Raises:
        Invalid: it has.
    """
    # Each key that is written has two quotes at least, so that the sum leaves no room for one that is written twice.
    if line.count(b'"') - b"".join(values.values()).count(b'"') != 2 * len(values) and _repeats_a_key(line):
        raise Invalid("a key is written twice")


def _explain(line: bytes) -> Never:
    """Raise the reason why a line is not JSON, as far as a second reader can tell."""

    def refuse_constant(_: str) -> Never:
        raise Invalid("NaN and Infinity are not JSON")

    try:
        json.loads(line.decode(), parse_constant=refuse_constant, parse_int=str)
    except UnicodeDecodeError:
        raise Invalid("not valid UTF-8") from None
    except RecursionError:
        raise Invalid(f"nested more than {DEPTH_MAX} levels deep") from None
    except ValueError:
        raise Invalid("not valid JSON") from None
    raise Invalid("a \\u escape is half of a surrogate pair")  # the only thing that Python reads and msgspec does not


def _repeats_a_key(line: bytes) -> bool:
    """Return whether a valid JSON object has the same key twice, by a reader that shows all of them."""
    # Each object becomes the list of its keys and values; the outermost one is what is left in the end.
    pairs = json.loads(line, object_pairs_hook=list, parse_int=str, parse_float=str)
    return len({key for key, _ in pairs}) < len(pairs)


def is_empty(data: bytes | Raw) -> bool:
    """Return whether a JSON object has no keys."""
    return not bytes(data).strip(b"{}" + WHITESPACE)


def kind_of(raw: bytes) -> str:
    """Name the kind of a JSON value by its first byte."""
    return {
        ord('"'): "a string",
        ord("{"): "an object",
        ord("["): "a list",
        ord("n"): "null",
        ord("t"): "a boolean",
        ord("f"): "a boolean",
    }.get(raw[0], "a number")
