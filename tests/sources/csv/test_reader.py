"""CSV and TSV sources: what is sent of a table, and what becomes of text that is none."""

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from engine.sources.csv import table as csv_table
from engine.values.errors import ConfigError, SourceMissing, SourceUntrusted
from tests.sources.tables import read_text


def test_text_is_never_altered(tmp_path: Path) -> None:
    text = 'id,a,b,c\n00123,1e5,+919812345678, spaced \n"7 ",a\\b,tab\there,"say ""hi"", he\nsaid\r\n"\n'
    found = read_text(tmp_path, text)
    assert found.ids == ["00123", "7 "]
    assert found.data == [
        {"a": "1e5", "b": "+919812345678", "c": " spaced "},
        {"a": "a\\b", "b": "tab\there", "c": 'say "hi", he\nsaid\r\n'},
    ]


def test_the_line_is_canonical(tmp_path: Path) -> None:
    found = read_text(tmp_path, "id,naïve,n\n1,ü,5.10\n", types={"n": "number"}, rename={"n": "emi"})
    assert found.lines == ['{"id":"1","data":{"naïve":"ü","emi":5.10}}'.encode()]


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (
            "integer",
            {"5": "5", "-12": "-12", "007": "7", "+7": "7", "-0": "0", " 3 ": "3", "9" * 40: "9" * 40, "-00": "0"},
            ["1.5", "1e5", "0x10", "1_000", "x", " ", "--1", "٣"],
        ),
        (
            "number",
            {
                "5": "5",
                "1.10": "1.10",
                "-0.05": "-0.05",
                "1e5": "1e5",
                "1.5E-7": "1.5E-7",
                "007.50": "7.50",
                "+3.0": "3.0",
                ".5": "0.5",
                "5.": "5",
                " 2 ": "2",
                "0": "0",
                "00": "0",
                "0.1234567890123456789012345": "0.1234567890123456789012345",
            },
            ["NaN", "inf", "1,5", "e10", ".", "-", "+", ".e5", "1e", "0x1", "1 2", "١"],
        ),
        (
            "boolean",
            {
                "true": "true",
                "FALSE": "false",
                "Yes": "true",
                "no": "false",
                "1": "true",
                "0": "false",
                " no ": "false",
            },
            ["2", "y", "wahr", "truee"],
        ),
        (
            "date",
            {
                "2026-11-05": '"2026-11-05"',
                "2024-02-29": '"2024-02-29"',
                "2026-11-05T00:00:00": '"2026-11-05"',
                "2026-11-05 00:00:00.000": '"2026-11-05"',
                " 2026-11-05 ": '"2026-11-05"',
            },
            ["05-11-2026", "2026-02-29", "2026-11-05T10:00:00", "20261105", "2026-1-5", "0000-01-01", "2026-11-05Z"],
        ),
        (
            "json",
            {'"[1, {""a"": 1.10}]"': '[1, {"a": 1.10}]', "[null]": "[null]", "1e999": "1e999", '"{\n}"': "{ }"},
            ["{", "NaN", "'a'", "[1,]", "[" * 300 + "]" * 300],
        ),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_declared_types(tmp_path: Path, type_: Any, good: dict[str, str], bad: list[str], together: bool) -> None:
    """Each value gives the same, whether the column is as JSON wants it or other cells force a closer look."""
    bad_cells = ['"' + cell.replace('"', '""') + '"' for cell in bad]
    tables = [[*good, *bad_cells]] if together else [[cell] for cell in [*good, *bad_cells]]
    lines: list[str] = []
    refused: list[bytes | None] = []
    for cells in tables:
        text = "id,v,w\n" + "".join(f"x,{cell},1\n" for cell in cells)
        found = read_text(tmp_path, text, types={"v": type_})
        lines += [line.decode() for line in found.lines]
        refused += [refusal.data for refusal in found.refusals]
        assert {refusal.reason[:13] for refusal in found.refusals} <= {"column 'v' is"}
    assert lines == [f'{{"id":"x","data":{{"v":{value},"w":"1"}}}}' for value in good.values()]
    assert len(refused) == len(bad)


def test_a_refusal_shows_the_record_but_not_in_its_reason(tmp_path: Path) -> None:
    found = read_text(
        tmp_path, "id,n,s,d\n1,abc,x,2026-01-01\n2,5,y,\n", types={"n": "number", "d": "date"}, rename={"n": "emi"}
    )
    assert found.data == [{"emi": 5, "s": "y"}]
    assert found.rows == [2]
    (refusal,) = found.refusals
    assert refusal.reason == "column 'n' is not a number"
    assert (refusal.id, refusal.data) == ("1", b'{"emi":"abc","s":"x","d":"2026-01-01"}')


