"""What names tell."""

import pytest

from engine.sources.formats import DELIMITED, FORMATS, Format
from engine.sources.stored.compression import Compression
from engine.sources.stored.names import evident_formats, kind_by_name


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("a.csv", "csv", None),
        ("exports/*.tsv", "tsv", None),
        ("a.b.NDJSON", "ndjson", None),
        ("a.jsonl.gz", "ndjson", "gzip"),
        ("A.CSV.ZST", "csv", "zstd"),
        ("a.parquet", "parquet", None),
        ("a.gz", None, "gzip"),
        ("a.csv.bak", None, None),
        ("csv", None, None),
        ("a.csv/part-0", None, None),
        ("-", None, None),
    ],
)
def test_a_name_tells_format_and_compression(name: str, format: Format | None, compression: Compression | None) -> None:
    assert kind_by_name(name) == (format, compression)


def test_what_is_evident_before_any_file_is_looked_at() -> None:
    assert evident_formats(["a.csv", "b.tsv.gz", "unknown"], None) == {"csv", "tsv"}
    assert evident_formats(["a.csv"], "ndjson") == {"ndjson"}
    assert evident_formats(["-"], None) == set()


def test_no_two_formats_share_a_suffix_or_a_delimiter() -> None:
    suffixes = [suffix for facts in FORMATS.values() for suffix in facts.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert {FORMATS[name].delimiter for name in DELIMITED} == {",", "\t"}
