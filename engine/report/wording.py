"""The words and numbers that the summary, the report page, notifications and `status` share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime

from engine.report.report import Report, RunStatus
from engine.values import ExitCode, Reason

_FAILURES = {
    ExitCode.BUG: "a bug in the engine",
    ExitCode.USAGE: "the configuration is wrong",
    ExitCode.SOURCE_UNTRUSTED: "the source cannot be trusted",
    ExitCode.SOURCE_MISSING: "the source is missing or empty",
    ExitCode.LOCKED: "another run holds the state directory",
    ExitCode.STATE_FAILED: "the state directory failed",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.ACCESS_REFUSED: "the token or the campaign was refused",
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """A thing to do next: why, and the command to type for it (empty when it takes a person, not a command)."""

    why: str
    command: str = ""


def verdict(report: Report) -> str:
    """Return how the run went, in a few sentences of plain words."""
    same = f" Its source is the very one of run {report.same_source_as}." if report.same_source_as else ""
    return _outcome(report) + same


def _outcome(report: Report) -> str:
    records = report.records
    match report.status:
        case RunStatus.SUCCEEDED if records.read == 0:
            return "Nothing to send."
        case RunStatus.SUCCEEDED if records.unchanged == records.read:
            return f"Nothing to send: none of the {counted(records.read, 'record')} needed an update."
        case RunStatus.SUCCEEDED if records.unchanged:
            return f"All {counted(records.read, 'record')} were delivered or needed no update."
        case RunStatus.SUCCEEDED if records.read == 1:
            return "The one record was delivered."
        case RunStatus.SUCCEEDED:
            return f"All {counted(records.read, 'record')} were delivered."
        case RunStatus.PARTIAL:
            were = "was" if report.not_accepted == 1 else "were"
            return f"Finished, but {report.not_accepted:,} of {counted(records.read, 'record')} {were} not accepted."
        case RunStatus.INTERRUPTED:
            return f"Not finished: {stop_reason(report)}. Run the same command again to resume."
        case RunStatus.FAILED:
            return f"Stopped: {stop_reason(report)}."


def stop_reason(report: Report) -> str:
    """Return why the run stopped, without a full stop."""
    exit_code = ExitCode(report.exit_code) if report.exit_code in set(ExitCode) else ExitCode.BUG
    return report.message.strip().rstrip(".") or _FAILURES.get(exit_code, "it stopped")


def next_steps(report: Report, config_path: str = "") -> list[NextStep]:
    """Return what to do after this run, the first thing first. `config_path` overrides the report's own."""
    config = shlex.quote(config_path or report.config_path or "config.toml")
    replay = f"python -m engine replay -c {config} {report.run_id}"
    again = replay if report.kind == "replay" else f"python -m engine sync -c {config}"
    match report.exit_code:
        case ExitCode.OK:
            return []
        case ExitCode.SOME_NOT_ACCEPTED:
            mend = "Correct the records that rejected.ndjson names at their source; the next run sends them."
            return [NextStep(mend), NextStep("Or send them again as they are:", replay)]
        case ExitCode.INTERRUPTED:
            return [NextStep("Resume; what was delivered is not sent again:", again)]
        case ExitCode.SOURCE_UNTRUSTED | ExitCode.SOURCE_MISSING | ExitCode.USAGE | ExitCode.ACCESS_REFUSED as code:
            check = NextStep("Find out what is wrong, without sending:", f"python -m engine check -c {config}")
            if report.left_nothing_to_resume:
                return [check, NextStep("Then run it again; nothing was sent:", again)]
            steps = [check, NextStep("Then go on where it stopped:", again)]
            if code == ExitCode.SOURCE_UNTRUSTED and report.kind == "sync":
                steps.append(NextStep("Or start over with the source as it is now:", f"{again} --fresh"))
            return steps
        case ExitCode.STATE_FAILED:
            return [NextStep("Once the state directory works again, go on:", again)]
        case _:
            return [NextStep("Report this with the log of the run, then try:", again)]


def counted(count: int, noun: str) -> str:
    """Return `1 record`, `1,000 records`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def seconds_text(seconds: float) -> str:
    """Return a duration such as `0.4 s`, `12 s`, `4 min 05 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def ms_text(milliseconds: float) -> str:
    """Return a latency such as `310 ms`, `1.2 s`."""
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else seconds_text(milliseconds / 1000)


def rate_text(per_s: float) -> str:
    """Return a rate such as `9.5`, `9,999`: one decimal only where it says something."""
    return f"{per_s:,.0f}" if per_s >= 99.95 or per_s == round(per_s) else f"{per_s:.1f}"


def bytes_text(count: int) -> str:
    """Return an amount of data such as `812 bytes`, `142 MB` (decimal units)."""
    if count < 1000:
        return counted(count, "byte")
    amount, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.1f} {units[0]}" if amount < 9.95 else f"{amount:,.0f} {units[0]}"


def shown(text: str, width_max: int = 60) -> str:
    """Return `text` fit for one line: control, invisible and direction-changing characters escaped, cut to size."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: width_max + 1])
    return visible if len(visible) <= width_max else visible[: width_max - 3] + "..."


def example_ids(reason: Reason) -> list[str]:
    """Return the example ids of `reason` fit to be shown, with `...` at the end when there are more like them."""
    ids = [shown(i, 40) for i in reason.example_ids if i.strip()]
    return [*ids, "..."] if ids and reason.count > len(reason.example_ids) else ids


def limits_text(report: Report) -> str:
    """Return the limits that were found, in words; empty when none was."""
    pacing = report.pacing
    found = []
    if pacing.rate_limit is not None:
        found.append(f"{rate_text(pacing.rate_limit)} requests/s")
    if pacing.in_flight_limit is not None:
        found.append(f"{pacing.in_flight_limit:,} in flight")
    if not found:
        return ""
    moved = f" (moved {counted(len(pacing.moves), 'time')})" if pacing.moves else ""
    return "found " + " and ".join(found) + moved


def age_text(moment: str, now: datetime) -> str:
    """Return how long ago a moment of a report was, such as `3 days`, `5 h`; less than an hour as `0 h`."""
    hours = max(0, round((now - datetime.fromisoformat(moment)).total_seconds())) // 3600
    return counted(hours // 24, "day") if hours >= 48 else f"{hours} h"


def moment_text(moment: str) -> str:
    """Return a moment as reports hold it the way people read it: `2026-11-23 02:00 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC" if len(moment) >= 16 else moment
