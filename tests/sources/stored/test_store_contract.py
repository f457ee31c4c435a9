"""What every store must do, whatever it is made of. Another implementation is another entry in `PLACES`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.sources.stored.local import LocalStore
from engine.sources.stored.store import Store, StoredStream
from engine.values.errors import SourceMissing, SourceUntrusted


class Place(NamedTuple):
    """A store, and how a test puts objects into it: by keys with slashes, below `root`."""

    store: Store
    root: str
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]

    def paths(self, pattern: str) -> list[str]:
        """The keys that a pattern finds."""
        return [stored.path.removeprefix(self.root) for stored in self.store.list(self.root + pattern)]

    def content(self, key: str, start: int = 0) -> bytes:
        (stored,) = self.store.list(self.root + key)
        with self.store.open(stored, start) as stream:
            return read_all(stream)


def read_all(stream: StoredStream) -> bytes:
    return b"".join(iter(lambda: stream.read(1000), b""))


def local(folder: Path) -> Place:
    def put(key: str, content: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return Place(LocalStore(), f"{folder}/", put, lambda key: (folder / key).unlink())


PLACES: dict[str, Callable[[Path], Place]] = {"local": local}


def filled(place: Place) -> Place:
    """Return an empty place with the files that the suite is about."""
    for key in ("b.csv", "a.csv", "d.ndjson", "old/c.csv", "old/older/e.csv"):
        place.put(key, key.encode() * 1000)
    return place


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return filled(PLACES[request.param](tmp_path))


class TestListing:
    def test_one_object_by_its_path(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        assert (stored.path, stored.size) == (f"{place.root}a.csv", 5000)

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("*.csv", ["a.csv", "b.csv"]),
            ("[b-z].*", ["b.csv", "d.ndjson"]),
            ("?.ndjson", ["d.ndjson"]),
            ("*/*.csv", ["old/c.csv"]),
            ("**/*.csv", ["a.csv", "b.csv", "old/c.csv", "old/older/e.csv"]),
            ("*", ["a.csv", "b.csv", "d.ndjson"]),
        ],
    )
    def test_a_glob_finds_objects_and_nothing_else_sorted(self, place: Place, pattern: str, found: list[str]) -> None:
        assert place.paths(pattern) == found

    def test_what_exists_is_never_taken_for_a_glob(self, place: Place) -> None:
        place.put("[ab].csv", b"x")
        assert place.paths("[ab].csv") == ["[ab].csv"]

    @pytest.mark.parametrize("key", ["with space.csv", "100%.csv", "#1.csv", "ä.csv", "नाम.csv", "a+b=c&d.csv"])
    def test_keys_are_literal(self, place: Place, key: str) -> None:
        place.put(key, b"x")
        assert place.paths(key) == [key]
        assert key in place.paths("*")
        assert place.content(key) == b"x"

    @pytest.mark.parametrize("pattern", ["none.csv", "none/a.csv", "*.tsv", "none/*"])
    def test_nothing_found_is_said(self, place: Place, pattern: str) -> None:
        with pytest.raises(SourceMissing) as caught:
            place.store.list(place.root + pattern)
        assert place.root + pattern in str(caught.value)

    @pytest.mark.parametrize("pattern", ["old", "old/"])
    def test_a_directory_means_all_objects_below_it_sorted(self, place: Place, pattern: str) -> None:
        place.put("old/a/d.csv", b"x")
        assert place.paths(pattern) == ["old/a/d.csv", "old/c.csv", "old/older/e.csv"]

    def test_hidden_objects_are_no_parts(self, place: Place) -> None:
        for key in ("out/_SUCCESS", "out/.part-0.csv.crc", "out/_temporary/0/part-1.csv", "out/.git/x.csv"):
            place.put(key, b"x")
        with pytest.raises(SourceMissing, match="directory without any file"):
            place.store.list(f"{place.root}out")
        place.put("out/part-0.csv", b"x")
        place.put("out/_day=1/part-1.csv", b"x")  # a key, as Spark has it
        for pattern in ("out", "out/**/*", "out/**"):
            assert place.paths(pattern) == ["out/_day=1/part-1.csv", "out/part-0.csv"]

    def test_hidden_objects_that_are_named_are_meant(self, place: Place) -> None:
        for key in ("_x.csv", ".y.csv", "_tmp/z.csv"):
            place.put(key, b"x")
        assert place.paths("_x.csv") == ["_x.csv"]
        assert place.paths("_*.csv") == ["_x.csv"]
        assert place.paths(".*.csv") == [".y.csv"]
        assert place.paths("_tmp/*") == ["_tmp/z.csv"]

    def test_a_glob_that_finds_nothing_but_directories_says_how_to_read_them(self, place: Place) -> None:
        with pytest.raises(SourceMissing, match=r"matches only directories; .*ol\*/\*\* means all files below them"):
            place.store.list(f"{place.root}ol*")

    def test_one_object_has_one_identity(self, place: Place) -> None:
        by_path, *others = [place.store.list(place.root + pattern)[0] for pattern in ("a.csv", "a*", "[a].csv")]
        assert {stored.identity for stored in others} == {by_path.identity}
        assert len({stored.identity for stored in place.store.list(f"{place.root}**/*")}) == 5


class TestVersions:
    def test_the_same_as_long_as_nothing_changes(self, place: Place) -> None:
        versions = {place.store.list(f"{place.root}a.csv")[0].version for _ in range(3)}
        assert len(versions) == 1

    def test_another_once_the_content_is_replaced(self, place: Place) -> None:
        (before,) = place.store.list(f"{place.root}a.csv")
        place.put("a.csv", b"another")
        (after,) = place.store.list(f"{place.root}a.csv")
        assert (before.size, after.size) == (5000, 7)
        assert before.version != after.version

    def test_only_the_version_that_was_listed_is_opened(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        place.put("a.csv", b"another")
        with pytest.raises(SourceUntrusted, match=r"a\.csv has changed"):
            place.store.open(stored)

    def test_what_has_gone_is_missing(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        place.remove("a.csv")
        with pytest.raises(SourceMissing, match=r"a\.csv"):
            place.store.open(stored)

    def test_when_it_was_changed_last_is_known(self, place: Place) -> None:
        before = time.time()
        place.put("new.csv", b"x")
        (stored,) = place.store.list(f"{place.root}new.csv")
        assert before - 2 <= stored.modified_at <= time.time() + 2

    def test_what_stays_as_it_was_is_verified(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        place.store.verify(stored)
        with place.store.open(stored) as stream:
            read_all(stream)
            place.store.verify(stored, stream)

    @pytest.mark.parametrize(
        ("content", "how"),
        [
            (b"longer" * 1000, r"a\.csv grew from 5,000 to 6,000 bytes while it was read"),
            (b"short", r"a\.csv shrank from 5,000 to 5 bytes while it was read"),
            (b"b.csv" * 1000, r"a\.csv was (written again|replaced) while it was read"),
            (None, r"a\.csv was removed while it was read"),
        ],
    )
    def test_what_has_changed_meanwhile_is_said(self, place: Place, content: bytes | None, how: str) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        with place.store.open(stored) as stream:
            place.remove("a.csv")
            if content is not None:
                place.put("a.csv", content)
            for open_stream in (None, stream):
                with pytest.raises(SourceUntrusted, match=f"{how}; when it is complete, run .* --fresh"):
                    place.store.verify(stored, open_stream)


class TestOpening:
    def test_all_of_it(self, place: Place) -> None:
        assert place.content("old/c.csv") == b"old/c.csv" * 1000

    @pytest.mark.parametrize("start", [0, 1, 4999, 5000])
    def test_from_any_byte_on(self, place: Place, start: int) -> None:
        assert place.content("a.csv", start) == (b"a.csv" * 1000)[start:]

    def test_an_empty_object(self, place: Place) -> None:
        place.put("empty.csv", b"")
        assert place.store.list(f"{place.root}empty.csv")[0].size == 0
        assert place.content("empty.csv") == b""

    def test_into_a_buffer(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        buffer, found = bytearray(700), b""
        with place.store.open(stored) as stream:
            while count := stream.readinto(buffer):
                found += buffer[:count]
        assert found == b"a.csv" * 1000

    def test_streams_are_independent(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        with place.store.open(stored) as first, place.store.open(stored, 5) as second:
            assert first.read(5) == b"a.csv"
            assert read_all(second) == b"a.csv" * 999
            assert read_all(first) == b"a.csv" * 999

    def test_at_random_places_as_parquet_is_read(self, place: Place) -> None:
        table = pa.table({"id": pa.array(range(10_000)), "v": ["x" * (i % 50) for i in range(10_000)]})
        written = pa.BufferOutputStream()
        pq.write_table(table, written, row_group_size=1_000)
        place.put("t.parquet", written.getvalue().to_pybytes())
        (stored,) = place.store.list(f"{place.root}t.parquet")
        with place.store.open(stored) as stream:
            assert stream.seekable()
            with pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 12) as file:
                assert file.read_row_group(7).equals(table.slice(7_000, 1_000))
                assert file.read().equals(table)
