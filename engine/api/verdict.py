"""From one reply of the API to what it proves about each record. Pure.

The rule: a record counts as updated only if the reply proves it. A reply is believed when its counts agree with what
was sent and with each other (`results{total, valid, invalid, successful, failed, errors}` as in the bulk update API's
page); failures are attributed by the shapes in `attribution.py`; what stays open is `Unproven`, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from engine.api.attribution import Attribution, attribute
from engine.api.documents import object_of
from engine.api.wire import NoReply, Reply
from engine.values import AccessRefused, EndpointUntrusted, EngineError, Failure, Outcome

REASON_CHARACTERS_MAX = 300
"""Reasons are cut to this length: an API may answer with a page."""

ERRORS_PER_RECORD_MAX = 50
"""A record may break several rules at once; a list longer than that is noise, and not looked through."""

_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})
_REFUSES_ACCESS = frozenset({401, 402, 403, 404, 405, 407, 410, 451})


@dataclass(frozen=True, slots=True)
class Settled:
    """Every record is proven: those in `failures` were refused, all others updated."""

    failures: tuple[Failure, ...] = ()
    retried: int = 0
    """Records the server retried because of version conflicts."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """The named `failures` are proven, the records at `open_indexes` are not: some of them failed, unnamed."""

    failures: tuple[Failure, ...]
    open_indexes: Sequence[int]
    reason: str
    http_status: int | None


@dataclass(frozen=True, slots=True)
class RefusedWhole:
    """Nothing was applied, because of the request as a whole: one record may have spoilt it for all."""

    reason: str
    http_status: int
    too_large: bool = False


class Trouble(Enum):
    """What kept a request from being settled; `retry.py` treats each in its own way."""

    THROTTLED = auto()
    """The server asks for fewer requests (429)."""
    OUTAGE = auto()
    """No reply, a 5xx, or something unreadable: the API is not there at the moment."""
    CONTRADICTION = auto()
    """The API is there, but its reply can't be believed."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The same bytes may work later."""

    reason: str
    trouble: Trouble
    http_status: int | None = None
    said: str = ""
    """The API's own words, if it said why."""


@dataclass(frozen=True, slots=True)
class Fatal:
    """No request will work until a person has mended something."""

    error: EngineError
    http_status: int


Verdict = Settled | Unproven | RefusedWhole | TryAgain | Fatal


def interpret(reply: Reply | NoReply, ids: Sequence[str]) -> Verdict:
    """Return what `reply` proves about the records `ids` that were sent, in that order, in one request."""
    if isinstance(reply, NoReply) and reply.fatal is not None:
        return Fatal(reply.fatal, 0)
    if isinstance(reply, NoReply):
        return TryAgain(reply.reason, Trouble.OUTAGE)
    status = reply.status
    if status in _REFUSES_ACCESS or 300 <= status < 400:
        return Fatal(_why_it_stops(status), status)
    document = object_of(reply.body)
    results = document.get("results") if document is not None else None
    if isinstance(results, dict) and status != HTTPStatus.TOO_MANY_REQUESTS:
        return _read_results(results, document or {}, status, ids)
    if 200 <= status < 300:
        reason = f"HTTP {status}, but the reply could not be read"
        return TryAgain(reason, Trouble.OUTAGE if document is None else Trouble.CONTRADICTION, status)
    if status in _TRANSIENT or status >= 500 or status < 200:
        throttled = status == HTTPStatus.TOO_MANY_REQUESTS
        trouble = Trouble.THROTTLED if throttled else Trouble.OUTAGE
        return TryAgain(f"HTTP {status}", trouble, status, _message(document) or "")
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return RefusedWhole(_message(document) or f"HTTP {status}", status, too_large)


def _read_results(
    results: dict[str, Any], document: dict[str, Any], status: int, ids: Sequence[str]
) -> Settled | Unproven | RefusedWhole | TryAgain:
    failed = _proven_failures(results, len(ids))
    errors = [] if results.get("errors") is None else results["errors"]
    if failed is None or not isinstance(errors, list) or len(errors) > ERRORS_PER_RECORD_MAX * len(ids):
        return TryAgain("the counts of the reply do not add up", Trouble.CONTRADICTION, status)
    if failed == 0:
        if errors or document.get("success") is not True or not 200 <= status < 300:
            return TryAgain("the reply contradicts itself", Trouble.CONTRADICTION, status)
        return Settled(retried=_count(results, "retried") or 0)
    reason = _message(document) or f"HTTP {status}"
    if failed == len(ids) and status >= 500:
        return TryAgain(f"HTTP {status}: every record failed", Trouble.OUTAGE, status)
    attribution = attribute(errors, ids)
    if len(attribution.reasons) > failed:
        return TryAgain("the reply names more records than it says failed", Trouble.CONTRADICTION, status)
    failures = _failures(attribution, status)
    if len(failures) == failed:
        return Settled(failures, retried=_count(results, "retried") or 0)
    unnamed_reason = (attribution.unnamed_reason or reason)[:REASON_CHARACTERS_MAX]
    if failed == len(ids) == 1:
        return Settled((Failure(0, Outcome.REJECTED, unnamed_reason, status),))
    if failed == len(ids) and not failures:
        return RefusedWhole(unnamed_reason, status)
    left = [index for index in range(len(ids)) if index not in attribution.reasons]
    return Unproven(failures, left, "the reply does not name every record that failed", status)


def _proven_failures(results: dict[str, Any], sent: int) -> int | None:
    """Return how many of the `sent` records were not updated, or None if the counts contradict each other.

    `failed` may or may not include the records that failed the first validation (`invalid`): the page is silent.
    """
    total, successful, failed = (_count(results, key) for key in ("total", "successful", "failed"))
    if total != sent or successful is None or failed is None:
        return None
    invalid = _count(results, "invalid") if "invalid" in results else 0
    valid = _count(results, "valid") if "valid" in results else total - (invalid or 0)
    if invalid is None or valid is None or valid + invalid != total:
        return None
    if successful + failed not in (total, valid) or successful > valid:
        return None
    return total - successful


def _failures(attribution: Attribution, status: int) -> tuple[Failure, ...]:
    return tuple(
        Failure(index, Outcome.REJECTED, reason[:REASON_CHARACTERS_MAX], status)
        for index, reason in sorted(attribution.reasons.items())
    )


def _count(results: dict[str, Any], key: str) -> int | None:
    value = results.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _message(document: dict[str, Any] | None) -> str | None:
    for key in ("message", "error"):
        value = (document or {}).get(key)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.strip():
            return value.strip()[:REASON_CHARACTERS_MAX]
    return None


def _why_it_stops(status: int) -> EngineError:
    """The error for a refused access, in the engine's words: the server's own might hold a secret."""
    if 300 <= status < 400:
        return EndpointUntrusted(
            f"the API answered with a redirect (HTTP {status}), which is never followed because the body is personal "
            "data; check api.url"
        )
    if status in (401, 407):
        return AccessRefused(
            f"the API refused the token (HTTP {status}); put a valid one into api.token_env or token_file"
        )
    if status == 404:
        return AccessRefused(
            "the API does not know the campaign or the address (HTTP 404); check api.campaign_id and api.url"
        )
    return AccessRefused(
        f"the API refused access (HTTP {status}); check that the token may write to api.campaign_id, and api.org_id"
    )
