"""The source distribution: all that somebody needs who builds, tests or packs it."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

from tests.packaging.conftest import run


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("unpacked")
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(home, filter="data")
    [top] = home.iterdir()
    return top


def files_below(directory: Path) -> set[str]:
    """What stands in a directory, but for what an installation of it leaves there."""
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    return {name for name in found if "egg-info" not in name and not name.endswith(".so")}


def test_it_holds_every_file_of_the_tree(tree: Path, unpacked: Path) -> None:
    assert files_below(tree) - files_below(unpacked) == {".gitignore"}
    assert (unpacked / ".ci" / "run").stat().st_mode & 0o100


def test_it_runs_its_tests(unpacked: Path) -> None:
    where = "import engine; assert engine.__file__.startswith(%r), engine.__file__"
    run(sys.executable, "-c", where % str(unpacked), cwd=unpacked)
    some = ("tests/settings", "tests/values", "tests/test_benchmarks_document.py")
    said = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *some, cwd=unpacked, ENGINE_PURE="1")
    assert " passed" in said
