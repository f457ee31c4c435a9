"""The text that says which campaign a line is for: the same at once as line by line, whatever stands in the lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.sources.ndjson.acceleration import accelerator, key_texts
from engine.sources.ndjson.route_texts import RouteTexts

KEYS = ["bucket", "b", 'x"\\', "id", "data", "ключ"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", '"bucket":"z"', "{", "ü", "0-30", "\\"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
    max_leaves=3,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.lists(OBJECTS, min_size=1, max_size=5), st.sampled_from(KEYS), st.booleans(), st.booleans())
def test_many_lines_at_once_are_as_single_ones(
    objects: list[dict[str, Any]], key: str, in_data: bool, compact: bool
) -> None:
    wanted = [text_of(each.get(key)) for each in objects]
    records = [{"id": "1", "data": each} for each in objects] if in_data else objects
    separators = (",", ":") if compact else (", ", ": ")
    lines = [json.dumps(each, ensure_ascii=False, separators=separators).encode() for each in records]
    texts = RouteTexts(key, in_data=in_data)
    if not compact:
        wanted = [json.loads(json.dumps(text)) for text in wanted]
        nested = any(isinstance(each.get(key), (dict, list)) for each in objects)
        if nested:  # such a value keeps the spaces it was written with
            return
    assert texts.of_lines(b"\n".join(lines), len(lines)) == wanted
    assert [texts.of_line(line) for line in lines] == wanted


@pytest.mark.skipif(accelerator is None, reason="there is no accelerator")
def test_regular_lines_are_read_at_once() -> None:
    texts = key_texts(b'"bucket"', 2)
    assert texts is not None
    lines = b"\n".join(b'{"id":"%d","data":{"a":1,"bucket":"b%d","c":"x"}}' % (n, n % 3) for n in range(100))
    assert texts.of_lines(lines, 100) == [f"b{n % 3}" for n in range(100)]
    for text, count in [(lines, 99), (lines, 101), (lines + b"\n", 100), (b"", 1), (lines, -1), (lines, 1 << 60)]:
        assert texts.of_lines(text, count) is None
    assert texts.of_lines(b"", 0) == []


@pytest.mark.skipif(accelerator is None, reason="there is no accelerator")
def test_texts_that_come_again_are_the_same_objects_and_very_many_or_long_ones_are_right_as_well() -> None:
    texts = key_texts(b'"b"', 1)
    assert texts is not None
    for round_ in range(2):
        wanted = [f"ü{n % 9_000}" + "x" * (n % 80) + "y" * round_ for n in range(20_000)]
        assert texts.of_lines("\n".join(f'{{"b":"{text}"}}' for text in wanted).encode(), len(wanted)) == wanted
    same = texts.of_lines(b'{"b":"camp"}\n{"b":"camp"}', 2) or []
    assert same[0] is same[1]


@pytest.mark.parametrize(
    "lines",
    [
        b'{"bucket":"a","bucket":"b"}\n{"c":1}',
        b'{"bucket":"a"}\n{"x":{"bucket":"b"}}',
        b'{"bucket":"a"}\n{"bucket" :"b"}',
        b'{"bucket":"a"}\n{"bucket":7}',
    ],
)
def test_in_doubt_each_line_is_asked(lines: bytes) -> None:
    texts = RouteTexts("bucket", in_data=False)
    assert texts.of_lines(lines, 2) == [texts.of_line(line) for line in lines.split(b"\n")]


def test_a_line_that_is_none_has_no_text() -> None:
    assert RouteTexts("b", in_data=True).of_line(b'{"id":1') is None
    assert RouteTexts("b", in_data=True).of_line(b'{"id":"1"}') is None


def test_what_the_directory_says_is_for_lines_without_the_key() -> None:
    texts = RouteTexts("b", in_data=False, given="KA")
    assert texts.of_lines(b'{"a":1}\n{"b":"x"}\n{"b":null}', 3) == ["KA", "x", ""]
