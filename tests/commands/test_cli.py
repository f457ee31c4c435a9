"""The process from outside: help, mistakes, signals, broken streams, bare environments. Real processes throughout."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands.cli import COMMANDS
from engine.values.errors import ExitCode
from engine.values.version import VERSION

TIMEOUT_S = 120


def engine(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=env,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_alone_it_prints_help() -> None:
    alone, asked = engine(), engine("--help")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout == asked.stdout
    for command in COMMANDS:
        assert f"    {command.name} " in alone.stdout
    for code in ExitCode:
        assert f"\n  {int(code):<3} " in alone.stdout


def test_it_says_its_version() -> None:
    said = engine("--version")
    assert (said.returncode, said.stdout, said.stderr) == (0, f"bulk-sync-engine {VERSION}\n", "")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    result = engine(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: python -m engine {command}")


@pytest.mark.parametrize(
    "arguments",
    [["snyc"], ["sync", "--no-such-thing"], ["sync", "--limit", "0"], ["sync", "--limit", "many"], ["sync", "--fre"]],
)
def test_a_wrong_command_line_is_2(arguments: list[str], tmp_path: Path) -> None:
    result = engine(*arguments, cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert result.stdout == ""
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom engine import __main__ as m\nm.main(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    loaded = set(result.stderr.split())
    assert "engine.commands.cli" in loaded
    assert not loaded & {
        "aiohttp",
        "asyncio",
        "jinja2",
        "polars",
        "pyarrow",
        "rich",
        "uvloop",
        "orjson",
        "msgspec",
    }


def test_the_default_configuration_is_config_toml_here(tmp_path: Path) -> None:
    result = engine("sync", cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert "'config.toml'" in result.stderr
    assert "init SOURCE" in result.stderr


def test_mistakes_of_a_run_are_one_json_object_off_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[api]\nurl = 'canary'\n[upload]\nbatch_size = 'canary'\n", encoding="utf-8")
    result = engine("sync", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    event = json.loads(result.stderr)
    assert (event["level"], event["event"], event["exit_code"]) == ("error", "stopped", 2)
    for key in ("api.url", "api.campaign_id", "source.path", "upload.batch_size"):
        assert f"  - {key}: " in event["message"]
    assert "canary" not in result.stderr
    console = engine("sync", "--log-format", "console", cwd=tmp_path)
    assert console.stderr.startswith("engine: config.toml has 4 mistakes")


def test_status_before_the_first_night(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[api]\ncampaign_id = 'c'\n[source]\npath = 'a.ndjson'\n", encoding="utf-8")
    result = engine("status", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "no runs yet" in result.stdout
    assert json.loads(engine("status", "--json", cwd=tmp_path).stdout)["runs"] == []


def test_in_a_bare_environment(tmp_path: Path) -> None:
    (tmp_path / "конфиг.toml").write_text("[api]\ncampaign_id = 'c'\n[source]\npath = 'a.ndjson'\n", encoding="utf-8")
    tmp_path.chmod(0o500)
    try:
        result = engine("status", "-c", "нет.toml", cwd=tmp_path, env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
        fine = engine("status", "-c", "конфиг.toml", cwd=tmp_path, env={"LC_ALL": "C"})
    finally:
        tmp_path.chmod(0o700)
    assert result.returncode == ExitCode.USAGE
    assert "нет.toml" in result.stderr
    assert fine.returncode == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_with_closed_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    redirections = " ".join(f"{descriptor}>&-" for descriptor in closed)
    command = f'exec "{sys.executable}" -m engine sync -c none.toml {redirections}'
    result = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert result.returncode == ExitCode.USAGE
    assert result.stdout == b""
    assert (b"none.toml" in result.stderr) is (2 not in closed)


def test_closed_descriptors_are_not_given_to_files() -> None:
    code = "from engine import __main__ as m; m._prepare(); f = open('/dev/zero'); import os; os._exit(f.fileno())"
    command = f"exec '{sys.executable}' -c \"{code}\" 0>&- 1>&- 2>&-"
    result = subprocess.run(["sh", "-c", command], timeout=TIMEOUT_S, check=False)
    assert result.returncode > 2


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    command = f'{{ "{sys.executable}" -m engine --help; echo $? >code; }} | true'
    result = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert (tmp_path / "code").read_text(encoding="utf-8").strip() == "0"
    assert result.stderr == ""


def test_a_result_that_cannot_be_written_does_not_change_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[api]\ncampaign_id = 'c'\n[source]\npath = 'a.ndjson'\n", encoding="utf-8")
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "engine", "status"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert (result.returncode, result.stderr) == (0, "engine: stdout cannot be written: No space left on device\n")


def run_main(body: str, end: str = "sys.exit") -> subprocess.CompletedProcess[str]:
    """Run the process with `body` in place of what the command line would do, and `end` it with its exit code."""
    code = (
        f"import sys\nfrom engine import __main__ as m\ndef main(argv, run_loop):\n{body}\nm.run_command_line = main\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code + f"{end}(m.main(['x']))"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_bug_shows_places_but_no_values() -> None:
    result = run_main(
        "    secret = 'canary'\n    try: raise KeyError(secret)\n    except KeyError: raise ValueError(secret)"
    )
    assert result.returncode == ExitCode.BUG
    assert "this is a bug: ValueError" in result.stderr
    assert "in main" in result.stderr
    assert "after KeyError" in result.stderr
    assert "canary" not in result.stderr
    assert "Traceback" not in result.stderr


def test_what_the_engine_understands_goes_before_other_errors_of_a_group() -> None:
    result = run_main(
        "    from engine.errors import StateFailed\n"
        "    raise ExceptionGroup('canary', [ValueError('canary'), ExceptionGroup('', [StateFailed('disk full')])])"
    )
    assert (result.returncode, result.stderr) == (ExitCode.STATE_FAILED, "engine: disk full\n")


def test_exceptions_that_nobody_catches_are_reported_without_values() -> None:
    result = run_main(
        "    import threading\n"
        "    class Bad:\n"
        "        def __del__(self): raise ValueError('canary')\n"
        "    Bad()\n"
        "    def fail(): raise ValueError('canary')\n"
        "    thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "    async def work(stop):\n"
        "        import asyncio\n"
        "        asyncio.get_running_loop().call_soon(fail)\n"
        "        await asyncio.sleep(0)\n"
        "        return 7\n"
        "    return run_loop(work, lambda: None)"
    )
    assert result.returncode == 7
    assert result.stderr.count("this is a bug: ValueError") == 3
    assert "canary" not in result.stderr


def test_who_leaves_has_written_all_and_done_what_was_registered_for_the_end() -> None:
    result = run_main("    import atexit; atexit.register(print, 'at exit'); print('said'); return 75", end="m._leave")
    assert (result.returncode, result.stdout, result.stderr) == (75, "said\nat exit\n", "")


def test_who_leaves_waits_for_a_thread_at_work() -> None:
    result = run_main(
        "    import threading\n"
        "    def finish(): threading.main_thread().join(); print('finished')\n"
        "    threading.Thread(target=finish).start()\n"
        "    return 3",
        end="m._leave",
    )
    assert (result.returncode, result.stdout, result.stderr) == (3, "finished\n", "")


def test_files_are_private_whatever_the_umask() -> None:
    result = run_main("    import os\n    print(oct(os.umask(0)))\n    return 0")
    assert result.stdout == "0o77\n"


class Working:
    """A process in the event loop, waiting for a stop: it says `working`, and `stopped` once it has stopped."""

    BODY = """
    async def work(stop):
        print("working", flush=True)
        await stop.wait()
        print("stopping", type(stop.error).__name__, flush=True)
        if "--never-stop" in sys.argv:
            import asyncio
            await asyncio.Event().wait()
        return stop.error.exit_code
    return run_loop(work, lambda: print("progress", flush=True))
