"""How single values of the configuration are written: each function takes what TOML gave and returns the typed value.

They raise ValueError with what is wrong and how it should be, and never with the value itself.
"""

from __future__ import annotations

import codecs
import re
import shlex
from datetime import date, datetime, time
from ipaddress import ip_address
from math import isfinite
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from engine.sources import check_url

SHARE_JUDGED_FROM = 10
"""Fewer bad records than this are no share of anything: 1 of 10 says nothing about a source."""


class Threshold(Struct, frozen=True):
    """The most that is accepted: `count` records, or `percent` (0 to 100) of a total. One of the two is set."""

    count: int | None = None
    percent: float | None = None

    def exceeded(self, bad: int, total: int) -> bool:
        """Whether `bad` of `total` records are more than is accepted; exactly the limit is not."""
        if self.count is not None:
            return bad > self.count
        # Percent times total, not share times total: 29 of 100 must not be above 29 % for a rounding error.
        return bad >= SHARE_JUDGED_FROM and bad * 100 > (self.percent or 0.0) * total

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.count is None else str(self.count)


def as_text(value: Any) -> Any:
    """Refuse text that is empty or holds control characters; leave other types to the type check."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("must not be empty")
        if _has_control_characters(value):
            raise ValueError("must not hold control characters")
    return value


def as_query(value: Any) -> Any:
    """Refuse a query that is empty; it may have line breaks."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be empty")
    return value


def as_database_url(value: Any) -> Any:
    """Refuse what is no url of a database, and one with a password in it."""
    return check_url(value) if isinstance(value, str) else value


def as_constants(value: Any) -> Any:
    """Refuse a table without any field."""
    if value == {}:
        raise ValueError('must have a field at least, such as { payment_status = "closed" }')
    return value


def as_column_name(value: Any) -> Any:
    """Accept whatever can stand in a header, line breaks included; only nothing is no name."""
    if isinstance(value, str) and not value:
        raise ValueError("must not be empty")
    return value


def as_character(value: Any) -> Any:
    """Accept one character that is no line break."""
    if isinstance(value, str) and (len(value) != 1 or value in "\r\n\0"):
        raise ValueError("must be one character")
    return value


def as_mark(value: Any) -> Any:
    """Accept one character that can stand between the digits of a number without being read as one of its own."""
    value = as_character(value)
    if isinstance(value, str) and (value.isalnum() or value in "+-"):
        raise ValueError("must not be a letter, a digit or a sign: a number could mean two things")
    return value


def as_character_or_none(value: Any) -> Any:
    """Accept one character, or "" for none."""
    return value if value == "" else as_character(value)


_NO_ENCODINGS_OF_FILES = {"idna", "punycode", "raw-unicode-escape", "unicode-escape"}
"""What Python calls an encoding, but is one of host names or of its own source."""


def as_encoding(value: Any) -> Any:
    """Accept the name of a text encoding that Python knows."""
    if not isinstance(value, str):
        return value
    try:
        "".encode(value)
        name = codecs.lookup(value).name
    except (LookupError, ValueError, UnicodeError):
        name = None
    if name is None or name in _NO_ENCODINGS_OF_FILES:
        raise ValueError('must be the name of a text encoding such as "windows-1252" or "utf-16"')
    return name


def as_scalar(value: Any) -> Any:
    """Accept what JSON writes as one value: text, a boolean, a finite number; a date becomes its ISO text."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError("must be a whole number of at most 64 bits; write it as text")
    if not isinstance(value, (str, bool, int, float)):
        raise ValueError("must be text, a number or a boolean")
    return value


def as_word(value: Any) -> Any:
    """Return a value as the text that stands for it in a source."""
    value = as_scalar(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_words(value: Any) -> Any:
    """Return one value, or a list of them, as texts."""
    return tuple(map(as_word, value)) if isinstance(value, (list, tuple)) else (as_word(value),)


def as_date_format(value: Any) -> Any:
    """Accept a format of `strptime` that tells a whole date."""
    if not isinstance(value, str):
        return value
    some_day = datetime(2031, 11, 28)
    try:
        tells_all = datetime.strptime(some_day.strftime(value), value) == some_day
    except ValueError:
        tells_all = False
    if not tells_all:
        raise ValueError('must tell day, month and year as strptime does, such as "%d-%m-%Y"')
    return value


def as_duration(value: Any) -> Any:
    """Read `"90s"`, `"30m"`, `"20h"` or `"7d"` as seconds. A bare 7 is refused: it may be meant as days; 0 is 0."""
    if value == 0 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0.0
    match = (
        re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([smhd])\s*", value, re.ASCII) if isinstance(value, str) else None
    )
    if not match:
        raise ValueError('must be a number with s, m, h or d, such as "20h"')
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def as_header_text(value: Any) -> Any:
    """Accept what can stand in an HTTP header: printable ASCII."""
    text = as_text(value)
    if isinstance(text, str) and not text.isascii():
        raise ValueError("must be plain ASCII: it is sent as an HTTP header")
    return text


def as_list(value: Any) -> Any:
    """Make one text a list of one, and a list a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def as_arguments(value: Any) -> Any:
    """Split a command line into arguments as a shell would, without one; a list is taken as it is."""
    try:
        arguments = shlex.split(value) if isinstance(value, str) else as_list(value)
    except ValueError:
        raise ValueError("has a quote that is not closed") from None
    if isinstance(arguments, (list, tuple)) and not arguments:
        raise ValueError("must not be empty")
    return as_list(arguments)


def as_variable_name(value: Any) -> Any:
    """Accept the name of an environment variable."""
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, not the token itself")
    return value


def as_threshold(value: Any) -> Any:
    """Read `100` or `"100"` as a count and `"5%"` as a share."""
    if isinstance(value, Threshold):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Threshold(count=value)
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(%?)\s*", value, re.ASCII) if isinstance(value, str) else None
    if match and match[2] and float(match[1]) <= 100:
        return Threshold(percent=float(match[1]))
    if match and not match[2] and match[1].isdigit():
        return Threshold(count=int(match[1]))
    raise ValueError('must be a count (100) or a share of at most 100% ("5%")')


def as_deadline(value: Any) -> Any:
    """Read `"06:30"`, `"06:30:00"` or a TOML time."""
    if isinstance(value, time):
        return value
    match = (
        re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", value, re.ASCII) if isinstance(value, str) else None
    )
    if not match:
        raise ValueError('must be a local time of day such as "06:30"')
    return time(int(match[1]), int(match[2]), int(match[3] or 0))


def as_http_url(value: Any) -> Any:
    """Accept an http or https URL with a host; it may hold a secret."""
    if isinstance(value, str):
        _split(value)
    return value


def as_service_url(value: Any) -> Any:
    """Accept the base URL of the API, without its trailing slash: https, unless it never leaves this machine."""
    if not isinstance(value, str):
        return value
    parts = _split(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or a password")
    if "?" in value or "#" in value:
        raise ValueError("must not hold a query or a fragment")
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https:// (http:// is only for localhost, 127.0.0.1 and [::1])")
    return value.rstrip("/")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _has_control_characters(url) or " " in url:
        raise ValueError("must be a URL such as https://host/path")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_control_characters(text: str) -> bool:
    return any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text)
