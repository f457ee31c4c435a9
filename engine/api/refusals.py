"""Replies after which no request will work until a person has mended something, and the errors that say so. Pure.

The words are the engine's own: the server's might hold a secret.
"""

from __future__ import annotations

from http import HTTPStatus

from engine.api.documents import WEB_PAGE, kind_of
from engine.api.proxies import is_refused_by_proxy, proxy_refuses
from engine.api.wire import Reply
from engine.values import AccessRefused, CampaignMissing, EndpointUntrusted, EngineError, NotTheApi

_REFUSES_ACCESS = frozenset({401, 402, 403, 404, 410, 451})
_REFUSES_FORM = frozenset({405, 406, 411, 414, 415, 417, 426, 428, 431, 501, 505, 506, 510})
"""They speak of the request line and the headers, which are the same for all records."""
_NETWORK_LOGIN = HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED
_STOPS = _REFUSES_ACCESS | _REFUSES_FORM | {_NETWORK_LOGIN}


def why_it_stops(reply: Reply) -> EngineError | None:
    """Return the error to stop with, or None if the records, or the moment, may be the reason of the reply."""
    status = reply.status
    if 300 <= status < 400:
        return EndpointUntrusted(
            f"the API answered with a redirect (HTTP {status}), which is never followed because the body is personal "
            "data; check api.url"
        )
    if is_refused_by_proxy(reply):
        return proxy_refuses(status)
    if status not in _STOPS:
        return None
    kind = kind_of(reply.body)
    if status == _NETWORK_LOGIN or (kind == WEB_PAGE and status != HTTPStatus.UNAUTHORIZED):
        return not_the_api(f"HTTP {status} with {kind}")
    if status in _REFUSES_FORM:
        return AccessRefused(
            f"the API refuses the form of our requests (HTTP {_named(status)}), whatever stands in their records; "
            "check api.url, and that no gateway in between forbids PUT requests with JSON"
        )
    return _why_no_access(status, kind)


def not_the_api(oddity: str) -> NotTheApi:
    """Return the error for replies that are nothing the API documents; `oddity` says what they are."""
    if oddity.endswith(WEB_PAGE):
        return NotTheApi(
            f"this is not the API: {oddity}, as from a gateway, a portal or a login page; check api.url, and what "
            "stands between this machine and the API (api.proxy)"
        )
    return NotTheApi(
        f"the server at api.url answers in a way that the API's documentation does not know: {oddity}; check api.url"
    )


def _why_no_access(status: int, kind: str) -> AccessRefused:
    if status == HTTPStatus.UNAUTHORIZED:
        hint = f", with {kind}: check api.url, too" if kind == WEB_PAGE else ""
        return AccessRefused(
            f"the API refused the token (HTTP 401{hint}); put a valid one into api.token_env or token_file"
        )
    if status == HTTPStatus.NOT_FOUND:
        return CampaignMissing(
            "the API does not know the campaign or the address (HTTP 404); check api.campaign_id and api.url"
        )
    return AccessRefused(
        f"the API refused access (HTTP {status}); check that the token may write to api.campaign_id, and api.org_id"
    )


def _named(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
