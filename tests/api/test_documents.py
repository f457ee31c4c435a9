"""What the body of a reply is: JSON with or without a byte order mark, and words for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from engine.api.documents import json_of, kind_of, object_of


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert object_of(b'\xef\xbb\xbf{"success":true}') == {"success": True}
    assert json_of(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    "body", [None, b"", b"\xef\xbb\xbf", b"OK", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"[1]", b"null", b"4"]
)
def test_what_is_no_object_is_none(body: bytes | None) -> None:
    assert object_of(body) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\r\n <html><body>400 Bad Request</body></html>", "a web page"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (b"", "no body"),
        (b" \r\n", "no body"),
        (b"Bad Request", "a text that is no JSON"),
        (b'{"success":tr', "a text that is no JSON"),
        (b"\xff\xfe", "a text that is no JSON"),
        (b"null", "JSON that is no object"),
        (b"[]", "JSON that is no object"),
        (b'{"jobId": "7"}', "a JSON object without results"),
        (b'{"results": 7}', "a JSON object without results"),
        (b'{"results": {}}', "results"),
        (None, "a body that can't be decoded, or is too large"),
    ],
)
def test_a_kind_says_what_came_instead(body: bytes | None, kind: str) -> None:
    assert kind_of(body) == kind


@given(st.binary() | st.none())
def test_every_body_is_of_some_kind(body: bytes | None) -> None:
    assert kind_of(body)
