"""Lines as programs write them, lines that are nearly so, and mappings for them: the accelerator is tried on these."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from engine.sources.spec import ColumnShape, SourceSpec

KEYS = ("loan_id", "amount", "status", "name", "dpd", "note", "zone")
TEXTS = (
    "",
    "due",
    "N/A",
    "-",
    "null",
    "a\\b",
    'say "x"',
    "tab\t",
    "ü",
    "अदिति",
    "😀",
    "x" * 40,
    "0",
    "1.5",
    "é" * 9,
    "/",
)
NUMBERS = ("0", "-0", "7", "-12", "1.50", "1e5", "1E-7", "-0.0", "12345678901234567890", "1e999", "0.1e+3")
NESTED = (
    "[]",
    "{}",
    "[1, 2]",
    '{"a":{"b":[null]}}',
    "[" * 199 + "]" * 199,
    "[" * 198 + "{}" + "]" * 198,
    '[{"id":"x"}]',
)
WRONG = ("01", "1.", ".5", "+1", "1e", "NaN", "tru", "nulll",
         '"\\x"', '"\\ud800"', '"\\ud83d\\u0041"', '"\\u12"', "'a'", "",
         "[1,]", '{"a" 1}', "[" * 201 + "]" * 201, '"a\x01b"', '"a\x00b"', '"open')  # fmt: skip

SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"nulls": "send"},
    {"fields": ("amount", "status")},
    {"fields": ("loan_id", "amount"), "nulls": "send"},
    {"exclude": frozenset({"zone", "note"}), "rename": {"amount": "due", "status": 'st"a'}},
    {"rename": {"amount": "same", "status": "same"}},
    {"rename": {"amount": "status"}},
    {"constants": {"feed": "nightly", "n": 1}},
    {"constants": {"status": "c"}},
    {"constants": {"feed": "ü"}, "fields": ("zone",), "null_values": ("due",)},
    {"null_values": ("N/A", "-", "0", "ü", 'say "x"')},
    {"null_values": ("due", "", "1.5", "[]"), "nulls": "send"},
    {
        "columns": {
            "amount": ColumnShape(field="due", null_values=("0", "-")),
            "loan_id": ColumnShape(null_values=("L1",)),
        }
    },
    {"columns": {"status": ColumnShape(trim=True), "dpd": ColumnShape(type="integer")}},
    {"columns": {"loan_id": ColumnShape(trim=True)}},
    {"where": {"status": ("due", "a\\b", "ü", "😀")}},
    {"where": {"status": ("due", ""), "dpd": ("0", "7", "1.50")}, "nulls": "send"},
    {"where": {"loan_id": ("L1", "12")}, "constants": {"feed": "x"}},
    {"types": {"amount": "number"}},
)
"""Mappings of flat lines, as `SourceSpec` takes them."""


def spec_of(id_key: str | None, mapping: dict[str, Any]) -> SourceSpec:
    """Return the specification of a source that has lines with their id under this key."""
    return SourceSpec(("f",), id=id_key, **mapping)


def value(rng: Random) -> str:
    """Return a JSON value, which is one nearly always."""
    kind = rng.random()
    if kind < 0.5:
        return json.dumps(rng.choice(TEXTS), ensure_ascii=rng.random() < 0.5)
    if kind < 0.75:
        return rng.choice(NUMBERS)
    if kind < 0.88:
        return rng.choice(("null", "true", "false"))
    if kind < 0.97:
        return rng.choice(NESTED)
    return rng.choice(WRONG)


def id_value(rng: Random) -> str:
    """Return what may stand for an id."""
    if rng.random() < 0.8:
        return json.dumps(rng.choice(("L1", "L2", "12", "a/b", "ü", "L" * 30)), ensure_ascii=rng.random() < 0.5)
    return rng.choice(
        ('""', "12", "0", "-0", "-5", "1.0", "1e2", "null", "true", "[]", r'"a\/b"', '"\\u004c1"', '" L1 "')
    )


def key(rng: Random, name: str) -> str:
    """Return a key, now and then written in another way."""
    return '"\\u006' + name[1:] + '"' if rng.random() < 0.005 else json.dumps(name)


def flat_line(rng: Random) -> bytes:
    """Return an object with an id and some fields in any order."""
    names = rng.sample(KEYS[1:], rng.randint(0, 6))
    names.insert(rng.randint(0, len(names)), KEYS[0])
    if rng.random() < 0.03:
        names.append(rng.choice(KEYS))
    if rng.random() < 0.05:
        names.append(rng.choice(("extra", "ключ", "a b", "")))
    return _object(rng, [(key(rng, name), id_value(rng) if name == KEYS[0] else value(rng)) for name in names])


def canonical_line(rng: Random) -> bytes:
    """Return an object with an id and data."""
    data = _object(rng, [(json.dumps(name), value(rng)) for name in rng.sample(KEYS, rng.randint(0, 5))]).decode()
    members = [('"id"', id_value(rng)), ('"data"', data if rng.random() < 0.95 else value(rng))]
    if rng.random() < 0.05:
        members.append((rng.choice(('"id"', '"data"', '"k"', '"\\u0069d"')), value(rng)))
    if rng.random() < 0.05:
        members.reverse()
    return _object(rng, members)


def _object(rng: Random, members: Sequence[tuple[str, str]]) -> bytes:
    comma, colon = rng.choice(((",", ":"), (",", ":"), (", ", ": "), (" ,\t", " :\r")))
    around = rng.choice(("", "", "", " ", "\t", "\r"))
    return (around + "{" + comma.join(name + colon + text for name, text in members) + "}" + around).encode()


def mutated(rng: Random, text: bytes) -> bytes:
    """Return `text` with some bytes changed, cut out, doubled or put in."""
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 4))):
        at = rng.randint(0, len(text))
        piece = rng.choice(
            (b'"', b"\\", b"{", b"}", b"\n", b",", b":", b" ", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\r")
        )
        text = rng.choice(
            (text[:at] + piece + text[at:], text[:at] + text[at + 1 :], text[:at] + text[max(at - 3, 0) :])
        )
    return text


def lines_of(rng: Random, line: Callable[[Random], bytes]) -> bytes:
    """Return a few lines, joined."""
    parts = [rng.choice((b"", b" ")) if rng.random() < 0.05 else line(rng) for _ in range(rng.randint(1, 6))]
    return mutated(rng, rng.choice((b"\n", b"\n", b"\r\n")).join(parts))
