"""From one reply of the API to what it proves about each record. Pure.

The rule: a record counts as updated only if the reply proves it. A reply is believed when its counts agree with what
was sent and with each other (`results{total, valid, invalid, successful, failed, errors}` as in the bulk update API's
page); failures are attributed by the shapes in `attribution.py`; what stays open is `Unproven`, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from engine.api.attribution import WITHOUT_REASON, Attribution, attribute
from engine.api.documents import kind_of, object_of
from engine.api.reasons import message_of
from engine.api.refusals import why_it_stops
from engine.api.throttling import asks_to_slow_down
from engine.api.wire import NoReply, Reply
from engine.values import EngineError, Failure, Outcome

ERRORS_PER_RECORD_MAX = 50
"""A record may break several rules at once; a list longer than that is noise, and not looked through."""

_TRANSIENT = frozenset({408, 409, 421, 423, 424, 425, 499})
"""Statuses below 500 that may be gone later."""
_THROTTLES = frozenset({HTTPStatus.TOO_MANY_REQUESTS.value, HTTPStatus.SERVICE_UNAVAILABLE.value})
"""Statuses of a single record that ask for fewer requests."""


class Trouble(Enum):
    """What kept a request from being settled; `retry.py` treats each in its own way."""

    THROTTLED = auto()
    """The server asks for fewer requests (429)."""
    OUTAGE = auto()
    """No reply, a 5xx, or something unreadable: the API is not there at the moment."""
    CONTRADICTION = auto()
    """The API is there, but its reply can't be believed."""


class Settled(Struct, frozen=True):
    """Every record is proven: those in `failures` were refused, all others updated."""

    failures: tuple[Failure, ...] = ()
    retried: int = 0
    """Records the server retried because of version conflicts."""
    index_base: int | None = None
    """From which number the API counts records, if the reply proves it."""


class Unproven(Struct, frozen=True):
    """The named `failures` are proven, the records at `open_indexes` are not: some of them failed, unnamed."""

    failures: tuple[Failure, ...]
    open_indexes: Sequence[int]
    reason: str
    http_status: int | None
    trouble: Trouble | None = None
    """Set if the open records were not refused, but may be sent again: why their turn has not come."""
    index_base: int | None = None
    """From which number the API counts records, if the reply proves it."""


class RefusedWhole(Struct, frozen=True):
    """Nothing was applied, because of the request as a whole: one record may have spoilt it for all."""

    reason: str
    http_status: int
    too_large: bool = False
    oddity: str = ""
    """What came, if it is not what the API documents: somebody else may have answered."""


class TryAgain(Struct, frozen=True):
    """The same bytes may work later."""

    reason: str
    trouble: Trouble
    http_status: int | None = None
    said: str = ""
    """The API's own words, if it said why."""
    oddity: str = ""
    """What came, if it is not what the API documents: somebody else may have answered."""


class Fatal(Struct, frozen=True):
    """No request will work until a person has mended something."""

    error: EngineError
    http_status: int


Verdict = Settled | Unproven | RefusedWhole | TryAgain | Fatal


def interpret(reply: Reply | NoReply, ids: Sequence[str], index_base: int | None = None) -> Verdict:
    """Return what `reply` proves about the records `ids` that were sent, in that order, in one request.

    `index_base` is what earlier replies have proven: from which number the API counts records.
    """
    if isinstance(reply, NoReply):
        return Fatal(reply.fatal, 0) if reply.fatal is not None else TryAgain(reply.reason, Trouble.OUTAGE)
    status = reply.status
    if asks_to_slow_down(reply):
        return TryAgain(_named(reply), Trouble.THROTTLED, status, message_of(object_of(reply.body)) or "")
    error = why_it_stops(reply)
    if error is not None:
        return Fatal(error, status)
    document = object_of(reply.body)
    results = document.get("results") if document is not None else None
    if isinstance(results, dict):
        return _read_results(results, document or {}, status, ids, index_base)
    oddity = f"HTTP {status} with {kind_of(reply.body)}"
    if 200 <= status < 300:
        trouble = Trouble.OUTAGE if document is None else Trouble.CONTRADICTION
        return TryAgain(f"HTTP {status}, but the reply could not be read", trouble, status, oddity=oddity)
    if status in _TRANSIENT or status >= 500 or status < 200:
        return TryAgain(_named(reply), Trouble.OUTAGE, status, message_of(document) or "")
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    is_documented = document is not None and document.get("success") is False
    reason = message_of(document) or f"HTTP {status}"
    return RefusedWhole(reason, status, too_large, oddity="" if is_documented else oddity)


