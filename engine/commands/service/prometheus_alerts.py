"""Alert rules for Prometheus, as an example: what should wake somebody, and what can wait for the morning."""

from __future__ import annotations

from engine.commands.service.facts import Facts
from engine.values import NOT_ACCEPTED

SUCCESS_AGE_S_MAX = 26 * 3600
"""A night is a day after the one before; two hours more for a slow one."""

STALLED_S = 900

_RULES = """\
# /etc/prometheus/rules/{name}.yaml
# Alert rules for {config}, for Prometheus.
# They read the metrics that notify.prometheus_textfile writes for the node exporter's textfile collector
# (this configuration: {textfile}); notify.prometheus_port serves the same while a run is under way.
# Check them:  promtool check rules {name}.yaml
groups:
  - name: {name}
    rules:
      - alert: BulkSyncNotSucceeded
        # The one alert to have: it also fires when nothing ran at all. It ignores why.
        expr: time() - bulk_sync_last_success_timestamp_seconds > {age_s}
        for: 5m
        labels: {{severity: page}}
        annotations:
          summary: "No complete sync of campaign {{{{ $labels.campaign }}}} for {{{{ $value | humanizeDuration }}}}"
          action: "python -m engine status -c {config}"

      - alert: BulkSyncMetricsMissing
        expr: absent(bulk_sync_last_success_timestamp_seconds)
        for: {age_s}s
        labels: {{severity: page}}
        annotations:
          summary: "No sync has ever succeeded, or its metrics are not collected"

      - alert: BulkSyncNeedsAPerson
        # 3 has an alert of its own; 75 is restarted by the supervisor; 69 leaves no metrics.
        expr: bulk_sync_run_exit_code != 0 and bulk_sync_run_exit_code != 3 and bulk_sync_run_exit_code != 75
        labels: {{severity: page}}
        annotations:
          summary: "The sync of campaign {{{{ $labels.campaign }}}} stopped with exit code {{{{ $value }}}}"
          action: "python -m engine status -c {config}"

      - alert: BulkSyncRecordsNotAccepted
        expr: sum by (campaign) (bulk_sync_records{{outcome=~"{not_accepted}"}}) > 0
        labels: {{severity: ticket}}
        annotations:
          summary: "{{{{ $value }}}} records of campaign {{{{ $labels.campaign }}}} were not accepted"
          action: "Look at rejected.ndjson; then: python -m engine replay -c {config}"

      - alert: BulkSyncStalled
        # Under way (no exit code yet) and nothing delivered: an outage that is waited out, or a limit of zero.
        expr: |
          changes(bulk_sync_records{{outcome="updated"}}[{stalled_s}s]) == 0
          unless on (campaign) bulk_sync_run_exit_code
        for: 5m
        labels: {{severity: ticket}}
        annotations:
          summary: "The sync of campaign {{{{ $labels.campaign }}}} is under way but delivers nothing"

      - alert: BulkSyncMostlyThrottled
        expr: |
          bulk_sync_throttled_seconds > 0.5 * bulk_sync_run_duration_seconds
          and bulk_sync_run_duration_seconds > 600
        labels: {{severity: ticket}}
        annotations:
          summary: "The API held the sync of campaign {{{{ $labels.campaign }}}} back for more than half of its time"
"""


def render(facts: Facts) -> dict[str, str]:
    """Return {file name: content}."""
    rules = _RULES.format(
        name=facts.name,
        not_accepted="|".join(NOT_ACCEPTED),
        config=_plain(str(facts.config)),
        textfile=_plain(str(facts.textfile or "not set")),
        age_s=SUCCESS_AGE_S_MAX,
        stalled_s=STALLED_S,
    )
    return {f"{facts.name}.yaml": rules}


def _plain(text: str) -> str:
    """Return text that ends neither a quoted YAML text nor a comment, and starts no template of Prometheus."""
    harmless = "".join(character if character.isprintable() else "?" for character in text)
    return harmless.replace("\\", "\\\\").replace('"', '\\"').replace("{{", "{ {")
