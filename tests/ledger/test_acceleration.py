"""The accelerator of the ledger says what Python says, or declines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from array import array
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
import xxhash
from hypothesis import given, strategies as st

from engine.ledger import acceleration, keys_and_digests
from engine.ledger.digests import key_and_digest
from engine.values import PURE_VARIABLE
from tests.ledger.lines import an_object, canonical_lines, written

SOURCE = Path(acceleration.__file__).with_name("_digests.c")
KEYS = (0, 1, 0x0123456789ABCDEF, 2**63, 2**64 - 1)
accelerated = pytest.mark.skipif(acceleration.accelerator is None, reason=f"no accelerator: {acceleration.why_pure}")


@pytest.fixture
def extension() -> ModuleType:
    assert acceleration.accelerator
    return acceleration.accelerator


def in_python(lines: list[bytes], key: int) -> tuple[bytes, bytes]:
    numbers = [key_and_digest(line, key) for line in lines]
    return array("Q", [each for each, _ in numbers]).tobytes(), array("Q", [each for _, each in numbers]).tobytes()


def record(id_: str = "L1", *fields: str) -> bytes:
    return f'{{"id":{written(id_)},"data":{an_object(*fields)}}}'.encode()


@accelerated
@given(st.lists(canonical_lines(), max_size=6), st.sampled_from(KEYS))
def test_it_says_what_python_says(lines: list[bytes], key: int) -> None:
    assert keys_and_digests(b"\n".join(lines), len(lines), key) == in_python(lines, key)


def text_of(rng: Random, size: int) -> str:
    """Return text that has this size in UTF-8."""
    some = "".join(rng.choice("abcXYZ019 .-_/é€") for _ in range(size)).encode()
    return some[:size].decode(errors="ignore").encode().ljust(size, b".").decode()


@accelerated
@pytest.mark.parametrize("key", KEYS)
def test_text_of_every_length_is_hashed_as_xxhash_does(extension: ModuleType, key: int) -> None:
    """Ids have a key and, behind 16 bytes, a digest; fields have 5 bytes at least."""
    rng = Random(key)
    lines = [record(text_of(rng, size), '"a":1') for size in range(225) for _ in range(3)]
    for size in range(5, 241):
        name = text_of(rng, rng.randint(0, size - 5))
        lines.append(record("L1", f'"{name}":"{text_of(rng, size - len(name.encode()) - 5)}"'))
    assert extension.keys_and_digests(b"\n".join(lines), len(lines), key) == (*in_python(lines, key), 0)


@accelerated
@pytest.mark.parametrize("gaps", [(",", ":"), (", ", ": "), (" ,\t", " :\r")])
def test_lines_as_programs_write_them_are_not_declined(extension: ModuleType, gaps: tuple[str, str]) -> None:
    comma, colon = gaps
    fields = (
        ('"amount"', "1871.0900000000001"),
        ('"name"', '"अदिति \\"A\\" é"'),
        ('"paid"', "false"),
        ('"notes"', '[{"a":[]}]'),
    )
    lines = []
    for number in range(64):
        present = [field for bit, field in enumerate((*fields, ('"note"', "null"), ('""', '""'))) if number >> bit & 1]
        data = "{" + comma.join(colon.join(field) for field in present[:: 1 if number % 3 else -1]) + "}"
        lines.append(f'{{"id"{colon}"LN{number:08}"{comma}"data"{colon}{data}}}'.encode())
    assert extension.keys_and_digests(b"\n".join(lines), len(lines), 5) == (*in_python(lines, 5), 0)


DECLINED = {
    "an id with an escape": rb'{"id":"a\/","data":{"a":1}}',
    "an id that is too long": record("a" * 225, '"a":1'),
    "a name with an escape": rb'{"id":"a","data":{"\u0061":1}}',
    "a name that is written twice": b'{"id":"a","data":{"a":1,"b":2,"a":3}}',
    "a field that is too long": record("a", f'"a":"{"b" * 235}"'),
    "data before the id": b'{"data":{"a":1},"id":"a"}',
    "a member named with an escape": b'{"id":"a","d\\u0061ta":{"a":1}}',
    "no line": b"",
}


@accelerated
@pytest.mark.parametrize("line", DECLINED.values(), ids=list(DECLINED))
def test_a_line_is_declined_alone(extension: ModuleType, line: bytes) -> None:
    plain = record("L1", '"a":1', '"b":2')
    lines = [plain, line, plain, plain, line]
    keys, digests, declined = extension.keys_and_digests(b"\n".join(lines), len(lines), 5)
    expected = key_and_digest(plain, 5)
    numbers = list(zip(array("Q", keys), array("Q", digests), strict=True))
    first, second = len(plain) + 1, 3 * (len(plain) + 1) + len(line) + 1  # where these lines begin
    assert numbers == [expected, (first, 0), expected, expected, (second, 0)]
    assert declined == 2


@accelerated
def test_there_may_be_more_names_than_it_remembers(extension: ModuleType) -> None:
    lines = [
        record(f"L{start}", *(f'"n{start + number}":{number}' for number in range(100))) for start in range(0, 3000, 90)
    ]
    assert 0 < extension.keys_and_digests(b"\n".join(lines), len(lines), 5)[2] < len(lines) / 3
    assert keys_and_digests(b"\n".join(lines), len(lines), 5) == in_python(lines, 5)


@accelerated
def test_a_record_of_very_many_fields_is_left_to_python(extension: ModuleType) -> None:
    wide = record("L1", *(f'"n{number}":{number}' for number in range(600)))
    lines = [wide, record("L2", '"n1":1'), wide, record("L3", '"n1":1', '"n1":2')]
    assert extension.keys_and_digests(b"\n".join(lines), len(lines), 5)[2] == 3
    assert keys_and_digests(b"\n".join(lines), len(lines), 5) == in_python(lines, 5)


@accelerated
@given(st.lists(canonical_lines(), max_size=3), st.binary(max_size=2), st.integers(0), st.integers(0, 4))
def test_text_that_is_damaged_does_it_no_harm(lines: list[bytes], inserted: bytes, place: int, count: int) -> None:
    assert acceleration.accelerator
    text = b"\n".join(lines)
    cut = place % (len(text) + 1)
    text = text[:cut] + inserted + (text[cut + 1 :] if place % 3 else b"")
    is_right = count == (text.count(b"\n") + 1 if text else 0)
    try:
        keys, digests, declined = acceleration.accelerator.keys_and_digests(text, count, 5)
    except ValueError:
        assert not is_right
    else:
        assert is_right
        assert len(keys) == len(digests) == 8 * count
        assert array("Q", digests).count(0) == declined


@accelerated
@pytest.mark.parametrize(
    "wrong", [("text", 1, 5), (b"", -1, 5), (b"", 2**63 - 1, 5), (bytearray(b"{}"), 1, 5), (b"{}", 1)]
)
def test_wrong_arguments_are_refused(extension: ModuleType, wrong: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        extension.keys_and_digests(*wrong)


def test_the_binary_is_used_only_beside_its_own_source() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    digest = xxhash.xxh3_128_hexdigest(re.sub(r"(?m)^#define SOURCE_DIGEST .*\n", "", text).encode())
    assert f'#define SOURCE_DIGEST "{digest}"' in text, f"_digests.c has changed: its SOURCE_DIGEST must be {digest}"
    assert digest == acceleration.SOURCE_DIGEST, "acceleration.py must say the same"


def test_a_variable_keeps_it_from_being_used() -> None:
    program = "from engine.ledger import acceleration as a; print(a.accelerator, a.why_pure)"
    environment = {**os.environ, PURE_VARIABLE: "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "None ENGINE_PURE=1 is set\n"
