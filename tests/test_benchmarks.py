"""The benchmarks work, at sizes that take no time: what they measure is true, and what they patch still exists."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import results
from benchmarks.__main__ import main
from benchmarks.engine_runs import Workload
from benchmarks.inputs import write
from benchmarks.measure import _Peaks, interleaved, measure
from benchmarks.peers.catalog import PEERS
from benchmarks.plots import Bar, BarGroup, Panel, Series, bar_chart, line_chart
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.service_log import Entry, ServiceLog
from engine.simulator.process import StandInProcess
from tests.documents import benchmarks as documented_benchmarks

PYTHON = sys.executable
RECORDS = 25


@pytest.fixture(scope="module")
def sink() -> Iterator[StandInProcess]:
    with StandInProcess("--sink") as sink:
        yield sink


@pytest.fixture(scope="module")
def work(sink: StandInProcess, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    path = tmp_path_factory.mktemp("inputs") / "portfolio.ndjson"
    write(path, RECORDS)
    return Workload("ndjson", path, RECORDS, sink, {"requests_per_second": 10_000.0, "batch_size": 10})


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go, and where inputs are kept, for the time of one test."""
    monkeypatch.setattr(results, "DIRECTORY", tmp_path / "results")
    monkeypatch.setattr("benchmarks.inputs.tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path / "results"


def test_a_measured_process_may_keep_its_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert measure([PYTHON, "-c", "import sys; print(sys.dont_write_bytecode)"]).stdout == "False\n"


def test_a_process_is_measured_from_outside() -> None:
    busy = measure([PYTHON, "-c", "import time\nwhile time.process_time() < 0.3: pass"])
    assert 0.3 <= busy.cpu_s < 3
    assert busy.wall_s >= 0.3
    large = measure([PYTHON, "-c", "data = b'x' * 300_000_000; print(len(data))"])
    assert large.peak_mb > 300
    assert large.stdout == "300000000\n"


def test_the_peak_is_of_this_child_and_not_of_an_earlier_one() -> None:
    # In a process of its own: a child's peak begins at the size of the process that it was forked from.
    small = f"measure([{PYTHON!r}, '-c', 'pass']).peak_mb"
    large = f"measure([{PYTHON!r}, '-c', 'bytearray(300_000_000)']).peak_mb"
    code = f"from benchmarks.measure import measure\nprint({large} > 300, {small} < 200)"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_the_peak_includes_a_child_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both wait until they were looked at, however long that takes."""
    grown, seen, children = tmp_path / "grown", tmp_path / "seen", _Peaks._children
    looks = 0

    def noting(peaks: _Peaks) -> list[str]:
        nonlocal looks
        looks += grown.exists()
        if looks == 2:  # a whole look lies between them
            seen.touch()
        return children(peaks)

    monkeypatch.setattr(_Peaks, "_children", noting)
    child = "data = bytearray(200_000_000); print(flush=True); input()"
    parent = f"""if True:
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        data = bytearray(300_000_000)
        pathlib.Path({str(grown)!r}).touch()
        while not pathlib.Path({str(seen)!r}).exists():
            time.sleep(0.01)
        child.communicate(b"go on")"""
    measured = measure([PYTHON, "-c", parent], timeout_s=60.0)
    assert (measured.exit_code, measured.peak_mb > 500) == (0, True), measured


def test_a_failing_process_tells_why_and_a_hanging_one_is_killed() -> None:
    failed = measure([PYTHON, "-c", "import sys; sys.exit('no')"])
    assert (failed.exit_code, failed.stderr_end) == (1, "no\n")
    assert measure([PYTHON, "-c", "input() if 0 else __import__('time').sleep(60)"], timeout_s=0.3).exit_code == -9


def test_rounds_begin_with_another_one_each_time() -> None:
    assert list(interleaved("abc", 2)) == [(0, "a"), (0, "b"), (0, "c"), (1, "b"), (1, "c"), (1, "a")]


@pytest.mark.parametrize("name", ["usual", "prototype", "transport"])
def test_peers_deliver_every_record(name: str, work: Workload) -> None:
    before = work.server.stats()["records"]
    measured = measure(PEERS[name].command(PYTHON, "ndjson", work.path, RECORDS), work.env())
    assert measured.exit_code == 0, measured.stderr_end
    assert work.server.stats()["records"] - before == RECORDS


def test_a_peer_that_is_not_installed_is_called_absent() -> None:
    assert PEERS["usual"].missing(PYTHON) == ""
    assert PEERS["usual"].missing("/bin/false") == "aiohttp"


SMALL = {
    "throughput": ["--records", "20", "--runs", "1", "--kinds", "ndjson"],
    "scale": ["--sizes", "10,20", "--kinds", "ndjson"],
    "cost": ["--records", "20000", "--runs", "1"],  # whole chunks
    "delta": ["--records", "400", "--runs", "1", "--kinds", "ndjson"],
    "find": ["--records", "200", "--runs", "1"],
    "routes": ["--records", "20", "--campaigns", "1,3", "--runs", "1"],
    "profile": ["--records", "20", "--runs", "1", "--kinds", "ndjson"],
    "arrow": ["--records", "20", "--runs", "1"],
    "startup": ["--runs", "1"],
    "forecast": ["--cases", "small-resumed", "--records", "600"],
    "pacing": ["--scenarios", "quick"],
}
"""What follows the arguments that stand in the documents: the last flag counts."""
ELSEWHERE = {"document", "pictures", "databases", "places"}
"""Have tests of their own."""
DOCUMENTED = [
    [*arguments, *SMALL[arguments[0]]] for arguments in documented_benchmarks() if arguments[0] not in ELSEWHERE
]
PACING = [arguments for arguments in DOCUMENTED if arguments[0] == "pacing"]
READERS = ["scale", "--sizes", "20", "--kinds", "parquet", "--readers", "1,2"]
ABSENT = ["throughput", "--records", "20", "--runs", "1", "--kinds", "ndjson.gz", "--peers", "usual,syslog-ng"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [*(arguments for arguments in DOCUMENTED if arguments not in PACING), READERS, ABSENT],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_benchmark_prints_a_table_and_writes_its_results(
    arguments: list[str], directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cost` and `profile` fail if a part can't be left out, or a stage can't be run, as the engine is now."""
    assert main(arguments) == 0
    assert "| -" in capsys.readouterr().out
    written = json.loads((directory / f"{arguments[0]}.json").read_text(encoding="utf-8"))
    assert written["results"]
    assert written["machine"]["cpus"] >= 1
    assert_is_svg((directory / f"{arguments[0]}.svg").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("arguments", PACING)
def test_pacing_plays_a_scenario(
    arguments: list[str], directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Scenario("quick", "quick", 10, 0.01, {"requests_per_second": 50.0, "concurrency": 2}, "", ((0, 50.0),), 5)
    monkeypatch.setitem(SCENARIOS, "quick", quick)
    assert main(arguments) == 0
    assert "100.0%" in capsys.readouterr().out
    clients = json.loads((directory / "pacing.json").read_text(encoding="utf-8"))["results"]
    runs = int(arguments[arguments.index("--runs") + 1]) if "--runs" in arguments else 1
    assert [client["delivered"] for client in clients] == [1.0] * runs * (2 if "--no-peers" in arguments else 5)
    assert_is_svg((directory / "pacing.svg").read_text(encoding="utf-8"))


def test_the_plain_rival_takes_the_place_of_the_learned_pacing() -> None:
    program = """if True:
        from benchmarks.plain_pacing import replace_learned_pacing
        from engine.pacing import Pacer
        replace_learned_pacing()
        print(type(Pacer(requests_per_second=1.0, concurrency=1)).__name__)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "Aimd\n"


def test_best_possible_times() -> None:
    assert SCENARIOS["capacity"].best_s(200, 2) == pytest.approx(25.0, abs=0.1)
    assert SCENARIOS["rate"].best_s(200, 2) == pytest.approx(19.2 + 0.1, abs=0.1)
    assert SCENARIOS["changes"].best_s(450, 0) == pytest.approx(40 + (450 - 3 - 200 - 100) / 10 + 0.1, abs=0.2)
    assert SCENARIOS["outage"].best_s(400, 7) == pytest.approx(10 + 395 / 20 + 0.1, abs=0.2)


def test_a_log_tells_when_a_limit_was_found() -> None:
    scenario = Scenario("", "", 0, 0.0, {"requests_per_second": 1_000.0}, "", ((0, 10.0),))
    slow = [Entry(t / 5, t / 5, "200", 1) for t in range(20)]  # 5 a second for 4 seconds
    full = [Entry(4 + t / 10, 4 + t / 10, "200", 1) for t in range(60)]  # then 10 a second for 6
    log = ServiceLog(slow + full)
    [found_s] = log.found_after_s(scenario)
    assert found_s == pytest.approx(4.0, abs=0.7)
    assert ServiceLog(slow).found_after_s(scenario) == [None]
    refused = [Entry(entry.began_s, entry.ended_s, "429", 0) for entry in full]
    assert ServiceLog(slow + full + refused).found_after_s(scenario) == [None], "it oversteps the limit"
    assert log.warm_share(scenario) == pytest.approx(1.0, abs=0.05)


def test_pictures_are_wellformed_and_escape_what_they_show() -> None:
    bars = bar_chart([BarGroup("<a> & b", [Bar("<x>", 1.0, "1 & 2", main=True), Bar("none", 0.0, "")])])
    lines = line_chart([Panel("p", "s", "1/s", [Series("<s>", [(0, 0), (1, 0.5)]), Series("empty", [])])])
    for picture in (bars, lines):
        assert_is_svg(picture)


def assert_is_svg(text: str) -> None:
    root = ElementTree.fromstring(text)  # noqa: S314 - our own picture
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root) > 2, "there is nothing on the picture"
