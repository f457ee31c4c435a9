import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.values import Place
from engine.values.errors import SourceUntrusted
from tests.sources.reading import read

GOOD = b'{"id":"a","data":{"x":1}}'


def test_canonical_lines_are_sent_byte_for_byte(tmp_path: Path) -> None:
    lines = [
        b'{"id":"a","data":{"x":1}}',
        b'{"id": "b", "data": {"x": 1.10, "y": 1e5, "z": 18446744073709551616, "n": null}}',
        b'{ "data" : {"x":[1, 2, {"y":"\\u00e9"}]} , "id" : "c" }',
        '{"id":"घर-1","data":{"नाम":"अनीता","t":"😀","rtl":"שלום"}}'.encode(),
        b'{"id":"e","data":{"id":"inner","data":{"id":"i2","data":"x"}}}',
        b'{"\\u0069d":"f","data":{"same":1,"same":2}}',
    ]
    found = read(tmp_path, b"\n".join(lines))
    assert found.lines == lines
    assert found.ids == ["a", "b", "c", "घर-1", "e", "f"]
    assert found.rows == [1, 2, 3, 4, 5, 6]
    assert found.refusals == []


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n", b"\n\n \n\t\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_blank_lines_and_bom_are_not_data(tmp_path: Path, ending: bytes, last: bytes, bom: bytes) -> None:
    lines = [b'{"id":"%d","data":{"x":1}}' % n for n in range(3)]
    found = read(tmp_path, bom + ending.join([lines[0], b"", lines[1], b" \t ", lines[2]]) + last)
    assert found.lines == lines
    assert found.rows == [1, 3, 5]
    assert found.refusals == []


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_a_record_yields_no_block(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).block_sizes == []


# faults.md, row 20: ids and data of every wrong kind.
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id":"","data":{"x":1}}', "id is empty"),
        (b'{"id":null,"data":{"x":1}}', "id is null, not a string"),
        (b'{"id":7,"data":{"x":1}}', "id is a number, not a string"),
        (b'{"id":-1.5,"data":{"x":1}}', "id is a number, not a string"),
        (b'{"id":true,"data":{"x":1}}', "id is a boolean, not a string"),
        (b'{"id":["a"],"data":{"x":1}}', "id is a list, not a string"),
        (b'{"id":{"a":1},"data":{"x":1}}', "id is an object, not a string"),
        (b'{"data":{"x":1}}', "id is missing"),
        (b'{"id":"a"}', "data is missing"),
        (b'{"id":"a","dat":{"x":1}}', "data is missing"),
        (b'{"id":"a","data":null}', "data is null, not an object"),
        (b'{"id":"a","data":[{"x":1}]}', "data is a list, not an object"),
        (b'{"id":"a","data":"x"}', "data is a string, not an object"),
        (b'{"id":"a","data":1}', "data is a number, not an object"),
        (b'{"id":"a","data":false}', "data is a boolean, not an object"),
        (b'{"id":"a","data":{}}', "data has no fields"),
        (b'{"id":"a","data":{  }}', "data has no fields"),
        (b'{"id":"a","data":{%b}}' % (b" " * 300), "data has no fields"),
        (b'{"id":"a","data":{\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t}}', "data has no fields"),
        (b"{}", "id is missing"),
        (b"[]", "the line is a list, not an object"),
        (b'"a"', "the line is a string, not an object"),
        (b"null", "the line is null, not an object"),
        (b"12", "the line is a number, not an object"),
    ],
)
def test_records_of_the_wrong_kind_are_refused(tmp_path: Path, line: bytes, reason: str) -> None:
    _only_the_line_is_refused(tmp_path, line, reason)


