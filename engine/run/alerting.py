"""When people are told by chat or e-mail of a run, and what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from engine.outlets import Alert, misunderstood, send_alert, short_summary
from engine.report import Report, RunStatus, latest_report, named, why_failed
from engine.settings import NotifyTable, RunSettings, variables_of
from engine.values import ConfigError, ExitCode

KINDS = {
    RunStatus.SUCCEEDED: "success",
    RunStatus.PARTIAL: "warning",
    RunStatus.INTERRUPTED: "warning",
    RunStatus.FAILED: "failure",
}
"""What Apprise calls an alert about a run of this status."""

NOT_TOLD_WITHOUT_A_RUN = (ExitCode.INTERRUPTED, ExitCode.LOCKED)
"""It is too early to go on, or another run is under way: nobody has to do anything."""


async def prove_addresses(table: NotifyTable) -> int:
    """Return how many addresses there are.

    Raises:
        ConfigError: nobody could be told by one of them: it is missing, or no address, or Apprise is not installed.
    """
    if not table.urls:
        return 0
    addresses = table.read_urls()
    if wrong := await asyncio.to_thread(misunderstood, addresses):
        raise ConfigError(f"{' and '.join(wrong)}: Apprise does not understand it; nothing was read or sent")
    return len(addresses)


def earlier_ends(runs: Path, kind: str, run_id: str) -> list[Report]:
    """Return how it ended the time before this (of the same run, if it was resumed), and the last complete run."""
    last = latest_report(runs, lambda report: report.kind == kind and report.run_id <= run_id)
    complete = latest_report(runs, lambda report: _is_complete(report, kind) and report.run_id < run_id)
    return [report for report in (last, complete) if report is not None]


def _is_complete(report: Report, kind: str) -> bool:
    return report.kind == kind and report.limit is None and report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def is_wanted(on: str, report: Report, earlier: Sequence[Report]) -> bool:
    """Whether people want to hear of this end. A run that goes on failing for the same reason is told once."""
    if on == "always":
        return True
    if on == "change":
        return {report.status} != ({end.status for end in earlier} or {RunStatus.SUCCEEDED})
    repeated = any((end.run_id, end.exit_code) == (report.run_id, report.exit_code) for end in earlier)
    return report.status is not RunStatus.SUCCEEDED and not repeated


async def alert_end(settings: RunSettings, report: Report, earlier: Sequence[Report]) -> str | None:
    """Tell people how a run ended, if they want to hear it; return what went wrong, or None."""
    if not settings.notify.urls or not is_wanted(settings.notify.on, report, earlier):
        return None
    title = f"bulk-sync {named(report)}: {report.status.value}"
    try:
        return await asyncio.to_thread(_send, settings, Alert(title, short_summary(report), KINDS[report.status]))
    except ConfigError as error:  # there was one when the run began
        return str(error)


def alert_no_run(settings: RunSettings, exit_code: int) -> str | None:
    """Tell people that there will be no report; return what went wrong, or None. Blocks.

    The reason stays in the log: it names files.
    """
    if not settings.notify.urls or exit_code in NOT_TOLD_WITHOUT_A_RUN:
        return None
    refused = "the command or the configuration was refused"  # a replay beside a sync that waits, too
    why = refused if exit_code == ExitCode.USAGE else why_failed(exit_code)
    text = f"The run could not begin: {why}.\nexit code {exit_code}; its log says more\n"
    try:
        return _send(settings, Alert(f"bulk-sync {settings.api.campaign_id}: no run", text, "failure"))
    except ConfigError:  # that is why there is no run
        return None


def alert_test(settings: RunSettings) -> str | None:
    """Send everybody a message that says it is a test; return what went wrong, or None. Blocks.

    Raises:
        ConfigError: as `prove_addresses`.
    """
    text = f"This is a test. Whoever reads it is told of runs: on {settings.notify.on}.\n"
    return _send(settings, Alert(f"bulk-sync {settings.api.campaign_id}: test", text, "success"))


def _send(settings: RunSettings, alert: Alert) -> str | None:
    secrets = (settings.api.token_env, *variables_of(settings.notify.urls))
    return send_alert(settings.notify.read_urls(), alert, secret_names=secrets)
