"""The steps from the text of a value to its JSON, in their order: trim, strip, null words, map, type, default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from engine.sources.shaping.scalars import TextType, json_string, text_type
from engine.sources.shaping.stripping import stripper
from engine.sources.spec import ColumnShape, Scalar, SourceSpec

_decode_string = msgspec.json.Decoder(str).decode


class Misfit(Exception):
    """A value does not fit; `str()` says why, to go behind the name of its column."""


class Shaper:
    """What the values of one column become. `columns/shaped.py` takes the same steps for whole columns.

    Args:
        shape: What the configuration says of the column.
        null_values: Words that mean null in every column.
        is_text: Whether the format has nothing but text. Then an empty cell is a null before any step is taken.
    """

    def __init__(self, shape: ColumnShape, null_values: Iterable[str], *, is_text: bool) -> None:
        self.trim = shape.trim
        self.strip = shape.strip
        self.stripped = stripper(shape)
        """Strips numbers with care, where `strip` has what may be a part of them; else None."""
        self.type: TextType | None = text_type(shape) if is_text or shape.type else None
        """How text is read; None means that a value keeps the type it has."""
        self.shape = shape
        self.null_words = frozenset((*null_values, *shape.null_values))
        self.words = {text: value for text, value in shape.map.items() if isinstance(value, str)}
        """Texts that stand for other texts, which still have to fit the type."""
        self.literals = {text: json.dumps(value) for text, value in shape.map.items() if not isinstance(value, str)}
        """Texts that stand for values which are not text, as JSON."""
        self.default = None if shape.default is None else json_of(shape.default)
        if shape.trim or shape.strip or (not is_text and shape.type not in (None, "string")):
            self.null_words |= {""}

    @property
    def changes_nothing(self) -> bool:
        """Whether every value keeps its type and its text."""
        return self.only_null_words and not self.null_words

    @property
    def only_null_words(self) -> bool:
        """Whether every value keeps its type and its text, unless that is one of the words that mean null."""
        return not any((self.trim, self.strip, self.type, self.words, self.literals, self.default))

    def text_to_json(self, text: str) -> str | None:
        """Return the JSON of a text, None if it is a null.

        Raises:
            Misfit: it does not fit the type.
        """
        return self._shaped(self._trimmed(text), None)

    def json_to_json(self, raw: bytes) -> bytes | None:
        """Return what becomes of a value that is JSON already, None if it is a null; its bytes are kept if they can be.

        Raises:
            Misfit: it does not fit the type.
        """
        if raw == b"null":
            found = self.default
        elif raw.startswith(b'"'):
            text = _decode_string(raw)
            trimmed = self._trimmed(text)
            found = self._shaped(trimmed, raw.decode() if trimmed == text else None)
        else:
            found = self._shaped(raw.decode(), raw.decode())
        return None if found is None else found.encode()

    def _trimmed(self, text: str) -> str:
        text = text.strip() if self.trim else text
        if self.stripped is not None:
            return self.stripped(text)
        return text.strip(self.strip) if self.strip else text

    def _shaped(self, text: str, as_it_is: str | None) -> str | None:
        """Take the steps behind trimming. `as_it_is` is the JSON of a value that keeps its type, None for a string."""
        if text in self.null_words:
            return self.default
        if text in self.literals:
            return self.literals[text]
        if text in self.words:
            text, as_it_is = self.words[text], None
        if self.type is None:
            return json_string(text) if as_it_is is None else as_it_is
        found = self.type.read(text)
        if found is None:
            raise Misfit(self.type.complaint)
        return self.default if found == "null" else found


def shaper_of(spec: SourceSpec, column: str, *, is_text: bool) -> Shaper:
    """Return what becomes of a column."""
    return Shaper(spec.shape_of(column), spec.null_values, is_text=is_text)


def json_of(value: Scalar) -> str:
    """Return a value of the configuration as JSON."""
    return json.dumps(value, ensure_ascii=False)


def constant_members(constants: Mapping[str, Scalar]) -> str:
    """Return the fields that every record gets as members of a JSON object, or nothing."""
    return ",".join(f"{json_of(field)}:{json_of(value)}" for field, value in constants.items())
