"""The sentences that the summary, the report page, notifications and `status` share."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from engine.report.delta_wording import gone_sentence, too_many_are_gone
from engine.report.formatting import counted, rate_text
from engine.report.report import FULL_ASKED_FOR, GONE_FILE, Report, RunStatus
from engine.values import IDS_COUNTED_EXACTLY, ExitCode, program

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


_OVERRIDE = re.compile(r"ENGINE_GUARD__[A-Z_]+=[\w%.]+")


@dataclass(frozen=True, slots=True)
class NextStep:
    """A thing to do next: why, and the command to type for it (empty when it takes a person, not a command)."""

    why: str
    command: str = ""


def verdict(report: Report) -> str:
    """Return how the run went, in a few sentences of plain words."""
    only = f"First {counted(report.limit, 'record')} only. " if report.limit is not None else ""
    same = f" Its source is the very one of run {report.same_source_as}." if report.same_source_as else ""
    return only + _outcome(report) + same


def _outcome(report: Report) -> str:
    match report.status:
        case RunStatus.SUCCEEDED | RunStatus.PARTIAL:
            return f"{_delivered(report)}.{gone_sentence(report)}"
        case RunStatus.INTERRUPTED:
            reason = stop_reason(report).removeprefix("not finished: ")  # older runs wrote that into the reason, too
            return f"Not finished: {reason}. Run the same command again to resume."
        case RunStatus.FAILED if done := _campaigns_done(report):
            of_all = counted(len(report.campaigns), "campaign")
            return f"Finished for {done:,} of {of_all}, stopped for the others: {stop_reason(report)}."
        case RunStatus.FAILED if too_many_are_gone(report):
            return f"{_delivered(report)}. Stopped then: {stop_reason(report)}."
        case RunStatus.FAILED:
            return f"Stopped: {stop_reason(report)}."


def _campaigns_done(report: Report) -> int:
    """Return how many of many campaigns came to their end in a run that did not."""
    return sum(each.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL) for each in report.campaigns)


def _delivered(report: Report) -> str:
    """Return what became of the records of a run that has tried them all, without a full stop."""
    records, read = report.records, _read(report)
    if report.not_accepted:
        were = "was" if report.not_accepted == 1 else "were"
        return f"Finished, but {report.not_accepted:,} of {read} {were} not accepted"
    if records.read == 0:
        return "Nothing to send"
    if records.unchanged == records.read:
        return f"Nothing to send: none of the {read} needed an update"
    if records.unchanged:
        return f"All {read} were delivered or needed no update"
    return "The one record was delivered" if records.read == 1 else f"All {read} were delivered"


def _read(report: Report) -> str:
    """Return how many records were read, and how many ids that are, where some come again."""
    records, ids = report.records, report.ids
    read = counted(records.read, "record")
    if ids is None or ids == records.read - records.invalid:
        return read
    about = "about " if ids > IDS_COUNTED_EXACTLY else ""
    return f"{read} ({about}{counted(ids, 'id')})"


HEADLINE_MAX = 110
"""A longer sentence is no headline: it stands below a shorter one."""


def headline(report: Report) -> tuple[str, str]:
    """Return how the run went in one short sentence, and what else there is to say about it (perhaps nothing)."""
    whole = verdict(report)
    if len(whole) <= HEADLINE_MAX:
        return whole, ""
    stopped, _, why = whole.partition(": ")
    why = why[:1].upper() + why[1:]
    if report.status is RunStatus.INTERRUPTED:
        return f"{stopped}: it can be resumed.", why
    if report.status is RunStatus.FAILED and not too_many_are_gone(report):
        return f"{stopped}: {why_failed(report.exit_code)}.", why
    first, _, rest = whole.partition(". ")
    return f"{first.rstrip('.')}.", rest


def stop_reason(report: Report) -> str:
    """Return why the run stopped, without a full stop."""
    return report.message.strip().rstrip(".") or why_failed(report.exit_code)


def why_failed(exit_code: int) -> str:
    """Return what an exit code means, without a full stop."""
    known = ExitCode(exit_code) if exit_code in set(ExitCode) else ExitCode.BUG
    return _FAILURES.get(known, "it stopped")


def find_command(report: Report) -> str:
    """Return how to ask whether a record has arrived."""
    return f"{program()} find -c {shlex.quote(report.config_path or 'config.toml')} ID"


def next_steps(report: Report, config_path: str = "") -> list[NextStep]:
    """Return what to do after this run, the first thing first. `config_path` overrides the report's own."""
    config = shlex.quote(config_path or report.config_path or "config.toml")
    replay = f"{program()} replay -c {config} {report.run_id}"
    limit = f" --limit {report.limit}" if report.limit is not None else ""
    full = " --full" if report.delta.full_reason == FULL_ASKED_FOR else ""
    again = replay if report.kind == "replay" else f"{program()} sync{limit}{full} -c {config}"
    match report.exit_code:
        case ExitCode.OK:
            return []
        case ExitCode.SOME_NOT_ACCEPTED:
            return _mending(report, replay)
        case ExitCode.SOURCE_UNTRUSTED if too_many_are_gone(report):
            return [
                NextStep(f"Look at {GONE_FILE}: are these ids really gone, or is the export not whole?"),
                NextStep("If they are gone, go on:", f"ENGINE_GUARD__MAX_GONE=100% {again}"),
                NextStep(
                    "If not, mend the export and begin anew; all that was delivered stays known:", f"{again} --fresh"
                ),
            ]
        case ExitCode.INTERRUPTED:
            return [NextStep("Resume; what was delivered is not sent again:", again)]
        case ExitCode.SOURCE_UNTRUSTED | ExitCode.SOURCE_MISSING | ExitCode.USAGE | ExitCode.ACCESS_REFUSED as code:
            check = NextStep("Find out what is wrong, without sending:", f"{program()} check -c {config}")
            if override := guard_override(report):
                return _after_guard(report, check, again, override)
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


def guard_override(report: Report) -> str:
    """Return what to put before a command to accept for one run what a guard has stopped; empty if none has."""
    found = _OVERRIDE.search(report.message) if report.exit_code == ExitCode.SOURCE_UNTRUSTED else None
    return found[0] if found else ""


def _after_guard(report: Report, check: NextStep, again: str, override: str) -> list[NextStep]:
    """Return what to do after a guard has stopped a run: the same command alone would be stopped once more."""
    if "MAX_REJECTED" in override:
        look = NextStep("Look at rejected.ndjson: why does the API not accept these records?")
    else:
        look = check
    steps = [look, NextStep("If it is right as it is, accept it for this run:", f"{override} {again}")]
    if report.left_nothing_to_resume:
        return [*steps, NextStep("Or run it again once it is mended; nothing was sent:", again)]
    if report.kind == "sync":
        steps.append(NextStep("Or mend the source, and start over with it:", f"{again} --fresh"))
    return steps


def _mending(report: Report, replay: str) -> list[NextStep]:
    steps = []
    if report.not_accepted:
        mend = "Correct the records that rejected.ndjson names at their source; the next run sends them."
        steps = [NextStep(mend)]
    sent = report.records.rejected + report.records.unknown  # what is invalid never was a record to send
    if sent and report.rejects_hold_data:
        those = "them" if sent == report.not_accepted else f"the {sent:,} that the API did not accept"
        steps.append(NextStep(f"Or send {those} again as they are:", replay))
    if report.gone.rejected or report.gone.unknown:
        steps.append(NextStep(f"{GONE_FILE} says who could not be told to be gone, and why; the next run tries again."))
    return steps


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
