"""Starts `python -m engine` as a real process against a stand-in, with a configuration of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from engine.simulator.process import StandInProcess

WAIT_S = 120


@dataclass
class Outcome:
    """How a process ended."""

    exit_code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The report that `--json` printed."""
        report: dict[str, Any] = json.loads(self.out)
        return report

    @property
    def records(self) -> dict[str, int]:
        """The non-zero record counts of the report."""
        return {name: count for name, count in self.report["records"].items() if count}


@dataclass
class Engine:
    """An installation: a directory with a configuration, and a token in the environment."""

    home: Path
    server: StandInProcess
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write `config.toml`; tables are merged over what was configured before."""
        self.tables.setdefault("api", {"url": self.server.url, "campaign_id": self.server.campaign_id})
        # What the stand-in did not answer it does not apply later, unless a test wants that.
        self.tables.setdefault("upload", {"requests_per_second": 500.0, "late_copy_s": 0.2})
        for name, values in tables.items():
            self.tables.setdefault(name, {}).update(values)
        (self.home / "config.toml").write_text(tomli_w.dumps(self.tables), encoding="utf-8")

    def start(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command and leave it running."""
        streams: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | options
        command = [sys.executable, "-m", "engine", *args]
        streams.setdefault("stdin", subprocess.DEVNULL)
        process: subprocess.Popen[bytes] = subprocess.Popen(command, cwd=self.home, env=self.environment, **streams)
        return process

    def run(self, *args: str, stdin: bytes | None = None, **options: Any) -> Outcome:
        """Run a command to its end."""
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        return self.outcome(self.start(*args, **options), stdin)

    @staticmethod
    def outcome(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> Outcome:
        """Wait for the end of a command that was started."""
        out, err = process.communicate(stdin, timeout=WAIT_S)
        return Outcome(process.returncode, (out or b"").decode(), (err or b"").decode())

    def sync(self, *args: str, **options: Any) -> Outcome:
        """Run `sync --json` to its end."""
        return self.run("sync", "--json", *args, **options)

    @property
    def environment(self) -> dict[str, str]:
        """The variables the engine sees: few, and the token."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        return kept | {"TIMEPAY_TOKEN": self.server.token, "PYTHONWARNINGS": "error"} | self.env

    def rejects(self) -> list[dict[str, Any]]:
        """The lines of the reject file of the latest run."""
        latest = max((self.home / "engine-state" / "runs").iterdir())
        return [json.loads(line) for line in (latest / "rejected.ndjson").read_bytes().splitlines()]


def wait_until_it_says(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Read what a command says on stderr up to a line with these words."""
    assert process.stderr is not None
    assert any(words in line for line in process.stderr), f"it has never said {words!r}"


def balanced(records: dict[str, int]) -> bool:
    """Whether the equation of the contract holds."""
    return records["read"] == sum(count for name, count in records.items() if name not in ("read", "filtered"))
