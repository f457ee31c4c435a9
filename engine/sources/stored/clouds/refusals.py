"""What an object store's refusal means. Its own text is never shown: it may hold addresses with secrets."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

_STATUS = re.compile(r"status: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]{1,60})\s*</Code>")
_NO_IDENTITY = re.compile(
    r"169\.254\.\d+\.\d+|fd00:ec2::254|metadata\.google\.internal|computeMetadata|/latest/(?:api/token|meta-data)"
    r"|metadata/identity|AccessRefused|(?i:missing (?:account|access|secret)|no credentials|must be specified)"
)
"""Where instances ask for their role (what fails there fails because nothing else says who we are), and what a profile
raises that has no keys."""
_IDENTITY_CODES = re.compile(
    r"ExpiredToken|InvalidToken|TokenRefreshRequired|TokenExpired|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied"
    r"|RequestTimeTooSkewed|RequestExpired|InvalidAuthenticationInfo|AuthenticationFailed|AuthorizationFailure"
    r"|invalid_grant|UnrecognizedClient|InvalidSecurity|NotSignedUp"
)
_OTHER_REGION = re.compile(
    r"redirect without LOCATION|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint"
)
_PASSING_STATUSES = (408, 425, 429)


class Refusal(Enum):
    """What is to be done about a failed request."""

    MISSING = auto()
    """There is no such object."""
    NO_PLACE = auto()
    """There is no such bucket."""
    REPLACED = auto()
    """The object is not the version that was asked for."""
    NO_IDENTITY = auto()
    """Nothing says who we are."""
    IDENTITY = auto()
    """Who we are is refused."""
    CERTIFICATE = auto()
    """The server can't prove who it is."""
    REGION = auto()
    """The bucket lies elsewhere."""
    FINAL = auto()
    """Asking again would not help."""
    PASSING = auto()
    """Asking again may help."""


class Answer(NamedTuple):
    """`words` say how the store answered: nothing of its own text but status and error code."""

    refusal: Refusal
    words: str


def understood(error: Exception) -> Answer:
    """Return what a failed request means; `error` is what obstore raised."""
    text = str(error)
    status = int(found[1]) if (found := _STATUS.search(text)) else None
    code = found[1] if (found := _CODE.search(text)) else None
    words = " ".join(filter(None, [f"status {status}" if status else _words_of(text), code]))
    return Answer(_refusal(error, text, status, code), words)


def _refusal(error: Exception, text: str, status: int | None, code: str | None) -> Refusal:
    if _NO_IDENTITY.search(text):
        return Refusal.NO_IDENTITY
    if code in ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName"):
        return Refusal.NO_PLACE
    if isinstance(error, FileNotFoundError) or code in ("NoSuchKey", "BlobNotFound"):
        return Refusal.MISSING
    if status in (412, 416):
        return Refusal.REPLACED
    if _OTHER_REGION.search(text):
        return Refusal.REGION
    if status in (401, 403) or (code and _IDENTITY_CODES.search(code)):
        return Refusal.IDENTITY
    if re.search(r"certificate|UnknownIssuer|CaUsedAsEndEntity", text):
        return Refusal.CERTIFICATE
    if status is not None and 400 <= status < 500 and status not in _PASSING_STATUSES:
        return Refusal.NO_PLACE if status == 404 else Refusal.FINAL
    return Refusal.PASSING


def _words_of(text: str) -> str:
    if re.search(r"kind: Timeout|TimedOut|timed out", text):
        return "it has been silent for too long"
    if re.search(r"kind: Connect|ConnectError|dns error", text):
        return "no connection"
    return "the connection was cut"
