"""Units from the templates of their kind, made from what is known of a configuration and this machine.

Each value in them is escaped as its format reads it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from engine.commands.templates import templates_of
from engine.values import NOT_ACCEPTED, ExitCode

UNITS = {
    "systemd": (".service", ".timer"),
    "supervisord": (".conf",),
    "kubernetes": (".yaml",),
    "prometheus-alerts": (".rules.yaml",),
}
"""The suffixes of the files of each kind: `systemd.timer.j2` in `templates/` is the template of one.

No two kinds share one, so that one directory can hold them all.
"""

RESTART_CODES = (ExitCode.INTERRUPTED,)
"""Not finished: the same command goes on where it stopped."""

PERSON_CODES = tuple(code for code in ExitCode if code not in (ExitCode.OK, *RESTART_CODES))
"""Starting again would end the same way. (For a held lock nobody has to do anything, either.)"""

STOP_MARGIN_S = 30
"""How much longer than the drain a stop may take: the report is written after it."""

WATCHDOG_S_MIN = 300

RESTART_PAUSE_S = 30
"""The time between two starts, at the least. The API may have asked for hours of silence: a start before that costs a
request or ends at once, and a supervisor that starts again at once would do so all night."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a unit is made from. All paths are absolute; times are local."""

    name: str
    python: str
    config: Path
    working_dir: Path
    state_dir: Path
    user: str
    start_at: time
    time_zone: str
    sources: tuple[str, ...]
    token_file: Path | None
    token_env: str
    textfile: Path | None
    timeout_s: float
    drain_timeout_s: float
    deadline: time | None

    @property
    def cron(self) -> str:
        """When it starts, as cron reads it."""
        return f"{self.start_at.minute} {self.start_at.hour} * * *"

    @property
    def mounted_sources(self) -> list[str]:
        """Where the sources stand in a container: their names or patterns, beneath the mounted exports."""
        return [f"/data/{os.path.basename(source)}" for source in self.sources]

    @property
    def writable(self) -> list[Path]:
        """The directories the run writes to. The metrics file is replaced, which needs its directory."""
        return [self.state_dir, *([self.textfile.parent] if self.textfile else [])]

    @property
    def uses_tmp(self) -> bool:
        """Whether the run needs something beneath a directory that a private /tmp would hide."""
        paths = (self.python, self.config, self.working_dir, self.state_dir, self.textfile or "", *self.sources)
        return any(str(path).startswith(("/tmp/", "/var/tmp/")) for path in paths)  # noqa: S108 - only compared

    @property
    def drain_s(self) -> int:
        """How long requests in flight may take to finish when the run is asked to stop."""
        return round(self.drain_timeout_s)

    @property
    def stop_s(self) -> int:
        """How long a supervisor should wait between asking the run to stop and killing it."""
        return self.drain_s + STOP_MARGIN_S

    @property
    def watchdog_s(self) -> int:
        """How long a run may go without a sign of life: two requests in a row that time out, and then some."""
        return max(WATCHDOG_S_MIN, round(2 * self.timeout_s) + 120)

    @property
    def window_s(self) -> int | None:
        """Seconds from the start to the deadline; None without one."""
        if self.deadline is None:
            return None
        minutes = (self.deadline.hour - self.start_at.hour) * 60 + self.deadline.minute - self.start_at.minute
        return (minutes % (24 * 60) or 24 * 60) * 60

    @property
    def window_test(self) -> str | None:
        """A shell test that is true between start and deadline; None without a deadline.

        A run that ends at its deadline leaves with 75. Restarted at once, it would have a whole day until the next.
        """
        if self.deadline is None:
            return None
        begin, end = f"{self.start_at:%H%M}", f"{self.deadline:%H%M}"
        both = "&&" if begin < end else "||"
        return f'now=$(date +%H%M); [ "$now" -ge {begin} ] {both} [ "$now" -lt {end} ]'


def render(kind: str, facts: Facts) -> dict[str, str]:
    """Return the files of a kind of unit: {file name: content}."""
    templates = templates_of(
        __package__,
        *(json_text, shell_words, systemd_word, unexpanded, yaml_text),
        person_codes=PERSON_CODES,
        restart_codes=RESTART_CODES,
        not_accepted=NOT_ACCEPTED,
        restart_pause_s=RESTART_PAUSE_S,
    )
    names = {suffix: f"{kind}{suffix}.j2" for suffix in UNITS[kind]}
    return {f"{facts.name}{suffix}": templates.get_template(name).render(facts=facts) for suffix, name in names.items()}


def json_text(value: object) -> str:
    """Return a value as JSON, which YAML reads as well."""
    return json.dumps(value)


def shell_words(words: Iterable[object]) -> str:
    """Return words as one command of a POSIX shell."""
    return shlex.join(map(str, words))


def unexpanded(value: object) -> str:
    """Return text in which neither systemd nor supervisord expands anything."""
    return str(value).replace("%", "%%")


def systemd_word(value: object) -> str:
    """Return one word of a command or a list, as systemd reads it."""
    text = unexpanded(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(character in text for character in " \t'\"\\;$") else text


def yaml_text(value: object) -> str:
    """Return text that ends neither a quoted YAML text nor a comment, and starts no template of Prometheus."""
    harmless = "".join(character if character.isprintable() else "?" for character in str(value))
    return harmless.replace("\\", "\\\\").replace('"', '\\"').replace("{{", "{ {")
