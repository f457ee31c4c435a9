"""Each command that stands in a document is run, as somebody types it who has followed the document so far."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.engine_process import WAIT_S, Engine
from tests.acceptance.portfolios import portfolio, write_csv
from tests.documents import ROOT, benchmarks, commands
from tests.stand_in import stand_in

NOT_RUN = {
    ".ci/run": "runs this test, among others",
    "apt-get install": "changes the machine that the test runs on",
    "python -m build": "makes an environment of its own, and needs a package index",
    "python -m pytest -m nights": "takes minutes; `.ci/run` runs it",
    "python -m pytest -m slow": "takes minutes; `.ci/run` runs it",
    "python -m pytest -n 0 tests/packaging": "builds and installs, which takes minutes; `.ci/run` runs it",
    "python -m pytest tests/browser": "takes minutes, and needs Chromium; `.ci/run` runs it",
    "python -m pytest tests/spreadsheet": "needs LibreOffice; `.ci/run` runs it",
    "python -m pytest tests/fuzz": "takes minutes, and a C compiler; `.ci/run` runs it",
    "python -m engine init postgresql://": "needs a server; `.ci/run` runs the like in tests/places",
    "python -m pytest tests/places": "needs servers that are not everywhere; `.ci/run` runs it",
    "python -m pytest tests/gateways": "needs programs that are not everywhere; `.ci/run` runs it",
    ".venv/clusters/bin/python -m pytest": "needs Java, Spark and Ray, apart from us; `.ci/run` runs it",
    ".venv/dagster/bin/python -m pytest": "needs orchestrators, apart from us; `.ci/run` runs it",
    "gcloud auth": "asks a person, in a browser, to log in at Google",
    "pip install": "changes the environment that the test runs in, and needs a package index",
    "systemctl": "needs systemd, and a unit that is installed",
}
"""Commands that no test can run, by how they begin, and why; a test below checks what can be checked of them.

The benchmarks are run by tests/test_benchmarks.py, which has them from the documents, too.
"""

ADAPTED = (
    # smaller
    (r"^(python -m engine demo)$", r"\1 --records 500"),
    (r"^(python -m pytest)$", r"\1 -n 0 tests/values/test_stopping.py"),
    (r"^(python -m pytest --hypothesis-profile=fresh)$", r"\1 -n 0 tests/values/test_stopping.py"),
    (r"^(python -m pytest -n 0 tests/pipeline)$", r"\1 -k test_uploader"),
    (r"^(python3 -m venv .venv)$", r"\1 --without-pip"),
    (r"^mypy$", f"mypy --follow-imports=skip --cache-dir={os.devnull} engine/values"),
    # what is there when somebody types this
    (r"^(\. .venv/bin/activate)$", r"python3 -m venv .venv --without-pip && \1"),
    (r"^(python -m engine init )", r"rm config.toml && \1"),
    # what is called differently here
    (r"^(python -m engine find) (?:LOAN|ID)$", r"\1 loan_000001"),
    (r" EXPORT ", r" portfolio.csv "),
    (r" /etc/systemd/system$", r" units"),
    (r"\b(RUN_ID|\d{8}T\d{6}Z-[0-9a-f]{6})$", r"$RUN_ID"),
    # nothing is left behind in the repository
    (r"^(ruff .*|lint-imports)$", r"\1 --no-cache"),
    (r"^(python -m pytest .*)$", r"\1 -p no:cacheprovider"),
)
"""What is different about a command when a test runs it."""

IN_THE_REPOSITORY = ("lint-imports", "mypy", "python -m benchmarks", "python -m pytest", "ruff")
"""Where these are run; all others are run where somebody works with the engine."""


def test_no_command_is_left_out() -> None:
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in commands()), f"no document has {beginning}"
    for pattern, _ in ADAPTED:
        assert any(re.search(pattern, adapted) for command in commands() for adapted in _steps(command)), pattern


def _steps(command: str) -> Iterator[str]:
    """Yield the command after each adaptation."""
    yield command
    for pattern, replacement in ADAPTED:
        command = re.sub(pattern, replacement, command)
        yield command


def to_run() -> list[str]:
    elsewhere = {shlex.join(["python", "-m", "benchmarks", *arguments]) for arguments in benchmarks()}
    return [command for command in commands() if not command.startswith(tuple(NOT_RUN)) and command not in elsewhere]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Where somebody has followed the README: an export, its configuration, the token, and a run with rejects."""
    home = tmp_path_factory.mktemp("followed")
    loans = portfolio(40)
    write_csv(home / "portfolio.csv", loans)
    with stand_in(campaign="camp_demo", reject=next(iter(loans))) as server:
        engine = Engine(home, server, env={"ENGINE_API__URL": server.url})
        made = engine.run("init", "portfolio.csv", "-o", "config.toml", "--campaign", "camp_demo")
        assert made.exit_code == 0, made.err
        done = engine.run("sync", "--json")
        assert (done.exit_code, done.records) == (3, {"read": 40, "updated": 39, "rejected": 1}), done.err
        server.change(reject=[])
        engine.env["RUN_ID"] = done.report["run_id"]
        (home / "engine-demo").mkdir()
        (home / "engine-demo" / ".engine-demo").touch()  # as the demo marks what is its own
        shutil.copy(home / "config.toml", home / "engine-demo")
        (home / "units").mkdir()
        yield engine


@pytest.mark.parametrize("command", to_run())
def test_it_runs(command: str, followed: Engine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(followed.home, home)
    *_, adapted = _steps(command)
    done = subprocess.run(
        ["sh", "-ec", adapted],
        cwd=ROOT if command.startswith(IN_THE_REPOSITORY) else home,
        env=followed.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, f"{adapted}\n{done.stdout}{done.stderr}"


def test_what_is_installed_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installs = [shlex.split(command) for command in commands() if command.startswith("pip install")]
    extras = [re.fullmatch(rf"{project['name']}\[(\w+)\]", arguments[-1]) for arguments in installs]
    assert {extra[1] for extra in extras if extra} <= set(project["optional-dependencies"])
    for arguments, extra in zip(installs, extras, strict=True):
        if extra:
            continue
        given = list(pairwise(arguments))
        assert all((ROOT / file).is_file() for flag, file in given if flag == "-c")
        [editable] = [re.fullmatch(r"\.(?:\[(\w+)\])?", what) for flag, what in given if flag == "-e"]
        assert editable
        assert editable[1] in {None, *project["optional-dependencies"]}


def test_the_whole_check_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)


def test_the_unit_that_is_asked_about_is_the_one_that_is_printed(followed: Engine, tmp_path: Path) -> None:
    assert followed.run("service", "systemd", "-o", str(tmp_path)).exit_code == 0
    units = {path.stem for path in tmp_path.glob("*.service")}
    assert units == {command.split()[-1] for command in commands() if command.startswith("systemctl")}
