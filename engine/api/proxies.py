"""The proxy of `api.proxy` answers some requests itself: which replies are its own, and what they mean. Pure.

A reply that it passes on has a `Via` of it, too, so that proves nothing; its errors have a header of their own, or its
name as the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from engine.api.wire import Reply
from engine.values import AccessRefused

_OWN_HEADERS = ("proxy-authenticate", "x-squid-error")
_OWN_NAMES = ("squid", "tinyproxy", "privoxy", "3proxy", "mitmproxy", "ccproxy", "bluecoat", "zscaler")
_PASSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS})
"""They speak of one request, whoever says so."""


def is_of_proxy(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether a reply that came through a proxy is the proxy's own."""
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return True
    server = headers.get("Server", "").lower()
    return status >= HTTPStatus.BAD_REQUEST and (
        any(name in headers for name in _OWN_HEADERS) or server.startswith(_OWN_NAMES)
    )


def is_refused_by_proxy(reply: Reply) -> bool:
    """Return whether the proxy itself will let nothing through; nobody else says 407."""
    if reply.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return True
    return reply.by_proxy and is_refusal(reply.status)


def is_refusal(status: int) -> bool:
    """Return whether this status of a proxy will be the same for every request."""
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSES


def proxy_refuses(status: int) -> AccessRefused:
    """Return the error for a proxy that lets nothing through; the address is not quoted, it may hold a password."""
    if status in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.UNAUTHORIZED):
        return AccessRefused(
            f"the proxy wants a user and a password, or refused them (HTTP {status}); put the right ones into "
            "api.proxy (http://USER:PASSWORD@HOST:PORT)"
        )
    return AccessRefused(
        f"the proxy (api.proxy) does not let requests to the API through (HTTP {status}); have it allow the host of "
        "api.url, or set another api.proxy"
    )
