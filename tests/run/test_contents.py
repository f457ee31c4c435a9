"""What a run knows of its source: sizes at once, digests as files come to their ends, and what contradicts them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from engine.run.contents import Contents
from engine.sources.stored.fingerprint import FileFingerprint
from engine.values import Chunk
from engine.values.errors import SourceUntrusted
from tests.fakes import chunk_of


def with_digest(seq: int, **digests: str) -> Chunk:
    chunk = chunk_of(f"id{seq}", seq=seq)
    chunk.digests = digests
    return chunk


def read(contents: Contents, chunks: Iterable[Chunk]) -> list[int]:
    return [chunk.seq for chunk in contents.reading(chunks)]


def test_digests_are_known_from_the_chunk_on_that_brings_them() -> None:
    contents = Contents({"a": 5, "b": 7}, {})
    chunks = contents.reading([with_digest(0), with_digest(1, a="da"), with_digest(2, b="db")])
    next(chunks)
    assert contents.fingerprint() == {"a": FileFingerprint(5), "b": FileFingerprint(7)}
    next(chunks)
    assert contents.fingerprint() == {"a": FileFingerprint(5, "da"), "b": FileFingerprint(7)}
    next(chunks)
    assert contents.fingerprint() == {"a": FileFingerprint(5, "da"), "b": FileFingerprint(7, "db")}


def test_what_an_earlier_process_has_found_stays_known() -> None:
    contents = Contents({"a": 5, "b": 7}, {"a": [5, "da"], "b": [7, None]})
    assert contents.fingerprint() == {"a": FileFingerprint(5, "da"), "b": FileFingerprint(7)}
    assert read(contents, [with_digest(0, a="da"), with_digest(1, b="db")]) == [0, 1]


def test_no_chunk_passes_that_shows_another_content() -> None:
    contents = Contents({"a": 5}, {"a": [5, "da"]})
    passed: list[int] = []
    with pytest.raises(
        SourceUntrusted,
        match=r"since this run began: a has the same size, but different content; restore it .* --fresh",
    ):
        passed.extend(chunk.seq for chunk in contents.reading([with_digest(0), with_digest(1, a="other")]))
    assert passed == [0]


def identity(sizes: dict[str, int], **digests: str) -> str | None:
    contents = Contents(sizes, {})
    read(contents, [with_digest(0, **digests)])
    return contents.identity()


def test_the_same_bytes_have_one_identity_whatever_the_files_are_called() -> None:
    found = identity({"a": 5, "b": 7}, a="da", b="db")
    assert found is not None
    assert identity({"x": 5, "y": 7, "empty": 0}, x="da", y="db") == found
    assert identity({"a": 5, "b": 7}, a="db", b="da") != found
    assert identity({"a": 5}, a="da") != found


def test_without_all_digests_or_any_byte_there_is_no_identity() -> None:
    assert identity({"a": 5, "b": 7}, a="da") is None
    assert identity({}) is None
    assert identity({"a": 0}) is None
