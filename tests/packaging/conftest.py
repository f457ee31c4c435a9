"""What is built of this tree, and environments in which it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 600
NOT_OF_THE_TREE = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "*.so", "build", "benchmark-results"
)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that must succeed, in a bare environment, and return what it said."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree, so that what is built leaves nothing behind in it."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / "tree", symlinks=True, ignore=NOT_OF_THE_TREE)


@pytest.fixture(scope="session")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the source distribution, and with the wheel that was built of that."""
    environment, built = tmp_path_factory.mktemp("building"), tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "venv", environment, cwd=built)
    run(environment / "bin" / "pip", "install", "--quiet", "build", cwd=built)
    run(environment / "bin" / "python", "-m", "build", "--outdir", built, tree, cwd=built)
    return built


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes an environment with what is named as for pip; its dependencies are those of the tests' own environment."""

    def make(*what: str | Path) -> Path:
        environment = tmp_path_factory.mktemp("installed")
        run(sys.executable, "-m", "venv", environment, cwd=environment)
        run(environment / "bin" / "pip", "install", "--quiet", "--no-deps", *what, cwd=environment)
        [packages] = environment.glob("lib/*/site-packages")
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        return environment / "bin"

    return make
