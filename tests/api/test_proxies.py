"""Whose reply it is that came through a proxy: the API's, passed on, or the proxy's own."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from engine.api.proxies import is_of_proxy, is_refusal, proxy_refuses


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (407, {}),
        (407, {"Proxy-Authenticate": "Basic realm=x"}),
        (401, {"proxy-authenticate": "Basic realm=x"}),
        (403, {"X-Squid-Error": "ERR_ACCESS_DENIED 0", "Server": "squid/5.7"}),
        (403, {"Server": "tinyproxy/1.11.1"}),
        (503, {"X-Squid-Error": "ERR_CONNECT_FAIL 111"}),
    ],
)
def test_a_proxy_is_known_by_its_own_headers(status: int, headers: dict[str, str]) -> None:
    assert is_of_proxy(status, CIMultiDict(headers))


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"Via": "1.1 squid", "X-Cache": "MISS from squid", "WWW-Authenticate": "Bearer"}),
        (403, {"Via": "1.1 tinyproxy (tinyproxy/1.11.1)", "Server": "nginx"}),
        (200, {"Server": "squid/5.7"}),
        (503, {}),
    ],
)
def test_what_it_passes_on_is_not_its_own(status: int, headers: dict[str, str]) -> None:
    assert not is_of_proxy(status, CIMultiDict(headers))


def test_only_what_stays_the_same_for_all_requests_is_a_refusal() -> None:
    statuses = (400, 401, 403, 404, 405, 407, 408, 413, 429, 500, 502, 503, 504)
    assert list(filter(is_refusal, statuses)) == [400, 401, 403, 404, 405, 407]


@pytest.mark.parametrize("status", [401, 407])
def test_a_missing_password_is_asked_for(status: int) -> None:
    assert "password" in str(proxy_refuses(status))
    assert "password" not in str(proxy_refuses(403))
