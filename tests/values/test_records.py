"""The two forms of lines, and the places of records."""

from __future__ import annotations

import xxhash

from engine.values import JoinedLines, LineIds

LINES = [
    b'{"id":"a","data":{"x":1.10}}',
    b'{ "id" : "b,\\n" ,\t"data": {"x": [1 , {"y":null}], "id":"}, {"} }',
    '{"id":"ü","data":{"x":"😀"}}'.encode(),
    b'{"data":{"deep":' + b"[" * 190 + b"]" * 190 + b'},"id":"c"}',
]


def test_each_form_is_made_of_the_other_to_the_byte() -> None:
    by_newlines, by_commas = b"\n".join(LINES), b",".join(LINES)
    assert JoinedLines(by_newlines).by_commas == by_commas
    assert JoinedLines(by_commas=by_commas).by_newlines == by_newlines
    assert JoinedLines(by_commas=by_commas) == JoinedLines(by_newlines)
    assert JoinedLines(by_newlines) != JoinedLines(LINES[0])
    assert JoinedLines(b"").by_commas == JoinedLines(by_commas=b"").by_newlines == b""


def test_the_digest_is_that_of_the_lines_however_they_came() -> None:
    by_newlines, by_commas = b"\n".join(LINES), b",".join(LINES)
    digest = xxhash.xxh3_128_digest(by_newlines)
    assert JoinedLines(by_newlines).digest() == JoinedLines(by_commas=by_commas).digest() == digest
    assert JoinedLines(by_commas=by_commas, digest=b"known").digest() == b"known"


def test_ids_are_read_from_either_form() -> None:
    lines = JoinedLines(by_commas=b",".join(LINES))
    assert list(LineIds(lines, len(LINES))) == ["a", "b,\n", "ü", "c"]
