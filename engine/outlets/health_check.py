"""Telling a health check how the night went: pings within limits, which never stop or fail a run.

They hold no record data; what goes wrong is returned as a sentence for the log. The address of a health check is as
good as a password, so no message repeats it.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit, urlunsplit

from engine.report import Report, counted, rate_text, seconds_text, unread_text, verdict
from engine.values import STATE_MEANINGS

PING_TIMEOUT_S = 5.0
PING_ATTEMPTS = 2
BODY_REASONS_MAX = 20
HEADERS = {"Content-Type": "text/plain; charset=utf-8"}


async def ping_start(url: str, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` that a run starts; return what went wrong, or None."""
    return await _ping(url, "start", "", timeout_s)


async def ping_end(url: str, report: Report, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` how a run ended; return what went wrong, or None.

    Success is `url` itself, anything else `url/<exit code>`; the body is `short_summary(report)`.
    """
    return await _ping(url, str(report.exit_code or ""), short_summary(report), timeout_s)


async def ping_no_run(url: str, exit_code: int, *, timeout_s: float = PING_TIMEOUT_S) -> str | None:
    """Tell the health check at `url` that a night left no report; return what went wrong, or None.

    The reason stays in the log: it names files.
    """
    text = f"no report: the run could not begin or met a bug, exit code {exit_code}; its log says why\n"
    return await _ping(url, str(exit_code), text, timeout_s)


def short_summary(report: Report) -> str:
    """Return the summary that leaves the machine: the verdict, counts and reasons, but no ids and no file names."""
    states = [(name, getattr(report.records, name)) for name in STATE_MEANINGS]
    counts = [f"read {report.records.read:,}", *(f"{name} {count:,}" for name, count in states if count)]
    unread = unread_text(report)
    lines = [
        verdict(report),
        f"run {report.run_id}, exit code {report.exit_code}",
        ", ".join([*counts, *([f"not read {unread}"] if unread else [])]),
        f"{seconds_text(report.duration_s)}, {rate_text(report.records_per_s)} records/s, "
        f"{counted(report.requests.sent, 'request')}, {report.requests.throttled:,} throttled",
    ]
    ranked = sorted(report.reasons, key=lambda r: -r.count)[:BODY_REASONS_MAX]
    lines += [f"{reason.count:,} {reason.outcome}: {reason.reason}" for reason in ranked]
    return "\n".join(lines) + "\n"


async def _ping(url: str, event: str, text: str, timeout_s: float) -> str | None:
    """Post `text` to `event` beneath `url`, a second time if need be, each within `timeout_s`."""
    import aiohttp  # here, because a run has it loaded, and who prints a body needs none

    timeout, problem = aiohttp.ClientTimeout(total=timeout_s), ""
    data = text.encode("utf-8", "replace")
    trust = await asyncio.to_thread(ssl.create_default_context)  # aiohttp's own may trust nobody: api/certificates.py
    for _ in range(PING_ATTEMPTS):
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.post(_beneath(url, event), data=data, headers=HEADERS, ssl=trust) as reply,
            ):
                if reply.status < 400:
                    return None
                problem = f"it answered {reply.status}"
        except TimeoutError:
            problem = f"no answer within {seconds_text(timeout_s)}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = type(error).__name__  # its text could hold the address
    return f"the health check could not be told: {problem}"


def _beneath(url: str, event: str) -> str:
    """Return `url` with `event` added to its path; a query stays where it is."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{event}")) if event else url
