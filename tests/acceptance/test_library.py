"""`engine.sync` and `engine.push` inside somebody else's plain event loop, against the real stand-in."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import engine
import engine.errors
from engine.report.report import Report, RunStatus
from engine.settings.loading import from_tables
from engine.simulator.process import StandInProcess
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import AccessRefused, ConfigError, EngineError, Interrupted, StateLocked
from engine.values.stopping import Stop
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.stand_in import stand_in

FAST: dict[str, Any] = {"requests_per_second": 500.0, "batch_size": 10, "concurrency": 4}


@pytest.fixture
def server() -> Iterator[StandInProcess]:
    with stand_in() as running:
        yield running


@pytest.fixture(autouse=True)
def untouched_process() -> Iterator[None]:
    """Whatever a library call does, signals and logging stay the caller's."""
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
    before = [signal.getsignal(number) for number in numbers], list(logging.root.handlers), logging.root.level
    yield
    assert before == (
        [signal.getsignal(number) for number in numbers], list(logging.root.handlers), logging.root.level,
    )  # fmt: skip


def target(server: StandInProcess, tmp_path: Path) -> dict[str, Any]:
    return {
        "url": server.url,
        "campaign_id": server.campaign_id,
        "token": server.token,
        "state_dir": tmp_path / "state",
    }


async def state(server: StandInProcess) -> dict[str, Any]:
    return await asyncio.to_thread(server.state)


def assert_plain_loop() -> None:
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio.")


