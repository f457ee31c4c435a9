"""Units: checked by systemd's own verifier, run by a real supervisord, parsed as Kubernetes would."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.commands.service.units import UNITS, Facts, render
from engine.outlets.prometheus import MetricValues, render_metrics
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import ExitCode

TIMEOUT_S = 120


def lines_of(unit: str) -> list[str]:
    return [line for line in unit.splitlines() if line and not line.startswith(("#", ";"))]


def test_each_code_has_one_meaning_everywhere(facts: Facts) -> None:
    service = lines_of(render("systemd", facts)["bulk-sync.service"])
    assert "RestartForceExitStatus=75" in service
    assert "RestartPreventExitStatus=1 2 3 65 66 69 74 77" in service
    program = configparser.RawConfigParser()
    program.read_string(render("supervisord", facts)["bulk-sync.conf"])
    expected = {int(code) for code in program["program:bulk-sync"]["exitcodes"].split(",")}
    assert expected == {int(code) for code in ExitCode} - {75}
    rules = job_of(facts)["podFailurePolicy"]["rules"]
    assert (rules[0]["action"], rules[0]["onExitCodes"]["values"]) == ("FailJob", [1, 2, 3, 65, 66, 69, 74, 77])
    assert (rules[2]["action"], rules[2]["onExitCodes"]["values"]) == ("Count", [75])


def test_no_two_kinds_write_the_same_file(facts: Facts) -> None:
    names = [name for kind in UNITS for name in render(kind, facts)]
    assert len(names) == len(set(names)) == 5


class TestSystemd:
    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
    @pytest.mark.parametrize("deadline", [None, time(6, 30)])
    def test_the_verifier_finds_nothing(self, facts: Facts, tmp_path: Path, deadline: time | None) -> None:
        odd = tmp_path / 'with space, 100% "odd" $HOME'
        odd.mkdir()
        facts = replace(facts, config=odd / "c.toml", state_dir=odd / "state", deadline=deadline)
        units = tmp_path / "units"
        units.mkdir()
        files = render("systemd", facts)
        for name, content in files.items():
            (units / name).write_text(content, encoding="utf-8")
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *(str(units / name) for name in files)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        ours = [line for line in result.stderr.splitlines() if "bulk-sync" in line]
        assert (result.returncode, ours) == (0, [])

    def test_it_says_what_a_night_needs(self, facts: Facts) -> None:
        files = render("systemd", facts)
        service = lines_of(files["bulk-sync.service"])
        assert "Type=notify" in service
        assert "WatchdogSec=360" in service
        assert "TimeoutStopSec=75" in service  # 45 s of drain, and time for the report
        assert "LoadCredential=timepay-token:/etc/bulk-sync/token" in service
        assert "Environment=ENGINE_API__TOKEN_FILE=timepay-token" in service
        assert "SuccessExitStatus=69" in service
        assert "RestartSec=30" in service
        assert "StartLimitIntervalSec=0" in service  # 20 starts are soon made while the API asks for an hour of silence
        assert f"ReadWritePaths=-{facts.state_dir}" in service
        assert "PrivateTmp=no" in service  # this test's files are beneath /tmp
        timer = lines_of(files["bulk-sync.timer"])
        assert "Persistent=true" in timer
        assert "OnCalendar=*-*-* 02:00:00" in timer

    def test_paths_decide_the_sandbox(self, facts: Facts) -> None:
        elsewhere = Path("/srv/sync")
        moved = replace(
            facts,
            python="/srv/venv/bin/python",
            config=elsewhere / "c.toml",
            working_dir=elsewhere,
            state_dir=Path("/var/lib/sync"),
            textfile=Path("/var/lib/textfile/engine.prom"),
            token_file=Path("/srv/token"),
        )
        service = lines_of(render("systemd", moved)["bulk-sync.service"])
        assert "PrivateTmp=yes" in service
        assert "ReadWritePaths=-/var/lib/sync -/var/lib/textfile" in service
        assert "LoadCredential=timepay-token:/srv/token" in service

    def test_paths_are_escaped(self, facts: Facts) -> None:
        service = lines_of(render("systemd", replace(facts, config=Path('/a b/100%"$x')))["bulk-sync.service"])
        assert f'ExecStart={facts.python} -m engine sync -c "/a b/100%%\\"$$x"' in service


STUB = """#!/bin/sh
# Stands in for the engine: leaves with the next code of a list, and notes how it was called.
echo "$@" >> "{directory}/calls"
code=$(head -n 1 "{directory}/codes")
sed -i 1d "{directory}/codes"
exit "$code"
"""


class Supervisord:
    """A real supervisord with one program."""

    def __init__(self, directory: Path, program: str) -> None:
        (directory / "program.conf").write_text(program, encoding="utf-8")
        self._config = directory / "supervisord.conf"
        self._config.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={directory}/pid\n"
            f"[unix_http_server]\nfile={directory}/s.sock\n[supervisorctl]\nserverurl=unix://{directory}/s.sock\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[include]\nfiles={directory}/program.conf\n",
            encoding="utf-8",
        )
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(self._config)],
            env={**os.environ, "PATH": f"{directory}:/bin:/usr/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait_for("supervisord started")

    def wait_for(self, words: str) -> str:
        """Read its log up to a line with `words`."""
        assert self._process.stdout
        seen = []
        for line in self._process.stdout:
            seen.append(line)
            if words in line:
                return line
        raise AssertionError(f"no {words!r} in {seen}")

    def control(self, *arguments: str) -> str:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "supervisor.supervisorctl",
            "-c",
            str(self._config),
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False).stdout

    def close(self) -> str:
        """End it, if it has not ended; return what of its log has not been read."""
        log = self._process.stdout
        assert log
        if log.closed:
            return ""
        self._process.terminate()
        with log:
            rest = log.read()
        self._process.wait(TIMEOUT_S)
        return rest


@pytest.fixture
def supervised(facts: Facts, tmp_path: Path) -> Iterator[Supervisord]:
    stub = tmp_path / "stub"
    stub.write_text(STUB.format(directory=tmp_path), encoding="utf-8")
    stub.chmod(0o755)
    (tmp_path / "codes").write_text("75\n75\n3\n0\n", encoding="utf-8")
    sleep = tmp_path / "sleep"  # stands in for sleep(1), so that the test need not wait
    sleep.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/pauses"\n', encoding="utf-8")
    sleep.chmod(0o755)
    server = Supervisord(tmp_path, render("supervisord", replace(facts, python=str(stub)))["bulk-sync.conf"])
    yield server
    server.close()


def test_a_real_supervisord_restarts_on_75_after_a_pause_and_not_on_3(supervised: Supervisord, tmp_path: Path) -> None:
    supervised.control("start", "bulk-sync")
    assert "exit status 75; not expected" in supervised.wait_for("exited: bulk-sync")
    assert "exit status 75; not expected" in supervised.wait_for("exited: bulk-sync")
    assert "exit status 3; expected" in supervised.wait_for("exited: bulk-sync")
    assert "EXITED" in supervised.control("status", "bulk-sync")
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls == [f"-m engine sync -c {tmp_path / 'config.toml'}"] * 3
    assert (tmp_path / "codes").read_text(encoding="utf-8") == "0\n"  # what a fourth start would have left with
    pauses = [int(line) for line in (tmp_path / "pauses").read_text(encoding="utf-8").splitlines()]
    assert len(pauses) == 2  # none before the first start
    assert all(0 < pause <= 30 for pause in pauses)
    assert (tmp_path / "engine-state").stat().st_mode & 0o777 == 0o700


def test_a_start_long_after_the_last_one_does_not_wait(supervised: Supervisord, tmp_path: Path) -> None:
    stamp = tmp_path / "engine-state" / "last-start"
    stamp.parent.mkdir()
    stamp.touch()
    long_ago = stamp.stat().st_mtime - 31
    os.utime(stamp, (long_ago, long_ago))
    supervised.control("start", "bulk-sync")
    supervised.wait_for("exited: bulk-sync")
    supervised.wait_for("exited: bulk-sync")
    supervised.wait_for("exited: bulk-sync")
    assert len((tmp_path / "pauses").read_text(encoding="utf-8").splitlines()) == 2
    assert stamp.stat().st_mtime > long_ago + 30


def test_a_stamp_of_the_future_makes_no_start_wait_longer(supervised: Supervisord, tmp_path: Path) -> None:
    stamp = tmp_path / "engine-state" / "last-start"
    stamp.parent.mkdir()
    stamp.touch()
    in_an_hour = stamp.stat().st_mtime + 3600
    os.utime(stamp, (in_an_hour, in_an_hour))
    supervised.control("start", "bulk-sync")
    supervised.wait_for("exited: bulk-sync")
    assert (tmp_path / "pauses").read_text(encoding="utf-8").splitlines()[0] == "30"


def test_supervisord_reads_odd_paths_and_the_window(facts: Facts) -> None:
    odd = replace(facts, config=Path("/a b/100%/it's"), deadline=time(6, 30))
    parser = configparser.ConfigParser()  # expands %, as supervisord does
    parser.read_string(render("supervisord", odd)["bulk-sync.conf"])
    program = parser["program:bulk-sync"]
    assert "date +%H%M" in program["command"]
    assert " ;" not in program["command"]  # supervisord would take the rest for a comment
    assert (program["stopwaitsecs"], program["stopsignal"], program["umask"]) == ("75", "TERM", "077")


def documents(facts: Facts) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(render("kubernetes", facts)["bulk-sync.yaml"]))


def job_of(facts: Facts) -> dict[str, Any]:
    job: dict[str, Any] = documents(facts)[1]["spec"]["jobTemplate"]["spec"]
    return job


class TestKubernetes:
    def test_the_cron_job(self, facts: Facts) -> None:
        claim, cron = documents(facts)
        assert (claim["kind"], cron["kind"], cron["apiVersion"]) == ("PersistentVolumeClaim", "CronJob", "batch/v1")
        assert (cron["spec"]["concurrencyPolicy"], cron["spec"]["schedule"]) == ("Forbid", "0 2 * * *")
        pod = job_of(facts)["template"]["spec"]
        assert pod["restartPolicy"] == "Never"  # which podFailurePolicy requires
        assert pod["terminationGracePeriodSeconds"] == 75
        assert job_of(facts)["backoffLimit"] == 60  # more than a night of pauses that grow to six minutes
        assert "activeDeadlineSeconds" not in job_of(facts)

    def test_conditions_of_pods_say_what_the_reference_requires(self, facts: Facts) -> None:
        """Both are required. Source: Kubernetes API reference, PodFailurePolicyOnPodConditionsPattern (1.27)."""
        rules = job_of(facts)["podFailurePolicy"]["rules"]
        patterns = [pattern for rule in rules for pattern in rule.get("onPodConditions", [])]
        assert patterns == [{"type": "DisruptionTarget", "status": "True"}]

    def test_the_deadline_ends_the_job_after_the_run(self, facts: Facts) -> None:
        assert job_of(replace(facts, deadline=time(6, 30)))["activeDeadlineSeconds"] == 4.5 * 3600 + 75

    def test_the_container_has_what_the_engine_needs(self, facts: Facts) -> None:
        pod = job_of(facts)["template"]["spec"]
        [container] = pod["containers"]
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        assert container["args"] == ["sync", "-c", f"{mounts['config']}/config.toml"]
        assert variables["ENGINE_API__TOKEN_FILE"].startswith(f"{mounts['token']}/")
        assert variables["ENGINE_STATE__DIR"].startswith(f"{mounts['state']}/")
        assert yaml.safe_load(variables["ENGINE_SOURCE__PATH"]) == [f"{mounts['exports']}/a b.csv"]
        assert not any("token" in str(value).lower() for name, value in variables.items() if "TOKEN" not in name)

    def test_the_image_is_shown(self, facts: Facts) -> None:
        manifest = render("kubernetes", facts)["bulk-sync.yaml"]
        assert re.search(r"^#   FROM python:3\.", manifest, re.MULTILINE)
        assert 'ENTRYPOINT ["python", "-m", "engine"]' in manifest


class TestPrometheusAlerts:
    def rules(self, facts: Facts) -> list[dict[str, Any]]:
        [group] = yaml.safe_load(render("prometheus-alerts", facts)["bulk-sync.rules.yaml"])["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def test_every_rule_says_what_it_is_about_and_how_urgent(self, facts: Facts) -> None:
        rules = self.rules(facts)
        assert len({rule["alert"] for rule in rules}) == len(rules) > 3
        for rule in rules:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert rule["annotations"]["summary"]

    def test_rules_use_only_metrics_that_exist(self, facts: Facts) -> None:
        values = MetricValues(
            campaign_id="c", records=RecordCounts(), requests=RequestCounts(), duration_s=1.0, exit_code=0,
            finished_at_s=1.0, last_success_s=1.0,
        )  # fmt: skip
        exposed = set(re.findall(r"^# TYPE (\S+)", render_metrics(values), re.MULTILINE))
        used = {name for rule in self.rules(facts) for name in re.findall(r"bulk_sync_\w+", rule["expr"])}
        assert used
        assert used <= exposed

    def test_odd_paths_stay_text(self, facts: Facts) -> None:
        odd = replace(facts, config=Path('/a "b" \\c {{ $x }}\n- d'), textfile=Path("/x\ny: z"))
        assert len(self.rules(odd)) == len(self.rules(facts))
        assert "{{ $x" not in render("prometheus-alerts", odd)["bulk-sync.rules.yaml"]

    def test_promtool_agrees_where_present(self, facts: Facts, tmp_path: Path) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed")
        path = tmp_path / "rules.yaml"
        path.write_text(render("prometheus-alerts", facts)["bulk-sync.rules.yaml"], encoding="utf-8")
        subprocess.run([promtool, "check", "rules", str(path)], check=True, timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        (time(2, 0), time(6, 30), ["0200", "0459", "0629"], ["0159", "0630", "0831", "1200"]),
        (time(22, 0), time(6, 30), ["2200", "2359", "0000", "0629"], ["0630", "1200", "2159"]),
    ],
)
def test_the_window_before_the_deadline(
    facts: Facts, tmp_path: Path, begin: time, end: time, inside: list[str], outside: list[str]
) -> None:
    test = replace(facts, start_at=begin, deadline=end).window_test
    assert test
    date = tmp_path / "date"  # stands in for date(1), so that the test runs at any hour
    for clock, expected in [(c, 0) for c in inside] + [(c, 1) for c in outside]:
        date.write_text(f"#!/bin/sh\necho {clock}\n", encoding="utf-8")
        date.chmod(0o755)
        result = subprocess.run(["/bin/sh", "-c", test], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False)
        assert result.returncode == expected, clock


def test_the_window_has_a_length(facts: Facts) -> None:
    assert facts.window_s is None
    assert replace(facts, deadline=time(6, 30)).window_s == 4.5 * 3600
    assert replace(facts, start_at=time(22, 0), deadline=time(6, 30)).window_s == 8.5 * 3600
