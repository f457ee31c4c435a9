"""Who hears of a run: logs, progress, metrics, health checks, supervisors."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.outlets.alerts import Alert, misunderstood, send_alert
    from engine.outlets.displays import LineProgress, NoProgress, TerminalProgress
    from engine.outlets.harmless import Harmless
    from engine.outlets.health_check import ping_end, ping_no_run, ping_start, short_summary
    from engine.outlets.logs import EventLog, bind_to_logs, get_logger, logs_are_set_up, route_logs, set_up_logs
    from engine.outlets.notify_command import run_command
    from engine.outlets.progress import ProgressDisplay, ProgressHistory, ProgressSnapshot, share_done
    from engine.outlets.prometheus import CampaignValues, MetricValues, serving, write_metrics_file
    from engine.outlets.systemd import SupervisedDisplay, SystemdNotifier
else:
    __getattr__ = lazy_face(__name__)
