"""Content encodings are undone as servers use them, whatever the pieces are, and never beyond the limit."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from engine.api.decompression import Decompression, Undecodable

TEXT = b'{"success":true,"results":{}}' * 20


def raw(text: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(text) + squeeze.flush()


MEMBERS = gzip.compress(TEXT[:100], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(TEXT[100:], mtime=0)
ENCODED = [
    ("", TEXT), ("identity", TEXT), ("Identity", TEXT),
    ("gzip", gzip.compress(TEXT, mtime=0)), ("x-gzip", gzip.compress(TEXT, mtime=0)),
    ("GZIP", gzip.compress(TEXT, mtime=0)), ("identity, gzip", gzip.compress(TEXT, mtime=0)),
    ("gzip", MEMBERS), ("gzip", MEMBERS + bytes(7)),
    ("deflate", zlib.compress(TEXT)), ("deflate", zlib.compress(TEXT, 9)), ("deflate", raw(TEXT)),
]  # fmt: skip


def decoded(encoding: str, pieces: list[bytes], limit: int = len(TEXT)) -> bytes:
    decompression = Decompression(encoding, limit)
    text = b"".join(map(decompression.feed, pieces))
    decompression.finish()
    return text


@pytest.mark.parametrize(("encoding", "body"), ENCODED)
def test_every_encoding_is_undone_whole_and_byte_by_byte(encoding: str, body: bytes) -> None:
    assert decoded(encoding, [body]) == TEXT
    assert decoded(encoding, [body[at : at + 1] for at in range(len(body))]) == TEXT


@pytest.mark.parametrize(("encoding", "body"), ENCODED)
def test_a_body_larger_than_the_limit_is_none(encoding: str, body: bytes) -> None:
    with pytest.raises(Undecodable):
        decoded(encoding, [body], limit=len(TEXT) - 1)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "gzipped"])
def test_an_unknown_encoding_is_not_guessed_at(encoding: str) -> None:
    with pytest.raises(Undecodable):
        Decompression(encoding, 100)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"{}"),
        ("gzip", MEMBERS[:-9]),
        ("gzip", MEMBERS + b"{}"),
        ("deflate", b""),
        ("deflate", b"x"),
        ("deflate", zlib.compress(TEXT)[:-1]),
        ("deflate", raw(TEXT)[:-1]),
        ("deflate", b"{}"),
    ],
)
def test_a_damaged_body_is_none(encoding: str, body: bytes) -> None:
    with pytest.raises(Undecodable):
        decoded(encoding, [body])


@given(st.sampled_from(["gzip", "x-gzip", "deflate", "identity"]), st.lists(st.binary(max_size=50)))
def test_no_bytes_make_it_fall_over(encoding: str, pieces: list[bytes]) -> None:
    with suppress(Undecodable):
        assert len(decoded(encoding, pieces, limit=100)) <= 100
