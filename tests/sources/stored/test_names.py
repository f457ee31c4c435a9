"""What names tell."""

import pytest

from engine.sources.formats import DELIMITED, FORMATS, Format
from engine.sources.stored.compression import Compression
from engine.sources.stored.names import (
    evident_formats,
    format_by_directories,
    is_hidden,
    is_part,
    keys_of,
    kind_by_name,
)


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
        ("out.parquet/", "parquet", None),
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


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("out.parquet/part-0", "parquet"),
        ("out.csv/day=1/part-0.gz", "csv"),
        ("a.csv/b.parquet/part-0", "parquet"),
        ("out/part-0.parquet", None),
        ("part-0", None),
    ],
)
def test_the_nearest_directory_that_is_named_for_a_format_tells_it(path: str, format: Format | None) -> None:
    assert format_by_directories(path) == format


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("exports/state=KA/day=2026-11-28/part-0.csv", {"state": "KA", "day": "2026-11-28"}),
        ("/data/state=KA/p.csv", {"state": "KA"}),
        ("a=1/a=2/p.csv", {"a": "2"}),
        ("city=New%20Delhi%2FNCR/na%C3%AFve=x/p.csv", {"city": "New Delhi/NCR", "naïve": "x"}),
        ("state=__HIVE_DEFAULT_PARTITION__/p.csv", {"state": None}),
        ("expression=a=b/p.csv", {"expression": "a=b"}),
        ("state=%FF/share=5%/p.csv", {"state": "%FF", "share": "5%"}),
        ("empty=/p.csv", {"empty": ""}),
        ("=x/p=1.csv", {}),
        ("p.csv", {}),
    ],
)
def test_directories_hold_keys(path: str, keys: dict[str, str | None]) -> None:
    assert keys_of(path) == keys
    assert list(keys_of(path)) == list(keys)


def test_what_is_hidden() -> None:
    assert [name for name in ("_SUCCESS", ".x.crc", "_temporary", "..", ".") if not is_hidden(name)] == []
    assert [name for name in ("_day=1", "x_", "part-0", "a.b") if is_hidden(name)] == []


@pytest.mark.parametrize(
    ("path", "pattern", "counts"),
    [
        ("out/part-0", "out/*", True),
        ("out/_SUCCESS", "out/*", False),
        ("out/_SUCCESS", "out/_*", True),
        ("out/_temporary/0/part-0", "out/**/*", False),
        ("_out/part-0", "_out/*", True),
        ("../out/part-0", "../out/*", True),
        ("./part-0", "./*", True),
        ("/home/.cache/part-0", "/home/.cache/*", True),
    ],
)
def test_what_a_glob_means(path: str, pattern: str, counts: bool) -> None:
    assert is_part(path, pattern) == counts
