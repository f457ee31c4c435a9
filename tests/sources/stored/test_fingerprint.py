import json
from pathlib import Path

import pytest

from engine.sources.stored.fingerprint import FileFingerprint, differences, fingerprint
from engine.values.errors import SourceMissing, SourceUntrusted


def test_the_content_counts_and_not_the_time(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x" * 5_000_000)
    b.write_bytes(b"x" * 5_000_000)
    prints = fingerprint([str(a), str(b)])
    assert prints[str(a)] == prints[str(b)]
    assert prints[str(a)].size == 5_000_000
    b.write_bytes(b"x" * 4_999_999 + b"y")
    assert fingerprint([str(b)])[str(b)] != prints[str(b)]


def test_known_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    found = fingerprint([str(tmp_path / "empty")])
    assert list(found.values()) == [FileFingerprint(0, "99aa06d3014798d86001c324468d497f")]


def test_standard_input_has_none() -> None:
    assert fingerprint(["-"]) == {}


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"nowhere\.csv does not exist"):
        fingerprint([str(tmp_path / "nowhere.csv")])
    with pytest.raises(SourceUntrusted, match=str(tmp_path)):
        fingerprint([str(tmp_path)])


def test_each_difference_is_a_sentence() -> None:
    before = {name: FileFingerprint(1000, "d") for name in ("same", "grown", "cut", "edited", "gone")}
    now = {
        "same": FileFingerprint(1000, "d"),
        "grown": FileFingerprint(2500, "e"),
        "cut": FileFingerprint(10, "e"),
        "edited": FileFingerprint(1000, "e"),
        "added": FileFingerprint(1, "f"),
    }
    assert differences(before, now) == [
        "grown grew from 1,000 to 2,500 bytes",
        "cut shrank from 1,000 to 10 bytes",
        "edited has the same size, but different content",
        "gone is gone",
        "added is new",
    ]


def test_no_difference_even_through_json() -> None:
    before = {"a": FileFingerprint(5, "d")}
    assert differences(json.loads(json.dumps(before)), before) == []


def test_another_order_is_a_difference() -> None:
    a, b = FileFingerprint(1, "a"), FileFingerprint(2, "b")
    assert differences({"a": a, "b": b}, {"b": b, "a": a}) == ["the files come in another order"]
