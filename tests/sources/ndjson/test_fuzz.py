"""Any bytes at all: no other exception than the engine's, each row in exactly one account, nothing altered."""

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given, settings, strategies as st

from engine.values.errors import EngineError
from tests.sources.reading import read, rows_with_something

PIECES = [
    b'{"id":"a","data":{"x":1}}',
    b'{"id": "b", "data": {"x": "\xe0\xa4\x85", "y": [1, {"z": null}]}}',
    b'{"id":"c","data":{},"outcome":"rejected"}',
    b'{"loan_id":7,"x":1.10,"y":null}',
    b'{"loan_id":"d","x":"s","nested":{"a":[true,false]}}',
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b'"',
    b"\\",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b"]" * 3,
    b",",
    b":",
    b"NaN",
    b"1e999",
    b"-",
    b'"id":"e",',
    b'"data":{"k":1},',
    b"[" * 300,
]
OTHER_KINDS = (
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"PAR1",
    b"PK",
    b"\xfd7zXZ",
    b"\xd0\xcf",
    b"SQLite",
)
contents = (
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30).map(b"".join)
    | st.lists(st.sampled_from(PIECES[:5]), max_size=12).map(b"\n".join)
    | st.binary(max_size=200)
)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    content = draw(contents)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(start + 5, len(content))))
        content = content[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=2)) + content[end:]
    return content


@settings(max_examples=500, deadline=None)
@given(mutilated(), st.integers(1, 5), st.sampled_from([None, "loan_id"]), st.sampled_from([40, 1_000]))
def test_each_row_is_in_one_account(content: bytes, batch_size: int, id_: str | None, record_bytes_max: int) -> None:
    assume(not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)))  # rows are others then
    with TemporaryDirectory() as folder:
        try:
            found = read(Path(folder), content, id=id_, batch_size=batch_size, record_bytes_max=record_bytes_max)
        except EngineError:
            assert content.startswith(OTHER_KINDS) or b"\0" in content[:4]  # that is UTF-16
            return
    refused = [refusal.place.row for refusal in found.refusals]
    assert sorted(found.rows + refused) == rows_with_something(content)
    for refusal in found.refusals:
        assert (refusal.raw is None) == (refusal.id is not None and refusal.data is not None)
        assert refusal.reason.isascii()
        assert len(refusal.raw or "") <= 10_000
        if refusal.data is not None:
            json.loads(refusal.data)


@settings(max_examples=200, deadline=None)
@given(mutilated(), st.sampled_from([None, "loan_id"]))
def test_the_size_of_blocks_changes_nothing(content: bytes, id_: str | None) -> None:
    with TemporaryDirectory() as folder:
        try:
            readings = [read(Path(folder), content, id=id_, batch_size=size) for size in (1, 2, 1_000)]
        except EngineError:
            return
    one, *others = [(found.ids, found.lines, found.rows, found.refusals) for found in readings]
    assert all(other == one for other in others)
