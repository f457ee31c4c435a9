import io
import json
from functools import partial
from pathlib import Path

import pytest

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.sources.stored.fingerprint import FileFingerprint, differences, fingerprint
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.local import LocalStore
from engine.values.errors import SourceMissing, SourceUntrusted


def prints(*paths: Path) -> dict[str, FileFingerprint]:
    """The fingerprints of files as they are now."""
    found = [stored for path in paths for stored in LocalStore().list(str(path))]
    return fingerprint(InputFile(each.path, "csv", None, each.size, partial(LocalStore().open, each)) for each in found)


def test_the_content_counts_and_not_the_time(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x" * 5_000_000)
    b.write_bytes(b"x" * 5_000_000)
    found = prints(a, b)
    assert found[str(a)] == found[str(b)]
    assert found[str(a)].size == 5_000_000
    b.write_bytes(b"x" * 4_999_999 + b"y")
    assert prints(b)[str(b)] != found[str(b)]


def test_known_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    found = prints(tmp_path / "empty")
    assert list(found.values()) == [FileFingerprint(0, "99aa06d3014798d86001c324468d497f")]


def test_standard_input_has_none() -> None:
    assert fingerprint([InputFile("-", "csv", None, None, io.BytesIO)]) == {}


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"nowhere\.csv does not exist"):
        prints(tmp_path / "nowhere.csv")
    with pytest.raises(SourceMissing, match=str(tmp_path)):
        prints(tmp_path)


def test_a_file_that_has_gone_or_changed_since_it_was_found(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x")
    source = open_source(SourceSpec((str(path),)))
    path.write_bytes(b"longer")
    with pytest.raises(SourceUntrusted, match=r"a\.csv has changed since it was found"):
        source.fingerprint()
    path.unlink()
    with pytest.raises(SourceMissing, match=r"a\.csv does not exist"):
        source.fingerprint()


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
