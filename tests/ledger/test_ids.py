"""Ids as the ledger keeps them: what is packed is read again, from lines as from texts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine.ledger import acceleration
from engine.ledger.ids import ID_BYTES_MAX, id_at, pack_ids, pack_ids_of_lines

ids = st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=30)


def lines_of(some: list[str]) -> bytes:
    return b"\n".join(b'{"id":%b,"data":{"a":"\\"id\\":"}}' % json.dumps(each).encode() for each in some)


@given(ids)
def test_an_id_is_read_as_it_was_packed(some: list[str]) -> None:
    words, begins = pack_ids(some)
    assert [id_at(np.frombuffer(words, np.uint64), int(at)) for at in begins] == some


@given(ids | st.lists(st.text("aä日/ ", min_size=1), min_size=1), st.booleans())
def test_ids_of_lines_are_packed_alike_or_declined(some: list[str], is_ascii: bool) -> None:
    lines = b"\n".join(
        b'{"id":%b,"data":{"a":"\\"id\\":"}}' % json.dumps(each, ensure_ascii=is_ascii).encode() for each in some
    )
    words, begins = pack_ids(some)
    packed = pack_ids_of_lines(lines, len(some))
    is_plain = b"\\" not in lines.replace(b'\\"id\\"', b"")
    assert packed == ((words, begins.tobytes()) if is_plain and acceleration.accelerator else (b"", b""))


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (b"", 0),
        (b"", 1),
        (lines_of(["a", "b"]), 1),
        (lines_of(["a", "b"]), 3),
        (b'{"id": "a","data":{"b":1}}', 1),
        (b'{"id":"a', 1),
        (b'{"id":"a\n","data":{}}', 2),
        (lines_of(["a" * (ID_BYTES_MAX // 4 + 1)]), 1),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_as_nearly_all_lines_are_is_declined(lines: bytes, count: int) -> None:
    assert pack_ids_of_lines(lines, count) == (b"", b"")


def test_the_longest_id_that_is_packed() -> None:
    if acceleration.accelerator is None:
        pytest.skip(acceleration.why_pure)
    size = ID_BYTES_MAX // 4
    words, begins = pack_ids_of_lines(lines_of(["x" * size, "y"]), 2)
    assert [id_at(np.frombuffer(words, np.uint64), at) for at in np.frombuffer(begins, np.uint32)] == ["x" * size, "y"]
