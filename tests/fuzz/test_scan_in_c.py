"""The accelerator under AddressSanitizer and UndefinedBehaviorSanitizer, and with memory that runs out.

Not in the usual run, because it needs a C compiler and a minute: `python -m pytest tests/fuzz`. `FUZZ_SEED` and
`FUZZ_ROUNDS` in the environment try others, and more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from random import Random

import pytest

from engine.sources.ndjson import acceleration
from tests.sources.ndjson.lines_of_all_kinds import canonical_line, flat_line

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SOURCE = Path(acceleration.__file__).with_name("_scan.c")
COLUMNS_SOURCE = SOURCE.parent.with_name("columns") / "_strings.c"
COMPILER = os.environ.get("CC", "gcc")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000000"))

pytestmark = pytest.mark.skipif(not shutil.which(COMPILER), reason=f"{COMPILER} is not installed")


def build(target: Path, source: Path, *flags: str) -> Path:
    """Compile `source`, which may include `_scan.c`, with warnings as errors."""
    include = sysconfig.get_paths()["include"]
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers")
    command = [COMPILER, *warnings, "-Wno-cast-function-type", f"-I{include}", f"-I{SOURCE.parent}", *flags]
    done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def library_of(sanitizer: str) -> str:
    command = [COMPILER, f"-print-file-name=lib{sanitizer}.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_no_line_leads_out_of_its_memory(tmp_path: Path) -> None:
    print(f"seed {SEED}, {ROUNDS} rounds")
    rng = Random(SEED)
    corpus = tmp_path / "corpus"
    corpus.write_bytes(b"".join(make(rng) + b"\n" for _ in range(5_000) for make in (canonical_line, flat_line)))
    alone = ("-no-pie", "-fno-pie", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-z,lazy")  # it calls nothing of Python
    driver = build(tmp_path / "drive_scan", HERE / "drive_scan.c", *SANITIZED, *alone)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # it ends without giving anything back
    command = [str(driver), str(corpus), str(SEED), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    print(done.stdout.decode())
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4_000:]
    texts, scanned, accepted = (int(word) for word in done.stdout.split() if word.isdigit())
    assert texts == ROUNDS
    assert scanned > accepted > ROUNDS // 20


def test_the_other_tests_pass_with_sanitizers(tmp_path: Path) -> None:
    flags = ("-shared", "-fPIC", *SANITIZED)
    environment = {
        **os.environ,
        "INSTRUMENTED_SCAN": str(build(tmp_path / "_scan.abi3.so", SOURCE, *flags)),
        "INSTRUMENTED_STRINGS": str(build(tmp_path / "_strings.abi3.so", COLUMNS_SOURCE, *flags)),
        "LD_PRELOAD": f"{library_of('asan')} {library_of('ubsan')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython itself keeps much until it ends
        "PYTHONMALLOC": "malloc",  # each object has memory of its own, with guards around
    }
    tests = [f"tests/sources/ndjson/{name}" for name in ("test_scanned.py", "test_reader.py", "test_acceleration.py")]
    tests.append("tests/sources/columns/test_acceleration.py")
    options = ["-q", "-p", "tests.fuzz.instrumented", "--numprocesses=0", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


PROGRAM = """
import tests.fuzz.instrumented
from engine.sources.ndjson import acceleration as a
assert a.extension().__file__ == {path!r}
failed = 0
def attempt(work):
    global failed
    try:
        return work()
    except MemoryError:
        failed += 1
lines = b'\\n'.join(b'{{"id":"%d","k":"%d"}}' % (n, n) for n in range(2000))
canonical = b'\\n'.join(b'{{"id":"%d","data":{{"a":1}}}}' % n for n in range(2000))
for _ in range(3):
    flat = attempt(lambda: a.extension().FlatScanner(100, 1, True, b'', b'"x":1', (b'word', b'other'), 0, 0))
    if flat:
        attempt(lambda: flat.learn(b'id', True, False, None, (), -1, ()))
        attempt(lambda: flat.learn(b'k', False, False, b'"k":', (b'a', b'b'), -1, (b'c',)))
        found = attempt(lambda: flat.scan(lines, 0, len(lines)))
        assert not found or found[2] == found[3] == len(found[1]) // 8
    found = attempt(lambda: a.canonical_scanner(100).scan(canonical, 0, len(canonical)))
    assert not found or found[0] == canonical
    numbers = attempt(lambda: a.extension().NumberSet())
    made = a.numbers_of([str(n) for n in range(9000)])
    found = attempt(lambda: numbers.add(made))
    assert found in (True, None)
    assert numbers.lacks(made) == (found is None)
print(failed)
"""


def test_memory_that_runs_out_is_passed_on(tmp_path: Path) -> None:
    """Whichever allocation fails: a MemoryError, nothing half done, and the next call works."""
    flags = ("-shared", "-fPIC", *SANITIZED, "-include", str(HERE / "failing_memory.h"))
    extension = build(tmp_path / "_scan.abi3.so", SOURCE, *flags)
    failures = []
    for allocations in (*range(24), 1_000_000):
        environment = {
            **os.environ,
            "INSTRUMENTED_SCAN": str(extension),
            "LD_PRELOAD": f"{library_of('asan')} {library_of('ubsan')}",
            "ASAN_OPTIONS": "detect_leaks=0",
            "ALLOCATIONS": str(allocations),
        }
        command = [sys.executable, "-c", PROGRAM.format(path=str(extension))]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{allocations} allocations: {done.stderr[-3_000:]}"
        failures.append(int(done.stdout))
    assert min(failures[:10]) > 0
    assert failures[-1] == 0
