"""What is installed: the command works wherever it is typed, a script is checked strictly, the example is there."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

import engine
from tests.packaging.conftest import ROOT, run

Install = Callable[..., Path]

SCRIPT = """
import asyncio

import engine


async def nightly() -> int:
    settings = engine.load_config("config.toml")
    try:
        report = await engine.sync(settings)
    except engine.StateLocked as error:
        return error.exit_code
    counts: engine.RecordCounts = report.records
    reveal_type(counts.updated)
    reveal_type(report.reasons)
    reveal_type(report.status)
    rows = [(f"loan_{number}", {"emi_amount": number}) for number in range(3)]
    pushed = await engine.push(rows, url="u", campaign_id="c", token="t", state_dir="s", batch_size=100)
    return pushed.requests.sent


print(engine.__version__, asyncio.run(nightly()))
"""


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [wheel] = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def programs(wheel: Path, install: Install) -> Path:
    """Where the programs of an environment are that has the wheel."""
    return install(wheel)


@pytest.fixture(params=["", "raise ImportError('of the working directory')"], ids=["empty", "a package"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A working directory in which something else is called `engine`."""
    (tmp_path / "engine").mkdir()
    if request.param:
        (tmp_path / "engine" / "__init__.py").write_text(request.param, encoding="utf-8")
    return tmp_path


def test_the_command_works_beside_a_folder_called_engine(programs: Path, folder: Path) -> None:
    command = programs / "bulk-sync"
    assert run(command, "--version", cwd=folder) == f"bulk-sync-engine {engine.__version__}\n"
    said = run(command, "demo", "--records", "500", cwd=folder)
    assert said.count("PROVEN: of 500 records") + said.count("PROVEN: of 49") == 2, said
    assert f"$ {command} sync -c engine-demo/config.toml" in said
    shown = run(command, "status", "-c", "engine-demo/config.toml", cwd=folder)
    assert shown.count("succeeded") == 2


def test_what_it_says_to_type_next_can_be_typed(programs: Path, tmp_path: Path) -> None:
    on_path = f"{programs}:/usr/bin:/bin"
    (tmp_path / "a.csv").write_text("loan_id,emi\nL1,5\n", encoding="utf-8")
    init = ("init", "a.csv", "--campaign", "c", "-o")
    said = run("bulk-sync", *init, "config.toml", cwd=tmp_path, PATH=on_path)
    assert "  bulk-sync check -c config.toml" in said.splitlines()
    said = run(programs / "bulk-sync", *init, "other.toml", cwd=tmp_path)
    assert f"  {programs}/bulk-sync check -c other.toml" in said.splitlines()
    helped = run("bulk-sync", "--help", cwd=tmp_path, PATH=on_path)
    assert helped.startswith("usage: bulk-sync ")
    by_module = run(programs / "python", "-m", "engine", "--help", cwd=tmp_path)
    assert by_module.startswith("usage: python -m engine ")


def test_the_example_travels_along(programs: Path, tmp_path: Path) -> None:
    run(programs / "bulk-sync", "init", "--example", "-o", "config.toml", cwd=tmp_path)
    assert (tmp_path / "config.toml").read_bytes() == (ROOT / "config.example.toml").read_bytes()


@pytest.mark.parametrize("what", ["as the README installs it", "the wheel"])
def test_a_script_of_a_user_is_checked_strictly(
    what: str, wheel: Path, tree: Path, install: Install, tmp_path: Path
) -> None:
    bin_ = install(wheel) if what == "the wheel" else install("-e", tree)
    (tmp_path / "nightly.py").write_text(SCRIPT, encoding="utf-8")
    options = ("--strict", "--cache-dir", tmp_path / "cache", "--python-executable", bin_ / "python")
    said = run(sys.executable, "-P", "-m", "mypy", *options, "nightly.py", cwd=tmp_path)
    told = [line.partition("Revealed type is ")[2].strip('"').replace("builtins.", "") for line in said.splitlines()]
    assert told[:3] == ["int", "list[engine.values.counts.Reason]", "engine.report.report.RunStatus"], said


def test_the_metadata_say_who_and_what(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        found = HeaderParser().parsestr(archive.read(name).decode())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found["Author"] == project["authors"][0]["name"]
    assert {url.partition(", ")[0] for url in found.get_all("Project-URL", [])} == set(project["urls"])
    assert "Programming Language :: Python :: 3.11" in found.get_all("Classifier", [])
    assert set(found.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
