"""Who hears of a run: logs, progress, metrics, health checks, supervisors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.outlets.health_check import ping_end as ping_end, ping_no_run as ping_no_run, ping_start as ping_start
    from engine.outlets.logs import (
        EventLog as EventLog,
        bind_to_logs as bind_to_logs,
        get_logger as get_logger,
        logs_are_set_up as logs_are_set_up,
        route_logs as route_logs,
        set_up_logs as set_up_logs,
    )
    from engine.outlets.metrics_endpoint import serving as serving
    from engine.outlets.notify_command import run_command as run_command
    from engine.outlets.progress import (
        LineProgress as LineProgress,
        NoProgress as NoProgress,
        ProgressDisplay as ProgressDisplay,
        ProgressHistory as ProgressHistory,
        ProgressSnapshot as ProgressSnapshot,
        PromptedDisplay as PromptedDisplay,
        TerminalProgress as TerminalProgress,
    )
    from engine.outlets.prometheus import (
        MetricValues as MetricValues,
        render_metrics as render_metrics,
        write_metrics_file as write_metrics_file,
    )
    from engine.outlets.systemd import SupervisedDisplay as SupervisedDisplay, SystemdNotifier as SystemdNotifier
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "health_check": "ping_end ping_no_run ping_start",
            "logs": "EventLog bind_to_logs get_logger logs_are_set_up route_logs set_up_logs",
            "metrics_endpoint": "serving",
            "notify_command": "run_command",
            "progress": (
                "LineProgress NoProgress ProgressDisplay ProgressHistory ProgressSnapshot PromptedDisplay "
                "TerminalProgress"
            ),
            "prometheus": "MetricValues render_metrics write_metrics_file",
            "systemd": "SupervisedDisplay SystemdNotifier",
        },
    )