def test_empty_cells_are_left_out_or_sent_as_null(tmp_path: Path) -> None:
    text = 'id,a,b,c\n1,,x,\n2,"","",\n3,y,,"z"\n,p,q,r\n4,,,w\n'
    types = {"c": "string"}
    omitted = read_text(tmp_path, text, types=types)
    assert omitted.data == [{"b": "x"}, {"a": "y", "c": "z"}, {"c": "w"}]
    assert omitted.reasons == [(2, "data has no fields"), (4, "id is empty")]
    sent = read_text(tmp_path, text, nulls="send")
    assert sent.data[:2] == [{"a": None, "b": "x", "c": None}, {"a": None, "b": None, "c": None}]
    assert sent.reasons == [(4, "id is empty")]


def test_fields_exclude_rename(tmp_path: Path) -> None:
    text = "loan,a,b,c\n1,2,3,4\n"
    assert read_text(tmp_path, text, id="loan", fields=("c", "a"), rename={"c": "z"}).data == [{"a": "2", "z": "4"}]
    assert read_text(tmp_path, text, id="loan", exclude=frozenset({"b"})).data == [{"a": "2", "c": "4"}]
    assert read_text(tmp_path, text, id="loan", fields=("loan", "a")).data == [{"loan": "1", "a": "2"}]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"id": None}, ["source.id", "id, a, b"]),
        ({"id": "loan"}, ["loan"]),
        (
            {
                "fields": ("nope",),
                "rename": {"neither": "x"},
                "types": {"missing": "number"},
                "exclude": frozenset("z"),
            },
            ["nope", "neither", "missing", "'z'"],
        ),
        ({"rename": {"a": "b"}}, ["'b'"]),
        ({"exclude": frozenset({"a", "b"})}, ["no column"]),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_error(tmp_path: Path, mapping: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_text(tmp_path, "id,a,b\n1,2,3\n", **mapping)
    assert all(word in str(error.value) for word in words)


def test_irregular_rows_are_refused_and_the_others_sent(tmp_path: Path) -> None:
    text = b'id,a,b\n1,2,3\n2,3\n3,4,5,6\n\n4,"x"y,5\n5,\xff,6\n6,5" pipe,7\r\n\r\n7,a,b'
    found = read_text(tmp_path, text)
    assert found.ids == ["1", "6", "7"]
    assert found.data[1] == {"a": '5" pipe', "b": "7"}
    assert found.rows == [1, 6, 7]
    assert found.reasons == [
        (2, "the row has fewer cells than the header"),
        (3, "the row has more cells than the header"),
        (4, "text follows the closing quote of a cell"),
        (5, "not valid UTF-8"),
    ]
    assert [refusal.raw for refusal in found.refusals][:2] == ["2,3", "3,4,5,6"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_ends_and_bom(tmp_path: Path, line_end: str, last: bool, bom: str) -> None:
    text = bom + line_end.join(["id,a", "1,x", "", "2,y"]) + (line_end if last else "")
    found = read_text(tmp_path, text)
    assert (found.ids, found.data, found.rows) == (["1", "2"], [{"a": "x"}, {"a": "y"}], [1, 2])


def test_a_header_alone_is_no_mistake(tmp_path: Path) -> None:
    found = read_text(tmp_path, "id,a")
    assert (found.ids, found.refusals, found.block_sizes) == ([], [], [])


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n"])
def test_an_empty_file_is_missing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceMissing, match="is empty"):
        read_text(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,a\n1,2\n".encode("utf-16-le"), "UTF-16"),
        (b"id,na\xefve\n1,2\n", "header is not valid UTF-8"),
        (b"id,,b\n1,2,3\n", "no name for column 2"),
        (b'id,"a\n1,2\n', "header"),
        (b'id,a\n1,2\n2,"x\ny\n', "data row 2 is never closed"),
    ],
)
def test_a_damaged_file_is_one_error(tmp_path: Path, content: bytes, words: str) -> None:
    found = read_text(tmp_path, content)
    assert found.damage is not None
    assert words in found.damage
    assert "source.csv" in found.damage


def test_a_column_named_twice_is_one_error(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, SourceUntrusted), match="'a' twice"):
        read_text(tmp_path, "id,a,a\n1,2,3\n")