"""

    def __init__(self, *arguments: str, prefix: str = "") -> None:
        body = f"def main(argv, run_loop):{self.BODY}\n"
        code = f"import sys\nfrom engine import __main__ as m\n{body}m.run_command_line = main\n"
        program = [sys.executable, "-c", f"{prefix}\n{code}\nsys.exit(m.main(['x']))", *arguments]
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_stops_gracefully(number: signal.Signals) -> None:
    working = Working()
    assert working.says() == "working"
    working.send(signal.SIGUSR1)
    assert working.says() == "progress"
    working.send(number)
    assert working.says() == "stopping Interrupted"
    assert working.ends() == ExitCode.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_leaves_at_once(number: signal.Signals) -> None:
    working = Working("--never-stop")
    assert working.says() == "working"
    working.send(number)
    assert working.says() == "stopping Interrupted"
    working.send(number)
    assert working.ends() == ExitCode.INTERRUPTED


def test_an_ignored_signal_stays_ignored() -> None:
    working = Working(prefix="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    assert working.says() == "working"
    working.send(signal.SIGHUP)
    working.send(signal.SIGUSR1)
    assert working.says() == "progress"
    working.send(signal.SIGTERM)
    assert working.says() == "stopping Interrupted"
    assert working.ends() == ExitCode.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_outside_the_loop_is_no_clean_end(number: signal.Signals) -> None:
    result = run_main(f"    import os, time\n    os.kill(os.getpid(), {int(number)})\n    time.sleep(30)")
    assert (result.returncode, result.stderr) == (ExitCode.INTERRUPTED, "engine: interrupted\n")


def test_no_environment_variable_is_needed() -> None:
    assert engine("--help", env={}).returncode == 0
