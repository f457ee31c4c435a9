"""What an attempt that the API itself did not answer leaves in doubt: may its records still be updated, later? Pure."""

from __future__ import annotations

from http import HTTPStatus

from engine.api.wire import NoReply, Reply

_CLOUDFLARE_GAVE_UP = 524
_GAVE_UP = frozenset({HTTPStatus.GATEWAY_TIMEOUT, _CLOUDFLARE_GAVE_UP})
_IN_DOUBT = _GAVE_UP | {HTTPStatus.BAD_GATEWAY}


def may_still_land(reply: Reply | NoReply) -> bool:
    """Return whether the server may be working on the request still, although nobody waits for its reply any more.

    502 and 504 are a gateway's words about a server that had the request (RFC 9110, 15.6.3 and 15.6.5).
    """
    return reply.may_land if isinstance(reply, NoReply) else reply.status in _IN_DOUBT


def gave_up_waiting(reply: Reply | NoReply) -> bool:
    """Return whether somebody, a gateway or this client, did not wait for the reply any longer."""
    return reply.timed_out if isinstance(reply, NoReply) else reply.status in _GAVE_UP
