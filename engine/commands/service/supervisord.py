"""A supervisord program that runs one sync and is started again only when that helps."""

from __future__ import annotations

import shlex

from engine.commands.service.facts import PERSON_CODES, Facts, codes
from engine.values import ExitCode

_PROGRAM = """\
; /etc/supervisor/conf.d/{name}.conf
; One sync of the portfolio, for supervisord. Put it where supervisord.conf includes files, then:
;   supervisorctl update
; supervisord has no clock, so cron starts the program (crontab of supervisord's user):
;   {cron} supervisorctl start {name}
; Look at it:  supervisorctl status {name} · supervisorctl tail {name} stderr · supervisorctl signal USR1 {name}
; {token}

[program:{name}]
command={command}
directory={working_dir}
user={user}
autostart=false

; Started again only after 75 (not finished), a crash or a kill: the same command resumes. Every other exit code is
; "expected": 0 is done, and the others would end the same way and need a person.
autorestart=unexpected
exitcodes={expected}
; Without this, a quick end would count as a failed start, and be tried again whatever the exit code.
startsecs=0

; A stop lets requests in flight finish ({drain_s} s) and writes the report.
stopsignal=TERM
stopwaitsecs={stop_s}
umask=077

; Results go to stdout; progress and errors go to stderr, one JSON object a line.
stdout_logfile={log_dir}/{name}.out.log
stdout_logfile_maxbytes=10MB
stderr_logfile={log_dir}/{name}.err.log
stderr_logfile_maxbytes=50MB
"""


def render(facts: Facts) -> dict[str, str]:
    """Return {file name: content}."""
    command = shlex.join([facts.python, "-m", "engine", "sync", "-c", str(facts.config)])
    test = facts.within_window()
    if test:  # a run that ended at its deadline is not started again before the next night
        command = shlex.join(["/bin/sh", "-c", f"{test} || exit 0; exec {command}"])
    return {
        f"{facts.name}.conf": _PROGRAM.format(
            name=facts.name,
            cron=f"{facts.start_at.minute} {facts.start_at.hour} * * *",
            token=_token_hint(facts),
            command=_plain(command),
            working_dir=_plain(str(facts.working_dir)),
            user=facts.user,
            expected=codes((ExitCode.OK, *PERSON_CODES), ","),
            drain_s=round(facts.drain_timeout_s),
            stop_s=facts.stop_s,
            log_dir=_plain(str(facts.state_dir.parent)),
        )
    }


def _token_hint(facts: Facts) -> str:
    if facts.token_file:
        return f"The token is read from {facts.token_file} (api.token_file)."
    return f"The token: supervisord itself must have {facts.token_env}, or set api.token_file to a private file."


def _plain(text: str) -> str:
    """Return text in which supervisord expands nothing."""
    return text.replace("%", "%%")