# faults.md, row 21: text that is not JSON, or JSON that can't be kept.
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id":"a","data":{"x":"\xff"}}', "not valid UTF-8"),
        (b'{"id":"\xff","data":{"x":1}}', "not valid UTF-8"),
        (b'{"id":"a","data":{"\xc3(":1}}', "not valid UTF-8"),
        (b'{"id":"a","data":{"x":"\xed\xa0\x80"}}', "not valid UTF-8"),
        (b"\xff\xfd garbage", "not valid UTF-8"),
        (b'{"id":"a","data":{"x":"\\ud800"}}', "a \\u escape is half of a surrogate pair"),
        (b'{"id":"a","data":{"x":"\\udc00\\ud800"}}', "a \\u escape is half of a surrogate pair"),
        (b'{"id":"\\ud83d","data":{"x":1}}', "a \\u escape is half of a surrogate pair"),
        (b'{"id":"a","data":{"\\ud83dx":1}}', "a \\u escape is half of a surrogate pair"),
        (b'{"id":"a","data":{"x":NaN}}', "NaN and Infinity are not JSON"),
        (b'{"id":"a","data":{"x":Infinity}}', "NaN and Infinity are not JSON"),
        (b'{"id":"a","data":{"x":-Infinity}}', "NaN and Infinity are not JSON"),
        (b'{"id":"a","data":{"x":"\x01"}}', "not valid JSON"),
        (b'{"id":"a","data":{"x":"a\tb"}}', "not valid JSON"),
        (b'{"id":"a","data":{"x":"a\x00b"}}', "not valid JSON"),
        (b'{"id":"a","data":{"x":01}}', "not valid JSON"),
        (b'{"id":"a","data":{"x":1,}}', "not valid JSON"),
        (b"{'id':'a','data':{'x':1}}", "not valid JSON"),
        (b'{"id":"a","data":{"x":1}', "not valid JSON"),
        (b'{"id":"a","data":{"x":1}},', "not valid JSON"),
        (GOOD + GOOD, "not valid JSON"),
        (GOOD + b" " + GOOD, "not valid JSON"),
        (b"loan_id,amount", "not valid JSON"),
        (b'{"id":"a","id":"b","data":{"x":1}}', "a key is written twice"),
        (b'{"id":"a","data":{"x":1},"data":{"x":2}}', "a key is written twice"),
        (b'{"id":"a","data":5,"data":{"x":2}}', "a key is written twice"),
        (b'{"id":"a","\\u0069d":"b","data":{"x":1}}', "a key is written twice"),
        (b'{"id":"a","data":{"x":1},"k":1,"k":1}', "a key is written twice"),
        (b'{"id":"a","data":{"x":%b1%b}}' % (b"[" * 199, b"]" * 199), "nested more than 200 levels deep"),
        (b'{"id":"a","data":%b1%b}' % (b'{"x":' * 200, b"}" * 200), "nested more than 200 levels deep"),
        (b'{"id":"a","data":{"x":%b}}' % (b"[" * 100_000), "nested more than 200 levels deep"),
        (b'{"id":"a","data":{"x":%b1%b}}' % (b"[" * 50_000, b"]" * 50_000), "nested more than 200 levels deep"),
    ],
)
def test_lines_that_cannot_be_trusted_are_refused(tmp_path: Path, line: bytes, reason: str) -> None:
    _only_the_line_is_refused(tmp_path, line, reason)


def _only_the_line_is_refused(tmp_path: Path, line: bytes, reason: str) -> None:
    """Between good lines it is the only one that is missing, and the same alone, in other blocks and with CRLF."""
    for ending in (b"\n", b"\r\n"):
        for batch_size in (1, 2, 10):
            found = read(tmp_path, ending.join([GOOD, line, GOOD]), batch_size=batch_size)
            assert found.reasons == [(2, reason)]
            assert found.lines == [GOOD, GOOD]
            assert found.rows == [1, 3]
    assert read(tmp_path, line).reasons == [(1, reason)]


