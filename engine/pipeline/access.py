"""A token that was accepted, and is refused all at once: for how long that is borne, and what is tried meanwhile. Pure.

It may be a blip of a gateway, or the token is about to be replaced in its file: so the request is sent again for a
while. A 403 may also be a firewall's that dislikes a single record: so parts of what was refused are tried first.
"""

from __future__ import annotations

from http import HTTPStatus

from msgspec import Struct

GRACE_S = 30.0
"""For so long one request may be refused."""
DELAY_S_MAX = 5.0
"""The longest time between two of its attempts; the token is read again before each."""
PROBES_MAX = 8
"""So many 403 in a row, with no success between them, are looked into by parts; after that they are a refusal."""

BORNE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class Grace(Struct):
    """That of one request. Times are of the loop's clock, in seconds."""

    refused_at: float | None = None
    refusals: int = 0

    def delay_s(self, now: float) -> float | None:
        """Note a refusal; return when to try again, or None if it has been borne for long enough."""
        self.refused_at = now if self.refused_at is None else self.refused_at
        left_s = self.refused_at + GRACE_S - now
        delay_s = min(2.0**self.refusals, DELAY_S_MAX, left_s)
        self.refusals += 1
        return delay_s if left_s > 0 else None


class Access:
    """What all requests of a run know of its access.

    `succeeded_earlier`: requests of an earlier process of the run have succeeded, so what is left over may be just what
    a firewall dislikes.
    """

    def __init__(self, *, succeeded_earlier: bool = False) -> None:
        self.has_passed = False
        """Whether a request of this process has succeeded."""
        self._succeeded_earlier = succeeded_earlier
        self._forbidden = 0

    def passed(self) -> None:
        """A request has succeeded."""
        self.has_passed = True
        self._forbidden = 0

    def may_be_a_record(self, status: int, *, is_page: bool = False) -> bool:
        """Note a refusal; return whether to find out by parts if a record is the reason.

        Before any success a 403 is about the token, unless it is a web page (`is_page`), as firewalls send it.
        """
        if status != HTTPStatus.FORBIDDEN or not (self.has_passed or self._succeeded_earlier or is_page):
            return False
        self._forbidden += 1
        return self._forbidden <= PROBES_MAX
