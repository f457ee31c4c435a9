"""Text in other encodings: the same text in UTF-8, however it is cut, and a mark where there is none."""

from __future__ import annotations

import io

import pytest
from hypothesis import assume, given, strategies as st

from engine.sources.stored.compression import UnreadableData
from engine.sources.stored.transcoding import NEVER_IN_UTF8, Marked, Transcoded

TEXT = "id,name\nLN1,Zoë “Ärger” €\nLN2,x\r\n"
INDIAN = "id,नाम\n1,आशा\n2,🎉\n"


class Trickle(io.BytesIO):
    """Gives at most `size` bytes at once."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._size, size if size and size > 0 else self._size))


def transcoded(content: bytes, encoding: str, *, at_once: int = 1 << 16, size: int = 1 << 16) -> bytes:
    reader = Transcoded(Trickle(content, at_once), encoding)
    parts = list(iter(lambda: reader.read(size), b""))
    assert reader.read(size) == b""
    assert all(len(part) <= size for part in parts)
    return b"".join(parts)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp437"])
@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_it_is_the_same_text(encoding: str, size: int) -> None:
    text = TEXT if encoding not in ("latin-1", "cp437") else "id,name\nLN1,äöü\n"
    assert transcoded(text.encode(encoding), encoding, at_once=size, size=size) == text.encode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "gb18030"])
def test_characters_may_be_cut_anywhere(encoding: str) -> None:
    for size in range(1, 9):
        assert transcoded(INDIAN.encode(encoding), encoding, at_once=size) == INDIAN.encode()


@given(st.text(), st.integers(1, 7), st.sampled_from(["utf-16", "utf-16-be", "utf-32"]))
def test_any_text(text: str, size: int, encoding: str) -> None:
    assert transcoded(text.encode(encoding), encoding, at_once=size, size=size) == text.encode()


def test_what_cannot_be_decoded_stays_visible_and_what_follows_is_read() -> None:
    found = transcoded(b"LN1,a\x81b\nLN2,c\n", "cp1252")
    assert found == b"LN1,a" + NEVER_IN_UTF8 + b"b\nLN2,c\n"
    with pytest.raises(UnicodeDecodeError):
        found.decode()


def test_half_a_character_at_the_end_stays_visible() -> None:
    assert transcoded("a,b\n1,2".encode("utf-16-le")[:-1], "utf-16-le") == b"a,b\n1," + NEVER_IN_UTF8


def test_nothing_is_nothing() -> None:
    assert transcoded(b"", "utf-16") == transcoded(b"", "cp1252") == b""


@pytest.mark.parametrize(
    ("encoding", "written"), [("utf-16", "utf-16-le"), ("utf-16", "utf-8"), ("utf-32", "utf-32-be")]
)
def test_text_without_the_mark_that_its_encoding_needs_is_told_what_to_set(encoding: str, written: str) -> None:
    with pytest.raises(UnreadableData, match=f'byte order mark.*"{encoding}-le" or "{encoding}-be"'):
        transcoded(TEXT.encode(written), encoding)


@given(st.binary(max_size=9), st.integers(1, 5), st.integers(1, 5))
def test_bytes_without_a_mark_pass_as_they_are(content: bytes, at_once: int, size: int) -> None:
    assume(not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")))
    marked = Marked(Trickle(content, at_once))
    assert b"".join(iter(lambda: marked.read(size), b"")) == content
    assert marked.encoding is None