# faults.md, rows 20 and 21: unusual, and sent intact.
@pytest.mark.parametrize(
    "id_",
    [
        "x" * 10_000,
        '"quoted"',
        "back\\slash",
        "line\nend",
        "nul\0",
        "😀" * 50,
        "שלום",
        " ",
        "\u2028",
        "e\u0301",
        "\x7f",
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_unusual_ids_are_sent_intact(tmp_path: Path, id_: str, ensure_ascii: bool) -> None:
    lines = [
        json.dumps({"id": id_, "data": {"v": id_}}, ensure_ascii=ensure_ascii, separators=separators).encode()
        for separators in [(",", ":"), (", ", ": ")]
    ]
    for batch_size in (1, 10):
        found = read(tmp_path, b"\n".join(lines), batch_size=batch_size)
        assert found.lines == lines
        assert found.ids == [id_, id_]


@pytest.mark.parametrize(
    "data",
    [
        b'{"x":18446744073709551616,"y":1.10,"z":-0.0,"e":1E+400}',
        b'{"x":1,"x":2}',
        b'{"":0}',
        b'{"x":%b1%b}' % (b"[" * 198, b"]" * 198),
        b'{"x":"%b"}' % (b"[{" * 500),
        b'{"x":"                                                                              "}',
        b'{"x":\t1}',
        b'{"x":"\\u0000\\n\\ud83d\\ude00"}',
        b'{"x":"}}\\n{\\"id\\":\\""}',
        b"{" + b",".join(b'"f%d":{"a":[{}]}' % n for n in range(300)) + b"}",
    ],
)
def test_unusual_data_is_sent_intact(tmp_path: Path, data: bytes) -> None:
    line = b'{"id":"a","data":%b}' % data
    for batch_size in (1, 10):
        assert read(tmp_path, b"\n".join([line] * 3), batch_size=batch_size).lines == [line] * 3


def test_other_keys_are_left_out_and_values_kept_as_they_were_written(tmp_path: Path) -> None:
    rejected = b'{"id":"\\u00e9","data":{"a": 1.10,"b":1e5},"outcome":"rejected","source":{"path":"p","row":1}}'
    found = read(tmp_path, rejected)
    assert found.lines == [b'{"id":"\\u00e9","data":{"a": 1.10,"b":1e5}}']
    assert found.ids == ["é"]


def test_a_refusal_shows_what_could_be_read(tmp_path: Path) -> None:
    content = b'{"id":"a","data":{}}\n{"id":"","data":{"x":1.10}}\n{"id":5,"data":{"x":1}}\n\xff' + b"y" * 20_000
    no_fields, no_id, number, unreadable = read(tmp_path, content).refusals
    assert (no_fields.id, no_fields.data, no_fields.raw) == ("a", b"{}", None)
    assert (no_id.id, no_id.data, no_id.raw) == ("", b'{"x":1.10}', None)
    assert (number.id, number.data, number.raw) == (None, None, '{"id":5,"data":{"x":1}}')
    assert unreadable.raw == "\ufffd" + "y" * 9_999
    assert unreadable.place == Place(str(tmp_path / "source.ndjson"), 4)


@pytest.mark.parametrize("fill", [b"x", "ह".encode(), b"{", b'"', b"\xff"])
def test_a_line_of_100_mb_costs_no_100_mb(tmp_path: Path, fill: bytes) -> None:
    path = tmp_path / "long.ndjson"
    with path.open("wb") as file:
        file.write(GOOD + b"\n")
        for _ in range(100):
            file.write(fill * (1_000_000 // len(fill)))
        file.write(b"\n" + GOOD)
    tracemalloc.start()
    try:
        blocks = list(open_source(SourceSpec((str(path),))).blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
    assert [(len(block.ids), len(block.refusals)) for block in blocks] == [(2, 1)]
    refusal = blocks[0].refusals[0]
    assert refusal.reason == "line is longer than 8,000,000 bytes"
    assert refusal.place.row == 2
    assert len(refusal.raw or "") == 10_000
    assert [span.first_row for span in blocks[0].spans] == [1, 3]


def test_a_long_line_is_refused_in_a_small_file_too(tmp_path: Path) -> None:
    long = b'{"id":"b","data":{"x":"%b"}}' % (b"y" * 100)
    for content in (b"\n".join([GOOD, long, GOOD]), b"\r\n".join([GOOD, long, GOOD]) + b"\r\n"):
        found = read(tmp_path, content, record_bytes_max=100)
        assert found.reasons == [(2, "line is longer than 100 bytes")]
        assert found.rows == [1, 3]
    assert read(tmp_path, long, record_bytes_max=len(long)).ids == ["b"]
    assert read(tmp_path, long, record_bytes_max=len(long) - 1).ids == []


def test_blocks_are_full_in_the_regular_case(tmp_path: Path) -> None:
    lines = [b'{"id":"%d","data":{"x":"%b"}}' % (n, b"y" * (n * 7919 % 300)) for n in range(2_345)]
    found = read(tmp_path, b"\n".join(lines) + b"\n", batch_size=100)
    assert found.block_sizes == [100] * 23 + [45]
    assert found.lines == lines
    assert found.rows == list(range(1, 2_346))


def test_blocks_of_large_records_stay_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large.ndjson"
    line = b'{"id":"a","data":{"x":"%b"}}' % (b"y" * 1_000_000)
    path.write_bytes(b"\n".join([line] * 20))
    blocks = list(open_source(SourceSpec((str(path),))).blocks())
    assert sum(len(block.ids) for block in blocks) == 20
    assert max(len(block.lines) for block in blocks) < 8 << 20


def test_stored_bytes_of_all_blocks_are_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(b'{"id":"%d","data":{"x":1}}' % n for n in range(5_000)))
    source = open_source(SourceSpec((str(path),)), batch_size=1_000)
    assert sum(block.source_bytes for block in source.blocks()) == source.size() == path.stat().st_size


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_without_its_mark_is_one_clear_error(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(SourceUntrusted, match=r"source\.ndjson is UTF-16 or UTF-32 text; set source"):
        read(tmp_path, GOOD.decode().encode(encoding))


class TestFlat:
    def test_other_keys_become_fields_with_their_bytes_untouched(self, tmp_path: Path) -> None:
        found = read(
            tmp_path, b'{"loan_id":"a","x":1.10,"y":1e5,"z":18446744073709551616,"o":{"k" : [1]}}', id="loan_id"
        )
        assert found.lines == [b'{"id":"a","data":{"x":1.10,"y":1e5,"z":18446744073709551616,"o":{"k" : [1]}}}']

    def test_spaces_between_keys_do_not_matter(self, tmp_path: Path) -> None:
        found = read(tmp_path, b' { "x" : 1 , "k" : "a" , "y": "s" } ', id="k")
        assert found.lines == [b'{"id":"a","data":{"x":1,"y":"s"}}']

    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            (b'"a"', "a"),
            (b'"\\u00e9\\n"', "é\n"),
            (b"7", "7"),
            (b"-12", "-12"),
            (b"-0", "0"),
            (b"18446744073709551616" * 300, "18446744073709551616" * 300),
        ],
    )
    def test_ids_that_are_strings_or_integers(self, tmp_path: Path, raw: bytes, text: str) -> None:
        for content in (b'{"k":%b,"x":1}', b'{"k": %b, "x":1}', b'{"x":1,"k":%b}'):
            found = read(tmp_path, content % raw, id="k")
            assert found.ids == [text]
            assert found.data == [{"x": 1}]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b'{"k":"","x":1}', "id is empty"),
            (b'{"k":null,"x":1}', "id is null, not a string or an integer"),
            (b'{"k":1.5,"x":1}', "id is a number, not a string or an integer"),
            (b'{"k":1e5,"x":1}', "id is a number, not a string or an integer"),
            (b'{"k":true,"x":1}', "id is a boolean, not a string or an integer"),
            (b'{"k":[],"x":1}', "id is a list, not a string or an integer"),
            (b'{"x":1}', "id is missing"),
            (b'{"k":"a"}', "data has no fields"),
            (b'{"k":"a","x":null}', "data has no fields"),
            (b'{"k":"a","x":1,"x":2}', "a key is written twice"),
            (b'{"k":"a","k":"b","x":1}', "a key is written twice"),
            (b'{"k":"a","x":1,"\\u0078":2}', "a key is written twice"),
            (b'{"k":"a","":1,"":2}', "a key is written twice"),
            (b'{"k":"a","x":"\xff"}', "not valid UTF-8"),
            (b'{"k":"a","x":%b1%b}' % (b"[" * 200, b"]" * 200), "nested more than 200 levels deep"),
            (b"[1]", "the line is a list, not an object"),
            (b"{}", "id is missing"),
        ],
    )
    def test_lines_that_are_refused(self, tmp_path: Path, line: bytes, reason: str) -> None:
        good = b'{"k":"a","x":1}'
        found = read(tmp_path, b"\n".join([good, line, good]), id="k")
        assert found.reasons == [(2, reason)]
        assert found.ids == ["a", "a"]
        assert found.rows == [1, 3]

    @pytest.mark.parametrize(
        ("mapping", "data"),
        [
            ({}, {"a": 1, "c": "null", "d%b": [None]}),
            ({"nulls": "send"}, {"a": 1, "b": None, "c": "null", "d%b": [None]}),
            ({"exclude": frozenset({"a", "b"})}, {"c": "null", "d%b": [None]}),
            ({"fields": ("c", "a")}, {"a": 1, "c": "null"}),
            ({"fields": ("k", "a")}, {"k": "id", "a": 1}),
            ({"rename": {"a": 'quote"', "d%b": "%b"}}, {'quote"': 1, "c": "null", "%b": [None]}),
        ],
    )
    def test_the_mapping(self, tmp_path: Path, mapping: dict[str, Any], data: dict[str, Any]) -> None:
        line = json.dumps({"k": "id", "a": 1, "b": None, "c": "null", "d%b": [None]}, separators=(",", ":")).encode()
        assert read(tmp_path, line, id="k", **mapping).data == [data]

    def test_two_keys_for_one_field_are_refused(self, tmp_path: Path) -> None:
        content = b'{"k":"1","a":1,"b":2}\n{"k":"2","a":1}\n{"k":"3","a":null,"b":2}'
        found = read(tmp_path, content, id="k", rename={"a": "b"})
        assert found.reasons == [
            (1, "two values would be sent as the same field; see source.rename and source.constants")
        ]
        assert found.data == [{"b": 1}, {"b": 2}]

    def test_lines_may_all_have_other_keys(self, tmp_path: Path) -> None:
        lines = [json.dumps({"k": str(n), f"f{n}": n}).encode() for n in range(3_000)]
        assert read(tmp_path, b"\n".join(lines), id="k").data == [{f"f{n}": n} for n in range(3_000)]