def test_blocks_have_exactly_the_size_asked_for(tmp_path: Path) -> None:
    rows = [f'{i},"multi\nline",{"x" * (i % 50)}y' for i in range(100_000)]
    found = read_text(tmp_path, "id,a,b\n" + "\n".join(rows), batch_size=3000)
    assert found.block_sizes == [3000] * 33 + [1000]
    assert found.ids == [str(i) for i in range(100_000)]
    assert found.source_bytes == (tmp_path / "source.csv").stat().st_size


def test_refusals_come_with_the_records_around_them(tmp_path: Path) -> None:
    text = "id,a\n" + "".join(f"{i if i % 10 else ''},x\n" for i in range(1, 60_001))
    found = read_text(tmp_path, text, batch_size=1000)
    assert len(found.refusals) == 6000
    assert len(found.ids) == 54_000
    assert found.rows[:9] == list(range(1, 10))


def test_a_record_of_any_length_leaves_the_others_alone(tmp_path: Path) -> None:
    huge = "x" * 5_000_000
    text = f'id,a\n1,y\n2,{huge}\n3,"{huge}\n"""\n4,z\n5,{"w" * 200_000}\n'
    found = read_text(tmp_path, text, record_bytes_max=300_000)
    assert found.ids == ["1", "4", "5"]
    assert found.reasons == [
        (2, "the record is longer than 300,000 bytes"),
        (3, "the record is longer than 300,000 bytes"),
    ]
    assert max(len(refusal.raw or "") for refusal in found.refusals) <= 10_000


def test_a_quote_never_closed_costs_no_memory(tmp_path: Path) -> None:
    found = read_text(tmp_path, 'id,a\n1,y\n2,"' + "x\n" * 2_000_000, record_bytes_max=300_000)
    assert found.ids == ["1"]
    assert found.damage is not None
    assert "data row 2 is never closed" in found.damage


@pytest.mark.parametrize("piece_bytes", [999, 100_000])
@pytest.mark.parametrize(
    ("overlong", "spec"),
    [
        ('5" pipe {0},x', {}),
        ('{0}5",x', {}),
        ('x,"{0}""5""{0}\n"', {}),
        ('"{0}"5,"{0}"', {}),
        ('"{0},x', {"quote": ""}),
        ('x,"{0}\\"\n{0}"', {"escape": "\\"}),
        ("x,{0}\\\n{0}", {"escape": "\\"}),
        ("ü{0}é,«{0}\n{0}»", {"quote": "«"}),
    ],
)
def test_the_end_of_an_overlong_record_is_found_by_the_same_rules(
    tmp_path: Path, overlong: str, spec: dict[str, str], piece_bytes: int
) -> None:
    record = overlong.replace("»", "«").format("é" * 5_000)
    with patch.object(csv_table, "PIECE_BYTES", piece_bytes):
        found = read_text(
            tmp_path, f'id,a,b\n1,x,y\n2,{record}\n3,5",z\n', delimiter=",", record_bytes_max=2_000, **spec
        )
    assert found.ids == ["1", "3"]
    assert [row for row, _ in found.reasons] == [2]


def test_what_is_before_a_damaged_spot_is_read(tmp_path: Path) -> None:
    path_content = gzip.compress(b"id,a\n" + b"".join(b"%d,%x\n" % (i, i * 7919) for i in range(50_000)))
    found = read_text(tmp_path, path_content[: len(path_content) // 2], name="cut.csv.gz")
    assert found.damage is not None
    assert "cut.csv.gz is damaged" in found.damage
    assert 20_000 < len(found.ids) < 30_000
    assert found.data[-1] == {"a": f"{(len(found.ids) - 1) * 7919:x}"}


def test_numbers_keep_every_digit_in_a_large_column(tmp_path: Path) -> None:
    values = [f"{i}.{i % 100:02}" for i in range(20_000)]
    text = "id,n\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values))
    found = read_text(tmp_path, text, types={"n": "number"})
    assert [str(data["n"]) for data in found.data] == values
    assert isinstance(found.data[0]["n"], Decimal)


def test_constants_may_be_all_that_a_record_gets(tmp_path: Path) -> None:
    found = read_text(tmp_path, "id\nL1\nL2\n", constants={"payment_status": "closed"})
    assert found.lines[1] == b'{"id":"L2","data":{"payment_status":"closed"}}'
    with pytest.raises(ConfigError, match="is left to send"):
        read_text(tmp_path, "id\nL1\nL2\n")
