"""Replies that ask for fewer requests. Pure.

429 says so (RFC 6585, section 4). 403 and 420 may, where their words do: gateways limit rates so, and it is neither the
token nor a record that they refuse.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from engine.api.wire import Reply

_BY_WORDS = frozenset({403, 420})
_LOOKED_AT_BYTES = 4_096
_TOO_FAST = re.compile(
    rb"rate[ _-]?limit|too[ _-]many[ _-]requests|throttl|slow[ _-]?down|request[ _-]limit|enhance your calm",
    re.IGNORECASE,
)


def asks_to_slow_down(reply: Reply) -> bool:
    """Return whether `reply` refuses a request because there are too many of them."""
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return reply.status in _BY_WORDS and bool(reply.body and _TOO_FAST.search(reply.body[:_LOOKED_AT_BYTES]))
