"""What the headers of a reply ask for: when to come again, and how much is left of a quota. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from msgspec import Struct

_SECONDS = re.compile(r"[0-9]{1,18}(\.[0-9]*)?")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for, in seconds, or None if it is missing or malformed.

    Seconds or an HTTP date (RFC 9110, section 10.2.3); a date is measured against the reply's own `Date`, so that
    two clocks need not agree. Fractions are accepted; everything else, negative numbers too, is malformed.
    """
    text = headers.get("retry-after", "").strip()
    return float(text) if _SECONDS.fullmatch(text) else _seconds_until(text, headers)


def date_of(headers: Mapping[str, str]) -> float | None:
    """Return the `Date` of a reply in seconds since the epoch, or None if it is missing or malformed."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _seconds_until(when: str, headers: Mapping[str, str]) -> float | None:
    now = date_of(headers)
    then = date_of({"date": when})
    return then - now if now is not None and then is not None and then >= now else None


class Quota(Struct, frozen=True):
    """What `RateLimit-*` headers say: `remaining` requests may start within the next `reset_s` seconds."""

    remaining: int
    reset_s: float


def quota_of(headers: Mapping[str, str]) -> Quota | None:
    """Return what the rate limit headers of a reply say, or None if they say nothing that is understood.

    `RateLimit-Remaining` and `RateLimit-Reset` of draft-ietf-httpapi-ratelimit-headers, or the same with `X-`; a reset
    that looks like a date since the epoch is measured against the reply's own `Date`.
    """
    for prefix in ("ratelimit-", "x-ratelimit-"):
        try:
            remaining = int(headers[prefix + "remaining"])
            reset_s = float(headers[prefix + "reset"])
        except (KeyError, ValueError):
            continue
        if reset_s > 1e9:
            date = date_of(headers)
            if date is None:
                continue
            reset_s -= date
        if remaining >= 0 and 0 <= reset_s < 86_400:
            return Quota(remaining, reset_s)
    return None
