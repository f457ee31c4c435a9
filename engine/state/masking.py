"""What the API says of a record, without anything that stands in the record: reports, logs and the reject file get it.

An API may quote what it refuses. Masked are the id and the values of the record, whole or in part, in any case; and
whatever looks like somebody's data though this record does not hold it: text in quotes, addresses, words with digits.
Names of the record's fields stay readable, and so do numbers that tell a status or a limit, and short codes behind a
word that says so ("DNC list 4", "error code E39"): what differs in these is another trouble. What is left is the same
for all records with the same trouble, so reasons group well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from json import JSONDecoder
from typing import Any

from msgspec import Struct

from engine.values import ChunkResult

MASK = "…"

_PIECE = r"[^\s!-/:-@\[-^`{-~“”‘’„«»।₹€£¥…]+"
"""What a word is made of: no white space, no punctuation but `_`. (`\\w` would cut Indian scripts at their vowels.)"""
_PIECES = re.compile(_PIECE)
_WORD = re.compile(rf"{_PIECE}(?:[-./+@]{_PIECE})*")
_QUOTED = re.compile(r"""(?<!\w)(["'`])(.*?)\1(?!\w)|[“„«‘](.*?)[”“»’]""", re.DOTALL)
_MASKS = re.compile(rf"[-+]?{MASK}(?:[^\w{MASK}]{{0,3}}{MASK})+|(?<!\w)[-+]{MASK}")
"""Masks that only punctuation parts, and the sign of a number: they would tell names and amounts from one another."""

_PART_CHARACTERS_MIN = 4
"""A piece of a value is recognised inside of it from this length on; a shorter one only as a word of the value."""
_NUMBER_DIGITS = 4
"""So many digits in the name of a field make it a number of somebody."""
_LIMIT_DIGITS_MAX = 5
_BEFORE_A_LIMIT = re.compile(
    r"\b(?:max(?:imum)?|min(?:imum)?|most|least|than|limit(?: of)?|exceeds?|up to)[\s:=(]{1,2}$", re.IGNORECASE
)
_AFTER_A_LIMIT = re.compile(r" (?:digits?|characters?|chars|letters|items|bytes|fields)\b", re.IGNORECASE)
_BEFORE_A_LIMIT_CHARACTERS = 12
_BEFORE_A_STATUS = "HTTP "

_BEFORE_A_CODE = re.compile(
    r"(?:(?<![^\W_])|(?-i:(?<=[a-z])(?=[A-Z])))(code|error|err|errno|list|dnc|dnd|ndnc|ncpr|reason|rule|status|type|category|class|group|level|policy|check"
    r"|constraint)(?: (?:no\.?|number|nr\.?|id|code))?[\s:=#(\[\"'`]{1,4}$",
    re.IGNORECASE,
)
"""What stands before the code of a trouble, and which word says that it is one."""
_BEFORE_A_CODE_CHARACTERS = 30
_CODE = re.compile(r"[A-Za-z]{0,6}[-_]?\d{1,5}")
_MORE_DIGITS = re.compile(r"[\s,.:/()-]{0,2}\d")
"""Behind what looks like a code: then it is the beginning of a longer number."""

_GRAMMAR = frozenset(
    _PIECES.findall(
        "a an the is are was were be been being has have had do does did can cannot could may must shall should will "
        "would not no nor or and but if of to in on at by for from with without as it its this that than then there"
    )
)
"""Words that say nothing about a person, though many a value has some of them."""

_decoder = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Reads whatever a source lets through: numbers of any size stay the text they are."""


def without_record_data(result: ChunkResult) -> ChunkResult:
    """Return the same result with every reason masked."""
    if not result.failures:
        return result
    lines, ids = result.chunk.lines.split(b"\n"), frozenset(result.chunk.ids)
    failures = [replace(each, reason=masked(each.reason, lines[each.index], ids)) for each in result.failures]
    return replace(result, failures=failures)


def masked(reason: str, line: bytes, ids: Collection[str] = ()) -> str:
    """Return the API's `reason` for the record in the canonical `line`; `ids` are those of the records beside it."""
    record = _Contents.of(_decoder.decode(line.decode()))
    reason = record.without_whole_values(reason)
    reason = _QUOTED.sub(record.without_quoted, reason)

    def replaced(found: re.Match[str]) -> str:
        word = found[0]
        if word in ids or "@" in word:
            return MASK
        pieces = _PIECES.findall(word)
        if any(_has_digit(piece) and piece.casefold() not in record.names for piece in pieces):
            return word if record.tells_a_limit(found) or record.tells_a_code(found) else MASK
        at_start = found.start() == 0
        return _PIECES.sub(lambda piece: MASK if record.holds(piece[0], at_start=at_start) else piece[0], word)

    return _MASKS.sub(MASK, _WORD.sub(replaced, reason))


class _Contents(Struct, frozen=True):
    """What stands in a record, all of it folded: its values, one below the other as `text`, and the words in them."""

    values: Collection[str]
    text: str
    words: Collection[str]
    names: Collection[str]
    """The names of its fields, and the words in them."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> _Contents:
        data, record_id = record["data"], record["id"].casefold()
        text = "\n".join(_texts(data)).casefold()
        values = set(text.split("\n"))
        words = set(_PIECES.findall(text.replace("_", " ")))
        if not _has_digit(record_id):  # else its words are rather those of all ids: `loan_17`
            words.update(_PIECES.findall(record_id.replace("_", " ")))
        return cls(values | {record_id}, text, words, _names(tuple(data)))

    def without_whole_values(self, reason: str) -> str:
        """Mask the values, wherever they stand; a short one would tear words, and is masked as one of them."""
        folded = reason.casefold()
        if len(folded) != len(reason):
            reason = folded  # rarely so: then places in one are not those in the other
        found = [value for value in self.values if len(value) >= _PART_CHARACTERS_MIN and value in folded]
        for value in sorted(found, key=len, reverse=True):
            if value in self.names:
                continue
            while (at := folded.find(value)) >= 0:
                end = at + len(value)
                folded, reason = (text[:at] + MASK + text[end:] for text in (folded, reason))
        return reason

    def without_quoted(self, found: re.Match[str]) -> str:
        """Return a text in quotes masked, unless it is the name of a field, or a code."""
        quoted = found[2] if found[1] else found[3]
        is_told = not quoted or quoted.casefold() in self.names
        return found[0] if is_told or self._is_code(quoted, found) else found[0].replace(quoted, MASK)

    def holds(self, word: str, *, at_start: bool) -> bool:
        """Whether `word` is of a value, or a part of one."""
        if word in _GRAMMAR or (at_start and word.lower() in _GRAMMAR):
            return False
        folded = word.casefold()
        return folded not in self.names and any(map(self._holds_part, folded.split("_")))

    def _holds_part(self, folded: str) -> bool:
        if folded in self.names:
            return False
        return folded in self.words or (len(folded) >= _PART_CHARACTERS_MIN and folded in self.text)

    def tells_a_limit(self, found: re.Match[str]) -> bool:
        """Whether a number is a status, or a code or a limit ("at most 10 digits") and no value of the record."""
        number, text = found[0], found.string
        if not number.isdecimal() or len(number) > _LIMIT_DIGITS_MAX:
            return False
        before = text[max(0, found.start() - _BEFORE_A_LIMIT_CHARACTERS) : found.start()]
        if before.endswith(_BEFORE_A_STATUS):
            return True
        is_all = len(number) == len(text)  # the API tells a code and nothing else
        limits = _BEFORE_A_LIMIT.search(before) or _AFTER_A_LIMIT.match(text, found.end())
        return bool(is_all or limits) and number not in self.values

    def tells_a_code(self, found: re.Match[str]) -> bool:
        """Whether a word with digits is the code of a trouble: short, behind a word that says so, and nobody's data."""
        return self._is_code(found[0], found)

    def _is_code(self, word: str, found: re.Match[str]) -> bool:
        """Whether `word`, which `found` is or has in quotes, is the code of a trouble."""
        text, folded = found.string, word.casefold()
        label = _BEFORE_A_CODE.search(text[max(0, found.start() - _BEFORE_A_CODE_CHARACTERS) : found.start()])
        if label is None or not _CODE.fullmatch(word) or _MORE_DIGITS.match(text, found.end()):
            return False
        is_number_of_no_field = word.isdecimal() and label[1].casefold() not in self.names
        return is_number_of_no_field or not (folded in self.values or folded in self.words)


@lru_cache(maxsize=64)
def _names(fields: tuple[str, ...]) -> frozenset[str]:
    """Return the names of fields and the words in them, folded; most records of a source have the same.

    A file without a header has data for names: what looks like a number or an address is none.
    """
    folded = [name.casefold() for name in fields if "@" not in name and sum(map(str.isdigit, name)) < _NUMBER_DIGITS]
    return frozenset(folded) | {word for name in folded for word in name.replace("_", " ").split()}


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _texts(value: Any) -> list[str]:
    """Return all values of a JSON document as the texts under which they might be quoted."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    texts = [each.strip() for each in below if isinstance(each, str)]
    for each in below:
        if isinstance(each, dict | list):
            texts += _texts(each)
    return texts
