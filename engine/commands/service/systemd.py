"""A systemd service that runs one sync, and the timer that starts it every night."""

from __future__ import annotations

from engine.commands.service.facts import PERSON_CODES, RESTART_CODES, Facts, codes

CREDENTIAL = "timepay-token"

_SERVICE = """\
# /etc/systemd/system/{name}.service
# One sync of the portfolio, with exit codes, signs of life and a graceful stop.
#
# Install, as root:
#   {python} -m engine service systemd -c {config} -o /etc/systemd/system
#   install -D -m 0600 /dev/stdin {token_path}   # paste the token, then Ctrl-D
#   systemctl daemon-reload && systemctl enable --now {name}.timer
# Look at it:  systemctl status {name} · journalctl -u {name} -o cat · systemctl kill -s USR1 {name}

[Unit]
Description=Bulk sync of the portfolio ({config_text})
Wants=network-online.target
After=network-online.target
# A person hears of it when the night fails (exit codes {person_codes}), or does not get anywhere.
#OnFailure=tell-somebody@%n.service
StartLimitIntervalSec=12h
StartLimitBurst=20

[Service]
Type=notify
NotifyAccess=main
{user_note}User={user}
WorkingDirectory={working_dir}
{condition}ExecStartPre=+/usr/bin/install -d -m 0700 -o {user} {state_dir}
ExecStart={python} -m engine sync -c {config}

# The token: systemd reads the file as root and shows it to this service alone.
LoadCredential={credential}:{token_path}
Environment=ENGINE_API__TOKEN_FILE={credential}

# 75 means "not finished, run again to resume". After a crash, a kill or a hang the same command resumes, too.
Restart=on-abnormal
RestartForceExitStatus={restart_codes}
RestartPreventExitStatus={person_codes}
RestartSec=60
# Another run holds the lock: there is nothing to do.
SuccessExitStatus=69

# Signs of life come from progress or a declared wait. A stop lets requests in flight finish ({drain_s} s) and report.
WatchdogSec={watchdog_s}
WatchdogSignal=SIGKILL
KillMode=mixed
TimeoutStartSec=120
TimeoutStopSec={stop_s}

# No core dumps and no files for others: they would hold personal data.
LimitCORE=0
UMask=0077

# It reads the source and writes its state; it needs nothing else of this machine.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp={private_tmp}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_CONDITION = """\
# A run that ended at its deadline is not started again before the next night.
ExecCondition=/bin/sh -c {test}
"""

_TIMER = """\
# /etc/systemd/system/{name}.timer
# Starts {name}.service every night, later if the machine was off at that time.

[Unit]
Description=Bulk sync of the portfolio, every night

[Timer]
OnCalendar=*-*-* {start_at}
AccuracySec=1min
Persistent=true

[Install]
WantedBy=timers.target
"""


def render(facts: Facts) -> dict[str, str]:
    """Return {file name: content}."""
    token_path = facts.token_file or f"/etc/{facts.name}/token"
    test = facts.within_window()
    service = _SERVICE.format(
        name=facts.name,
        python=_word(facts.python),
        config=_word(facts.config),
        config_text=_specifiers(str(facts.config)),
        working_dir=_specifiers(str(facts.working_dir)),
        state_dir=_word(facts.state_dir),
        user=facts.user,
        user_note="# root works, but a user of its own is safer.\n" if facts.user == "root" else "",
        credential=CREDENTIAL,
        token_path=_specifiers(str(token_path)),
        condition=_CONDITION.format(test=_word(test)) if test else "",
        restart_codes=codes(RESTART_CODES, " "),
        person_codes=codes(PERSON_CODES, " "),
        drain_s=round(facts.drain_timeout_s),
        watchdog_s=facts.watchdog_s,
        stop_s=facts.stop_s,
        writable=" ".join(_word(f"-{path}") for path in _writable(facts)),
        private_tmp="no" if _uses_tmp(facts) else "yes",
    )
    timer = _TIMER.format(name=facts.name, start_at=f"{facts.start_at:%H:%M:%S}")
    return {f"{facts.name}.service": service, f"{facts.name}.timer": timer}


def _writable(facts: Facts) -> list[str]:
    """Return the directories the run writes to. The metrics file is replaced, which needs its directory."""
    return [str(facts.state_dir), *([str(facts.textfile.parent)] if facts.textfile else [])]


def _uses_tmp(facts: Facts) -> bool:
    """Whether the run needs something beneath a directory that a private /tmp would hide."""
    paths = (facts.python, facts.config, facts.working_dir, facts.state_dir, facts.textfile or "", *facts.sources)
    return any(str(path).startswith(("/tmp/", "/var/tmp/")) for path in paths)  # noqa: S108 - only compared


def _word(value: object) -> str:
    """Return one word of a command or a list, as systemd reads it."""
    text = _specifiers(str(value)).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(character in text for character in " \t'\"\\;$") else text


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
