"""What one pass shows of a file: the digest of its bytes, and whether its last line has an end."""

from __future__ import annotations

import pytest
import xxhash

from engine.sources.stored.file_pass import FilePass


def test_the_digest_is_that_of_all_bytes_however_they_come() -> None:
    found = FilePass()
    for part in (b"abc", b"", b"def"):
        found.see_stored(part)
    assert found.digest() == xxhash.xxh3_128_hexdigest(b"abcdef")
    assert FilePass().digest() == "99aa06d3014798d86001c324468d497f"


@pytest.mark.parametrize(
    ("parts", "is_open"),
    [
        ([b"a\nb\n"], False),
        ([b"a\nb"], True),
        ([b"a\n", b"b"], True),
        ([b"a\nb", b"\n", b""], False),
        ([b"a\r\nb\r\n"], False),
        ([b"a\rb\r"], False),
        ([b"a\rb"], True),
        ([b"one line alone"], False),
        ([b"one line", b" alone"], False),
        ([], False),
    ],
)
def test_whether_the_last_line_has_an_end(parts: list[bytes], is_open: bool) -> None:
    found = FilePass()
    for part in parts:
        found.see_text(part)
    assert found.last_line_is_open == is_open
