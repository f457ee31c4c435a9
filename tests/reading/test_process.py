"""A second process yields the very chunks that this one would, passes errors on, and never outlives its use."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import orjson
import pytest
from msgspec.structs import replace

from engine.reading import process
from engine.reading.__main__ import Slots, _read
from engine.reading.messages import SLOTS, Failed, receive
from engine.reading.plan import Cutting, Reading
from engine.reading.process import ReaderProcess
from engine.sources.spec import SourceSpec
from engine.values import Chunk
from engine.values.errors import Interrupted, SourceMissing, SourceUntrusted
from tests.processes import is_running, readers_of

CUTTING = Cutting(batch_size=100, lines_bytes_max=200_000)


def reading(path: Path, cutting: Cutting = CUTTING, **spec: object) -> Reading:
    return Reading(SourceSpec((str(path),), **spec), cutting, record_bytes_max=100_000)  # type: ignore[arg-type]


@pytest.fixture
def ndjson(tmp_path: Path) -> Path:
    """Records with everything that a chunk can tell: repeated ids, refusals, blank lines."""
    dice = Random(7)
    lines = []
    for number in range(5_000):
        id_ = f"loan_{number:05}" if dice.random() > 0.02 else f"loan_{dice.randrange(number + 1):05}"
        lines.append(orjson.dumps({"id": id_, "data": {"n": number, "name": "अ" * dice.randrange(20)}}))
        if dice.random() < 0.01:
            lines.append(dice.choice([b"", b"{", b'{"id":"","data":{"a":1}}', b'{"id":5}']))
    path = tmp_path / "loans.ndjson"
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    rows = "".join(f"{number},{number * 1.5},{'x' if number % 97 == 0 else number}\n" for number in range(2_000))
    path.write_text("loan_id,emi,dpd\n" + rows, encoding="utf-8")
    return path


def here(reading: Reading) -> list[Chunk]:
    return list(reading.cutting.cut(reading.open()))


def test_the_reader_is_this_package_whatever_the_working_directory_holds(
    ndjson: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ndjson.parent)
    Path("engine").mkdir()
    Path("engine/__init__.py").write_text("raise ImportError", encoding="utf-8")
    assert list(ReaderProcess(reading(ndjson)).chunks()) == here(reading(ndjson))


def test_ndjson_comes_as_it_would_here(ndjson: Path) -> None:
    wanted = here(reading(ndjson))
    assert len(wanted) > SLOTS
    assert sum(len(chunk.refusals) for chunk in wanted) > 10
    assert any(chunk.superseded for chunk in wanted)
    assert list(ReaderProcess(reading(ndjson)).chunks()) == wanted


def test_mapped_and_typed_csv_comes_as_it_would_here(csv: Path) -> None:
    plan = reading(csv, id="loan_id", rename={"emi": "emi_amount"}, types={"dpd": "integer"})
    wanted = here(plan)
    assert sum(len(chunk.refusals) for chunk in wanted) == 21
    assert list(ReaderProcess(plan).chunks()) == wanted


def test_the_first_records_are_enough(ndjson: Path) -> None:
    plan = reading(ndjson, replace(CUTTING, limit=250))
    chunks = list(ReaderProcess(plan).chunks())
    assert chunks == here(plan)
    assert sum(len(chunk.ids) + chunk.superseded + len(chunk.refusals) for chunk in chunks) == 250


def test_a_reader_that_is_done_first_has_said_all(csv: Path) -> None:
    """It goes as soon as its last chunks stand in the memory, and cannot hear any more that they were taken."""
    plan = reading(csv, replace(CUTTING, limit=Slots.AHEAD_MIN * CUTTING.batch_size), id="loan_id")
    reader = ReaderProcess(plan)
    chunks = reader.chunks()
    taken = [next(chunks)]
    while is_running(reader.pid):
        os.sched_yield()
    assert [*taken, *chunks] == here(plan)


def test_damage_comes_after_everything_before_it(ndjson: Path) -> None:
    path = ndjson.with_suffix(".ndjson.gz")
    whole = gzip.compress(ndjson.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    found: list[Chunk] = []
    with pytest.raises(SourceUntrusted, match=r"loans\.ndjson\.gz is damaged"):
        found.extend(ReaderProcess(reading(path)).chunks())
    assert len(found) > 10


def test_a_file_that_has_gone_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="does not exist"):
        list(ReaderProcess(reading(tmp_path / "gone.ndjson")).chunks())


def test_files_that_were_found_are_read_and_no_others(ndjson: Path) -> None:
    plan = reading(ndjson.with_name("*.ndjson")).with_files()
    wanted = here(plan)
    ndjson.with_name("a.ndjson").write_bytes(b'{"id":"new","data":{"n":1}}\n')
    assert list(ReaderProcess(plan).chunks()) == wanted == here(reading(ndjson))


def test_a_found_name_is_no_glob_even_if_its_file_has_gone(tmp_path: Path) -> None:
    odd = tmp_path / "a[1].ndjson"
    odd.write_bytes(b'{"id":"x","data":{"n":1}}\n')
    plan = reading(odd).with_files()
    odd.rename(tmp_path / "a1.ndjson")  # which the name as a glob would match
    with pytest.raises(SourceMissing, match="does not exist"):
        list(ReaderProcess(plan).chunks())


def test_a_file_that_was_replaced_since_it_was_found_is_not_trusted(ndjson: Path) -> None:
    plan = reading(ndjson).with_files()
    ndjson.write_bytes(b'{"id":"x","data":{"n":1}}\n')
    with pytest.raises(SourceUntrusted, match="has changed since it was found"):
        list(ReaderProcess(plan).chunks())


def test_the_marker_is_looked_for_once(ndjson: Path) -> None:
    marker = ndjson.with_name("_SUCCESS")
    plan = reading(ndjson, done_marker=str(marker))
    with pytest.raises(SourceMissing, match="done_marker"):
        plan.with_files()
    marker.touch()
    found = plan.with_files()
    marker.unlink()
    assert list(ReaderProcess(found).chunks()) == here(reading(ndjson))


def test_a_killed_reader_ends_in_a_run_to_be_taken_up(ndjson: Path) -> None:
    reader = ReaderProcess(reading(ndjson))
    chunks = reader.chunks()
    next(chunks)
    os.kill(reader.pid, signal.SIGKILL)
    with pytest.raises(Interrupted, match="has died"):
        list(chunks)


def test_signals_to_a_whole_group_do_not_end_it(ndjson: Path) -> None:
    reader = ReaderProcess(reading(ndjson))
    chunks = reader.chunks()
    found = [next(chunks)]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(reader.pid, number)
    found.extend(chunks)
    assert found == here(reading(ndjson))


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_who_does_not_want_the_rest_ends_it(ndjson: Path, taken: int) -> None:
    reader = ReaderProcess(reading(ndjson))
    chunks = reader.chunks()
    for _ in range(taken):
        next(chunks)
    reader.close()
    reader.close()
    assert not is_running(reader.pid)


def test_it_ends_when_nobody_is_there_any_more(ndjson: Path) -> None:
    if not (child := os.fork()):  # stands for an engine that is killed: no clean-up of any kind
        reader = ReaderProcess(reading(ndjson))
        next(reader.chunks())
        ndjson.with_suffix(".pid").write_text(str(reader.pid), encoding="utf-8")
        os._exit(0)
    os.waitpid(child, 0)
    pid = int(ndjson.with_suffix(".pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline
        os.sched_yield()


def test_a_bug_is_told_as_places_without_values() -> None:
    class Broken:
        cutting = Cutting(batch_size=1, lines_bytes_max=mmap.PAGESIZE)
        comparing = None

        def open(self) -> Broken:
            return self

        def blocks(self) -> None:
            raise ValueError("secret")

    plan, said = Broken(), io.BytesIO()
    memory = os.memfd_create("chunks")
    os.ftruncate(memory, SLOTS * mmap.PAGESIZE)
    _read(plan, memory, io.BytesIO(), said)  # type: ignore[arg-type]
    os.close(memory)
    failed = receive(io.BytesIO(said.getvalue()))
    assert isinstance(failed, Failed)
    assert failed.message.startswith("ValueError at test_process.py:")
    assert "secret" not in failed.message
    with pytest.raises(RuntimeError, match="reading the source failed: ValueError at"):
        raise process._error_of(failed)


def test_how_far_reading_may_be_ahead() -> None:
    small = Slots(io.BytesIO(bytes([7, 5])))
    assert [small.take() for _ in range(SLOTS + 3)] == [*range(SLOTS), 7, 5, None]
    large = Slots(io.BytesIO(bytes([1])))
    large.filled_bytes = Slots.AHEAD_BYTES
    assert [large.take() for _ in range(5)] == [0, 1, 2, 1, None]


@pytest.fixture(autouse=True)
def no_reader_is_left() -> Iterator[None]:
    yield
    assert not readers_of(os.getpid())