def _named(reply: Reply) -> str:
    return f"the proxy answered HTTP {reply.status}" if reply.by_proxy else f"HTTP {reply.status}"


def _read_results(
    results: dict[str, Any], document: dict[str, Any], status: int, ids: Sequence[str], index_base: int | None
) -> Settled | Unproven | RefusedWhole | TryAgain:
    failed = _proven_failures(results, len(ids))
    errors = [] if results.get("errors") is None else results["errors"]
    if failed is None or not isinstance(errors, list) or len(errors) > ERRORS_PER_RECORD_MAX * len(ids):
        return _contradiction("the counts of the reply do not add up", status)
    if failed == 0:
        if errors or document.get("success") is not True or not 200 <= status < 300:
            return _contradiction("the reply contradicts itself", status)
        return Settled(retried=_count(results, "retried") or 0)
    if failed == len(ids) and status >= 500:
        said = _said_of_one(errors, document, ids) if len(ids) == 1 else ""
        return TryAgain(f"HTTP {status}: every record failed", Trouble.OUTAGE, status, said)
    attribution = attribute(errors, ids, index_base)
    named = len(attribution.reasons) + len(attribution.again)
    if named > failed:
        return _contradiction("the reply names more records than it says failed", status)
    if attribution.again or (errors and None not in attribution.statuses):
        return _read_again(attribution, failed, status, len(ids))
    failures = _failures(attribution, status)
    if named == failed:
        return Settled(failures, _count(results, "retried") or 0, attribution.index_base)
    reason = message_of(document) or f"HTTP {status}"
    unnamed_reason = attribution.unnamed_reason or reason
    if failed == len(ids) == 1:
        return Settled((Failure(0, Outcome.REJECTED, unnamed_reason, status),), index_base=attribution.index_base)
    if failed == len(ids) and not failures:
        return RefusedWhole(unnamed_reason, status)
    return _unproven(attribution, status, len(ids))


def _said_of_one(errors: Sequence[Any], document: dict[str, Any], ids: Sequence[str]) -> str:
    """Return why the only record of a request failed. A server in trouble may say that of each: it is no proof yet."""
    attribution = attribute(errors, ids)
    if attribution.again:
        return ""
    of_record = attribution.reasons.get(0) or attribution.unnamed_reason
    if of_record is None and document.get("success") is False:
        of_record = message_of(document)
    return of_record if of_record not in (None, WITHOUT_REASON) else ""


def _read_again(attribution: Attribution, failed: int, status: int, sent: int) -> Unproven | TryAgain:
    """Some records were not refused, only not dealt with: these are to be sent again."""
    statuses = sorted(each for each in attribution.statuses if each is not None)
    trouble = Trouble.THROTTLED if _THROTTLES & set(statuses) else Trouble.OUTAGE
    reason = f"HTTP {status}, and HTTP {', '.join(map(str, statuses))} for single records"
    are_named = len(attribution.reasons) + len(attribution.again) == failed
    if len(attribution.again) == sent or not (are_named or None in attribution.statuses):
        return TryAgain(reason, trouble, status)
    if not are_named:
        return _unproven(attribution, status, sent)
    failures = _failures(attribution, status)
    return Unproven(failures, sorted(attribution.again), reason, status, trouble, attribution.index_base)


def _unproven(attribution: Attribution, status: int, sent: int) -> Unproven:
    left = [index for index in range(sent) if index not in attribution.reasons]
    reason = "the reply does not name every record that failed"
    return Unproven(_failures(attribution, status), left, reason, status, index_base=attribution.index_base)


def _contradiction(reason: str, status: int) -> TryAgain:
    return TryAgain(reason, Trouble.CONTRADICTION, status, oddity=f"HTTP {status}, and {reason}")


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
        Failure(index, Outcome.REJECTED, reason, status) for index, reason in sorted(attribution.reasons.items())
    )


def _count(results: dict[str, Any], key: str) -> int | None:
    value = results.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
