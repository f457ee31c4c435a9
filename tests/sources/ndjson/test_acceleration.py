"""When the accelerator is used, and when not."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, strategies as st

from engine.sources.json_text import DEPTH_MAX
from engine.sources.ndjson import acceleration
from engine.sources.ndjson.acceleration import nth_newline
from engine.values import PURE_VARIABLE

SOURCE = Path(acceleration.__file__).with_name("_scan.c")
accelerated = pytest.mark.skipif(acceleration.accelerator is None, reason=f"no accelerator: {acceleration.why_pure}")


def loaded(program: str = "", **environment: str) -> str:
    """What a new process says of the accelerator."""
    code = (
        f"{program}\nfrom engine.sources.ndjson import acceleration as a\nprint(a.accelerator is not None, a.why_pure)"
    )
    variables = {name: text for name, text in os.environ.items() if name != PURE_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**variables, **environment}
    )
    return done.stdout.strip()


def test_the_binary_says_from_which_source_it_was_built() -> None:
    lines = SOURCE.read_text(encoding="utf-8")
    digest = xxhash.xxh3_128_hexdigest(re.sub(r"(?m)^#define SOURCE_DIGEST .*\n", "", lines).encode())
    assert f'#define SOURCE_DIGEST "{digest}"' in lines, f"_scan.c has changed: its SOURCE_DIGEST must be {digest}"
    assert digest == acceleration.SOURCE_DIGEST, "acceleration.py must say the same"


@accelerated
def test_both_ways_go_as_deep() -> None:
    assert acceleration.extension().DEPTH_MAX == DEPTH_MAX


@accelerated
def test_it_is_used_where_it_was_built() -> None:
    assert loaded() == "True"
    assert acceleration.accelerator
    assert acceleration.accelerator.SOURCE_DIGEST == acceleration.SOURCE_DIGEST


def test_a_variable_keeps_it_from_being_used() -> None:
    assert loaded(ENGINE_PURE="1") == "False ENGINE_PURE=1 is set"


def test_it_may_be_missing() -> None:
    program = "import sys; sys.modules['engine.sources.ndjson._scan'] = None"
    assert loaded(program) == "False it was not built; a C compiler at installation builds it"


def test_another_version_is_not_used() -> None:
    program = "import sys, types, engine.sources.ndjson\nm = types.ModuleType('_scan'); m.SOURCE_DIGEST = 'other'\n"
    program += "sys.modules['engine.sources.ndjson._scan'] = m; engine.sources.ndjson._scan = m"
    assert loaded(program) == "False it was built from another version; install the engine again"


def test_other_interpreters_go_without_it() -> None:
    program = "import sys, engine.sources.ndjson; sys.implementation.name = 'pypy'"
    assert loaded(program) == "False pypy cannot use it"


@accelerated
@given(st.lists(st.text(max_size=30)), st.integers(0, 9))
def test_ids_of_a_column_have_the_same_numbers(ids: list[str], skipped: int) -> None:
    column = pa.array(["skipped"] * skipped + ids, pa.string()).slice(skipped)
    assert acceleration.numbers_of_column(column) == acceleration.numbers_of(ids)


@accelerated
@pytest.mark.parametrize(
    ("skipped", "offsets", "rows"),
    [(0, (0, 1), 2), (-1, (0, 1), 1), (2, (0, 1), 0), (0, (0, 3), 1), (0, (1, 0), 1), (0, (-1, 1), 1), (0, (0, 1), -1)],
)
def test_columns_that_lead_out_of_their_text_are_refused(skipped: int, offsets: tuple[int, ...], rows: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        acceleration.extension().numbers_of_column(skipped, struct.pack("=2i", *offsets), b"ab", rows, 7)


@accelerated
def test_numbers_are_other_ones_in_each_process() -> None:
    program = "from engine.sources.ndjson import acceleration; print(acceleration.numbers_of(['a', 'b']).hex())"
    run = [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)]
    assert run[0] != run[1]


@accelerated
def test_different_short_ids_never_have_the_same_number() -> None:
    ids = [f"{number:06}" for number in range(100_000)] + [f"{number}" for number in range(100_000)]
    ids = list(dict.fromkeys(ids))
    numbers = memoryview(acceleration.numbers_of(ids)).cast("Q")
    assert len(set(numbers)) == len(ids)
    assert 0 not in numbers


@accelerated
@given(st.lists(st.integers(1, 300)), st.lists(st.integers(1, 300)))
def test_a_set_of_numbers_is_a_set(first: list[int], second: list[int]) -> None:
    def packed(numbers: list[int]) -> bytes:
        return b"".join((number * 4096).to_bytes(8, "little") for number in numbers)  # all want the same place

    found = acceleration.extension().NumberSet()
    assert found.lacks(packed(first))
    assert found.add(packed(first)) == (len(set(first)) == len(first))
    assert found.lacks(packed(second)) == set(first).isdisjoint(second)
    assert found.add(packed(second)) == (len(set(second)) == len(second) and set(first).isdisjoint(second))
    found.clear()
    assert found.lacks(packed(first))
    assert found.add(packed(sorted(set(first))))


@accelerated
def test_a_set_grows() -> None:
    rng = Random(3)
    found, expected = acceleration.extension().NumberSet(), set[int]()
    for _ in range(30):
        numbers = [rng.getrandbits(64) or 1 for _ in range(rng.randint(0, 3_000))]
        assert found.add(b"".join(number.to_bytes(8, "little") for number in numbers))
        expected.update(numbers)
    assert not found.lacks(max(expected).to_bytes(8, "little"))
    assert found.lacks((max(expected) - 1).to_bytes(8, "little"))


@given(st.binary(), st.data())
def test_the_nth_newline(data: bytes, draw: st.DataObject) -> None:
    positions = [index for index, byte in enumerate(data) if byte == ord("\n")]
    number = draw.draw(st.integers(0, len(positions)))
    assert nth_newline(data, number) == (positions[number - 1] if number else -1)
