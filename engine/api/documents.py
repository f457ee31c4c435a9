"""What stands in the body of a reply: a JSON document, a page, or nothing of the kind. Pure."""

from __future__ import annotations

import re
from typing import Any

import orjson

_BOM = b"\xef\xbb\xbf"
WEB_PAGE = "a web page"

_PAGE = re.compile(rb"\s*<(!doctype|html|head|body|title|\?xml|!--)", re.IGNORECASE)


def json_of(body: bytes | None) -> Any:
    """Return the JSON document that `body` is, or None; a byte order mark is ignored (RFC 8259, section 8.1)."""
    try:
        return orjson.loads(body.removeprefix(_BOM)) if body else None
    except orjson.JSONDecodeError:
        return None


def object_of(body: bytes | None) -> dict[str, Any] | None:
    """Return the JSON object that `body` is, or None."""
    document = json_of(body)
    return document if isinstance(document, dict) else None


def kind_of(body: bytes | None) -> str:
    """Say in words what `body` is, without quoting any of it: pages hold all kinds of things."""
    if body is None:
        return "a body that can't be decoded, or is too large"
    if not body.strip():
        return "no body"
    if _PAGE.match(body.removeprefix(_BOM)):
        return WEB_PAGE
    document = json_of(body)
    if isinstance(document, dict):
        return "results" if isinstance(document.get("results"), dict) else "a JSON object without results"
    return "JSON that is no object" if document is not None or body.strip() == b"null" else "a text that is no JSON"
