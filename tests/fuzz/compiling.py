"""The accelerators, compiled in other ways, and what is done with them.

`FUZZ_SEED` and `FUZZ_ROUNDS` in the environment try other texts, and more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SCAN, STRINGS, CELLS, DIGESTS = SOURCES = (
    ROOT / "engine/sources/ndjson/_scan.c",
    ROOT / "engine/sources/columns/_strings.c",
    ROOT / "engine/sources/csv/_cells.c",
    ROOT / "engine/ledger/_digests.c",
)
COMPILER = os.environ.get("CC", "gcc")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000000"))

needs_compiler = pytest.mark.skipif(not shutil.which(COMPILER), reason=f"{COMPILER} is not installed")


def build(target: Path, source: Path, *flags: str) -> Path:
    """Compile `source`, which may include that of an accelerator, with warnings as errors."""
    includes = [f"-I{path}" for path in (sysconfig.get_paths()["include"], *(each.parent for each in SOURCES))]
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers")
    command = [COMPILER, *warnings, "-Wno-cast-function-type", *includes, *flags]
    done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def drive(directory: Path, driver: Path, corpus: Iterable[bytes]) -> list[int]:
    """Have a driver try mutated lines, with sanitizers; return the numbers it prints but for the first, its rounds."""
    print(f"seed {SEED}, {ROUNDS} rounds")
    (directory / "corpus").write_bytes(b"".join(line + b"\n" for line in corpus))
    alone = ("-no-pie", "-fno-pie", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-z,lazy")  # it calls nothing of Python
    program = build(directory / driver.stem, driver, *SANITIZED, *alone)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # it ends without giving anything back
    command = [str(program), str(directory / "corpus"), str(SEED), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    print(done.stdout.decode())
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4_000:]
    rounds, *numbers = (int(word) for word in done.stdout.split() if word.isdigit())
    assert rounds == ROUNDS
    return numbers


def sanitized_environment(extensions: Mapping[str, Path]) -> dict[str, str]:
    """Return the environment of a Python in which `instrumented.py` finds these extensions, built with sanitizers."""
    return {
        **os.environ,
        **{variable: str(path) for variable, path in extensions.items()},
        "LD_PRELOAD": f"{_library_of('asan')} {_library_of('ubsan')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython itself keeps much until it ends
    }


def run_tests(tests: Iterable[str], environment: Mapping[str, str]) -> None:
    """Run other tests with the extensions that `environment` names."""
    options = ["-q", "-p", "tests.fuzz.instrumented", "--numprocesses=0", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    separate = {"PYTHONMALLOC": "malloc"}  # each object has memory of its own, with guards around
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, **separate}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


def _library_of(sanitizer: str) -> str:
    command = [COMPILER, f"-print-file-name=lib{sanitizer}.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
