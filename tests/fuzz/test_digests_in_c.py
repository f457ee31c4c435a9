"""The accelerator of the ledger under AddressSanitizer and UndefinedBehaviorSanitizer, and as others compile it.

Not in the usual run, because it needs a C compiler and a minute: `python -m pytest tests/fuzz`.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.fuzz.compiling import (
    DIGESTS,
    HERE,
    ROUNDS,
    SANITIZED,
    SEED,
    build,
    drive,
    needs_compiler,
    run_tests,
    sanitized_environment,
)
from tests.sources.ndjson.lines_of_all_kinds import canonical_line

pytestmark = needs_compiler
TESTS = tuple(f"tests/ledger/test_{name}.py" for name in ("acceleration", "digests", "ids", "lookup", "lines"))


def test_no_line_leads_out_of_its_memory(tmp_path: Path) -> None:
    rng = Random(SEED)
    tried, accepted = drive(tmp_path, HERE / "drive_digests.c", [canonical_line(rng) for _ in range(10_000)])
    assert tried > accepted > ROUNDS // 20


def test_the_other_tests_pass_with_sanitizers(tmp_path: Path) -> None:
    extension = build(tmp_path / "_digests.abi3.so", DIGESTS, "-shared", "-fPIC", *SANITIZED)
    run_tests(TESTS, sanitized_environment({"INSTRUMENTED_DIGESTS": extension}))


def test_digests_are_the_same_without_what_a_compiler_may_lack(tmp_path: Path) -> None:
    """Without products of 128 bits, and without knowing the order of bytes."""
    lacking = ("-U__SIZEOF_INT128__", "-U__BYTE_ORDER__")
    extension = build(tmp_path / "_digests.abi3.so", DIGESTS, "-shared", "-fPIC", "-O1", *lacking)
    run_tests(TESTS, {**os.environ, "INSTRUMENTED_DIGESTS": str(extension)})
