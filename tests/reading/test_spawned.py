"""The process that reads, before it is told what: ready, with no secret around it, and gone when nobody wants it."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from engine.reading.plan import Cutting, Reading
from engine.reading.process import ReaderProcess
from engine.reading.spawned import ENVIRONMENT, PAYS_FROM_BYTES, SpawnedReader, pays
from engine.sources.spec import SourceSpec
from engine.values.errors import Interrupted
from tests.processes import is_running

CUTTING = Cutting(batch_size=100, lines_bytes_max=200_000)


@pytest.fixture
def ndjson(tmp_path: Path) -> Path:
    path = tmp_path / "loans.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps({"id": f"loan_{n}", "data": {"n": n}}) for n in range(1_000)))
    return path


def reading(path: Path, **spec: object) -> Reading:
    return Reading(SourceSpec((str(path),), **spec), CUTTING, record_bytes_max=100_000)  # type: ignore[arg-type]


@pytest.mark.parametrize("likely", ["", "loans.ndjson", "loans.csv.gz", "other.parquet", "loans"])
def test_what_was_started_before_reads_what_it_is_told_then_whatever_was_likely(ndjson: Path, likely: str) -> None:
    spawned, plan = SpawnedReader(path=likely), reading(ndjson)
    reader = ReaderProcess(plan, spawned=spawned)
    assert reader.pid == spawned.pid
    assert list(reader.chunks()) == list(plan.cutting.cut(plan.open()))
    assert not is_running(spawned.pid)


def test_one_that_nobody_wants_leaves_nothing() -> None:
    spawned = SpawnedReader(path="loans.csv")
    try:
        assert is_running(spawned.pid)
        memory = os.fstat(spawned.memory)
    finally:
        spawned.close()
    spawned.close()
    assert not is_running(spawned.pid)
    assert all(pipe.closed for pipe in spawned.pipes())
    assert not [each for each in Path("/proc/self/fd").iterdir() if _is_open(each, memory)]


def _is_open(link: Path, memory: os.stat_result) -> bool:
    """Whether a descriptor is of this memory: those of all readers are called the same."""
    try:
        return os.path.samestat(link.stat(), memory)
    except OSError:  # it was closed meanwhile
        return False


def test_one_that_has_died_before_it_was_told_anything_is_told_of_as_any_other(ndjson: Path) -> None:
    spawned = SpawnedReader()
    os.kill(spawned.pid, 9)
    while is_running(spawned.pid):
        os.sched_yield()
    with pytest.raises(Interrupted, match="has died"):
        list(ReaderProcess(reading(ndjson), spawned=spawned).chunks())


def test_its_environment_holds_no_secret_of_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEPAY_TOKEN", "NIGHT_TOKEN", "ENGINE_API__PROXY", "ENGINE_NOTIFY__HEALTHCHECK_URL", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "secret")
    spawned = SpawnedReader()
    try:
        while not (environment := Path(f"/proc/{spawned.pid}/environ").read_bytes()):
            os.sched_yield()  # its program is just being put in place
    finally:
        spawned.close()
    assert b"PATH=" in environment
    assert b"secret" not in environment
    assert {line.partition(b"=")[0].decode() for line in environment.split(b"\0") if line} <= {
        *ENVIRONMENT,
        "PYTHONPATH",
    }


def test_when_a_second_process_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    assert pays(PAYS_FROM_BYTES)
    assert not pays(PAYS_FROM_BYTES - 1)
    assert not pays(None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    assert not pays(PAYS_FROM_BYTES)
