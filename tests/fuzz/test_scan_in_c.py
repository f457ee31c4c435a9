"""The accelerator under AddressSanitizer and UndefinedBehaviorSanitizer, and with memory that runs out.

Not in the usual run, because it needs a C compiler and a minute: `python -m pytest tests/fuzz`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

from tests.fuzz.compiling import (
    CELLS,
    HERE,
    ROOT,
    ROUNDS,
    SANITIZED,
    SCAN,
    SEED,
    STRINGS,
    build,
    drive,
    needs_compiler,
    run_tests,
    sanitized_environment,
)
from tests.sources.ndjson.lines_of_all_kinds import canonical_line, flat_line

pytestmark = needs_compiler


def test_no_line_leads_out_of_its_memory(tmp_path: Path) -> None:
    rng = Random(SEED)
    corpus = [make(rng) for _ in range(5_000) for make in (canonical_line, flat_line)]
    scanned, accepted = drive(tmp_path, HERE / "drive_scan.c", corpus)
    assert scanned > accepted > ROUNDS // 20


def test_the_other_tests_pass_with_sanitizers(tmp_path: Path) -> None:
    extensions = {
        "INSTRUMENTED_SCAN": build(tmp_path / "_scan.abi3.so", SCAN, "-shared", "-fPIC", *SANITIZED),
        "INSTRUMENTED_STRINGS": build(tmp_path / "_strings.abi3.so", STRINGS, "-shared", "-fPIC", *SANITIZED),
        "INSTRUMENTED_CELLS": build(tmp_path / "_cells.abi3.so", CELLS, "-shared", "-fPIC", *SANITIZED),
    }
    tests = [
        f"tests/sources/ndjson/{name}"
        for name in (
            "test_scanned.py",
            "test_reader.py",
            "test_acceleration.py",
            "test_route_texts.py",
            "test_lines_in_order.py",
        )
    ]
    tests += ["tests/sources/columns/test_acceleration.py", "tests/sources/csv/test_acceleration.py"]
    run_tests([*tests, "tests/sources/csv/test_fuzz.py"], sanitized_environment(extensions))


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
    extension = build(tmp_path / "_scan.abi3.so", SCAN, *flags)
    failures = []
    for allocations in (*range(24), 1_000_000):
        environment = sanitized_environment({"INSTRUMENTED_SCAN": extension}) | {"ALLOCATIONS": str(allocations)}
        command = [sys.executable, "-c", PROGRAM.format(path=str(extension))]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{allocations} allocations: {done.stderr[-3_000:]}"
        failures.append(int(done.stdout))
    assert min(failures[:10]) > 0
    assert failures[-1] == 0
