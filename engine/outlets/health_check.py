"""Telling others how the night went: pings to a health check, and a command of the operator's own.

Neither ever stops or fails a run, and neither learns any record data: failures are returned as sentences for the log.
The address of a health check is as good as a password, so no message repeats it.
"""

from __future__ import annotations

from threading import Thread
from urllib.parse import urlsplit, urlunsplit

from engine.report import Report, counted, rate_text, seconds_text, verdict
from engine.values import STATE_MEANINGS

PING_TIMEOUT_S = 5.0
PING_ATTEMPTS = 2
BODY_REASONS_MAX = 20


def ping_start(url: str, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` that a run starts; return what went wrong, or None. Blocks, within limits."""
    return _ping(url, "start", b"", timeout_s)


def ping_end(url: str, report: Report, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` how a run ended; return what went wrong, or None. Blocks, within limits.

    Success is `url` itself, anything else `url/<exit code>`; the body is `body(report)`.
    """
    event = str(report.exit_code) if report.exit_code else ""
    return _ping(url, event, body(report).encode("utf-8", "replace"), timeout_s)


def ping_no_run(url: str, exit_code: int, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` that a night left no report; return what went wrong, or None. Blocks.

    The reason stays in the log: it names files.
    """
    text = f"no report: the run could not begin or met a bug, exit code {exit_code}; its log says why\n"
    return _ping(url, str(exit_code), text.encode(), timeout_s)


def body(report: Report) -> str:
    """Return the summary that leaves the machine: the verdict, counts and reasons, but no ids and no file names."""
    states = [(name, getattr(report.records, name)) for name in STATE_MEANINGS]
    counts = [f"read {report.records.read:,}", *(f"{name} {count:,}" for name, count in states if count)]
    lines = [
        verdict(report),
        f"run {report.run_id}, exit code {report.exit_code}",
        ", ".join(counts),
        f"{seconds_text(report.duration_s)}, {rate_text(report.records_per_s)} records/s, "
        f"{counted(report.requests.sent, 'request')}, {report.requests.throttled:,} throttled",
    ]
    ranked = sorted(report.reasons, key=lambda r: -r.count)[:BODY_REASONS_MAX]
    lines += [f"{reason.count:,} {reason.outcome}: {reason.reason}" for reason in ranked]
    return "\n".join(lines) + "\n"


def _ping(url: str, event: str, data: bytes, timeout_s: float) -> str | None:
    """Post `data` to `event` beneath `url`, a second time if need be, each within `timeout_s`."""
    problem: str | None = None
    for _ in range(PING_ATTEMPTS):
        problem = _post_within(url, event, data, timeout_s)
        if problem is None:
            return None
    return f"the health check could not be told: {problem}"


def _post_within(url: str, event: str, data: bytes, timeout_s: float) -> str | None:
    """Post on a daemon thread, since no timeout of urllib's covers the look-up of a name."""
    outcome: list[str | None] = []

    def post() -> None:
        outcome.append(_post(url, event, data, timeout_s))

    thread = Thread(target=post, name="health check", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return outcome[0] if outcome else f"no answer within {seconds_text(timeout_s)}"


def _post(url: str, event: str, data: bytes, timeout_s: float) -> str | None:
    from http.client import HTTPException  # here, because they are slow to import and only needed where configured
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        address = _beneath(url, event)
        if not address.startswith(("http://", "https://")):
            return "its address is not an http or https URL"
        request = Request(address, data, headers, method="POST")  # noqa: S310 - checked above
        with urlopen(request, timeout=timeout_s):  # noqa: S310 - checked above
            return None
    except HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__  # its text could hold the address


def _beneath(url: str, event: str) -> str:
    """Return `url` with `event` added to its path; a query stays where it is."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{event}")) if event else url