async def test_push_any_iterable(server: StandInProcess, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert_plain_loop()
    loans = portfolio(55)
    report = await engine.push(loans.items(), **target(server, tmp_path), **FAST)
    assert isinstance(report, Report)
    assert (report.status, report.exit_code, report.records.updated) == (RunStatus.SUCCEEDED, 0, 55)
    assert await state(server) == loans
    assert (tmp_path / "state" / "runs" / report.run_id / "report.html").exists()
    assert capfd.readouterr().out == ""


async def test_push_an_async_iterable_that_uses_the_same_loop(server: StandInProcess, tmp_path: Path) -> None:
    loans = portfolio(55)

    async def rows() -> AsyncIterator[tuple[str, dict[str, Any]]]:
        for pair in loans.items():
            await asyncio.sleep(0)
            yield pair

    report = await engine.push(rows(), **target(server, tmp_path), **FAST)
    assert (report.exit_code, report.records.updated) == (0, 55)
    assert await state(server) == loans


async def test_push_tells_invalid_pairs_by_their_number(server: StandInProcess, tmp_path: Path) -> None:
    def rows() -> Iterator[Any]:
        yield "a", {"x": 1}
        yield "", {"x": 1}
        yield "b", {}
        yield "c", {"x": float("nan")}
        yield "not a pair"
        yield "d", {"x": object()}
        yield "e", {"x": None}

    report = await engine.push(rows(), **target(server, tmp_path), **FAST)
    assert (report.status, report.exit_code) == (RunStatus.PARTIAL, 3)
    assert (report.records.read, report.records.updated, report.records.invalid) == (7, 2, 5)
    lines = (tmp_path / "state" / "runs" / report.run_id / "rejected.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["source"]["row"] for line in lines] == [2, 3, 4, 5, 6]
    assert await state(server) == {"a": {"x": 1}, "e": {"x": None}}


async def test_push_resumes_after_a_stop(server: StandInProcess, tmp_path: Path) -> None:
    loans, stop = portfolio(400), Stop()
    await asyncio.to_thread(server.change, hold="before-reply")
    first = asyncio.create_task(engine.push(loans.items(), **target(server, tmp_path), stop=stop, **FAST))
    await asyncio.to_thread(server.wait, held=4)
    stop.request(Interrupted("the job was cancelled"))
    await asyncio.to_thread(server.change, hold="nothing")
    await asyncio.to_thread(server.release)
    stopped = await first
    assert (stopped.exit_code, stopped.message) == (75, "the job was cancelled")
    assert stopped.records.updated == 40
    done = await engine.push(loans.items(), **target(server, tmp_path), **FAST)
    assert (done.run_id, done.resumes, done.records.updated) == (stopped.run_id, 1, 400)
    assert await state(server) == loans
    assert (await asyncio.to_thread(server.stats))["repeated"] == 0


async def test_sync_runs_the_main_job(server: StandInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ndjson(tmp_path / "loans.ndjson", portfolio(30))
    monkeypatch.setenv("TIMEPAY_TOKEN", server.token)
    settings = from_tables(
        {
            "api": {"url": server.url, "campaign_id": server.campaign_id},
            "source": {"path": str(tmp_path / "loans.ndjson")},
            "state": {"dir": str(tmp_path / "state")},
            "upload": FAST,
        }
    )
    report = await engine.sync(settings, limit=20)
    assert (report.status, report.records.read, report.records.updated) == (RunStatus.SUCCEEDED, 20, 20)
    (tmp_path / "loans.ndjson").unlink()
    with pytest.raises(EngineError, match=r"loans\.ndjson"):
        await engine.sync(settings)


async def test_errors_are_the_engines_own(server: StandInProcess, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_sizes"):
        await engine.push([], **target(server, tmp_path), batch_sizes=3)
    refused = await engine.push([("a", {"x": 1})], **(target(server, tmp_path) | {"token": "wrong"}), **FAST)
    assert (refused.status, refused.exit_code) == (RunStatus.FAILED, AccessRefused.exit_code)
    await asyncio.to_thread(server.change, hold="before-reply")
    first = asyncio.create_task(engine.push([("a", {"x": 1})], **target(server, tmp_path), **FAST))
    await asyncio.to_thread(server.wait, held=1)
    with pytest.raises(StateLocked):
        await engine.push([("b", {"x": 1})], **target(server, tmp_path), **FAST)
    await asyncio.to_thread(server.change, hold="nothing")
    await asyncio.to_thread(server.release)
    assert (await first).exit_code == 0


def types_in(annotation: object) -> Iterator[type]:
    """Yield the types of the engine's own that values of this annotation are made of."""
    for part in get_args(annotation):
        yield from types_in(part)
    if isinstance(annotation, type) and annotation.__module__.startswith("engine."):
        yield annotation
        for hint in get_type_hints(annotation).values():
            yield from types_in(hint)


def test_whatever_a_report_holds_and_whatever_is_raised_can_be_imported() -> None:
    found = {*types_in(engine.Report), engine.Settings, engine.Stop}
    errors = [EngineError]
    for error in errors:
        errors += [each for each in error.__subclasses__() if not each.__name__.startswith("_")]  # these go nowhere
    assert {RequestCounts, RecordCounts} <= found
    assert {AccessRefused, Interrupted} <= {*errors}
    for kind in (*found, *errors):
        assert getattr(engine, kind.__name__) is kind
        assert kind.__name__ in engine.__all__
    assert all(getattr(engine.errors, error.__name__) is error for error in errors)


@pytest.mark.parametrize(("module", "library"), [("spark", "pyspark"), ("ray", "ray")])
def test_a_cluster_that_is_not_installed_is_told_with_what_to_type(module: str, library: str) -> None:
    program = f"import sys; sys.modules[{library!r}] = None; import engine.{module}"
    tried = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = tried.stderr.splitlines()[-1]
    assert last.startswith("engine.values.errors.ConfigError: ")
    assert last.endswith(f"which is not installed: pip install 'bulk-sync-engine[{module}]'")


def test_a_configuration_is_named_by_text_or_path(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[api]\ncampaign_id = 'c'\n[source]\npath = 'loans.ndjson'\n", encoding="utf-8")
    assert engine.load_config(str(path)) == engine.load_config(path)


CONSUMER = """
import asyncio
from pathlib import Path

import engine
import pyarrow  # type: ignore[import-untyped]
from engine.config import load


class Frame:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


async def nightly() -> int:
    report = await engine.sync(load(Path("config.toml")))
    rows = ((f"loan_{n}", {"emi_amount": n}) for n in range(3))
    pushed = await engine.push(rows, url="u", campaign_id="c", token="t", state_dir="s", batch_size=100)
    reveal_type(pushed.records.updated)
    table = pyarrow.table({"loan_id": ["loan_1"], "x": [1]})
    await engine.push(table, id="loan_id", types={"x": "integer"}, url="u", campaign_id="c", token="t", state_dir="s")
    await engine.push(Frame(), id="loan_id", exclude=["x"], url="u", campaign_id="c", token="t", state_dir="s")
    return report.records.updated


asyncio.run(nightly())
"""


def test_type_hints_are_shipped(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(CONSUMER, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--cache-dir",
        str(tmp_path / "cache"),
        "nightly.py",
    ]
    package = Path(engine.__file__).parent
    assert (package / "py.typed").is_file()
    environment = os.environ | {"MYPYPATH": str(package.parent)}  # mypy does not see editable installations
    checked = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert 'Revealed type is "int"' in checked.stdout or 'Revealed type is "builtins.int"' in checked.stdout
