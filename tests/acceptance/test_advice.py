"""What is advised works as it is printed: every command is read from the screen, typed into a shell, and does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.engine_process import WAIT_S, Engine, Outcome
from tests.acceptance.nights import CHUNK, CLOSED, changed, cut, killed
from tests.acceptance.portfolios import ndjson_line, portfolio, write_ndjson

pytestmark = pytest.mark.nights

CONFIG = "my night's.toml"
"""A name that a shell takes apart unless it is quoted."""

LOANS = portfolio(60)
COMMAND = re.compile(r"^ *(?:.*: )?((?:ENGINE_\w+=\S+ )?python -m engine .+)$", re.MULTILINE)
OVERRIDE = re.compile(r"ENGINE_GUARD__\w+=[\w%]+")

MakeEngine = Callable[..., Engine]


class Morning:
    """Somebody who types what is advised."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, *arguments: str) -> Outcome:
        return self.engine.run(*arguments, "-c", CONFIG)

    def typed(self, command: str) -> Outcome:
        """Type a command into a shell."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.engine.home,
            env=self.engine.environment | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


def advised(text: str) -> list[str]:
    """Return the commands on a screen, in their order."""
    return COMMAND.findall(text)


@pytest.fixture
def morning(make_engine: MakeEngine) -> Callable[..., Morning]:
    def make(tables: dict[str, dict[str, Any]] | None = None, **flags: Any) -> Morning:
        engine = make_engine(**flags)
        engine.configure(upload={"batch_size": CHUNK, "concurrency": 1})
        engine.configure(**tables or {})
        (engine.home / "config.toml").rename(engine.home / CONFIG)
        write_ndjson(engine.home / "loans.ndjson", LOANS)
        return Morning(engine)

    return make


def write_lines(engine: Engine, *, good: int, bad: int) -> None:
    lines = [ndjson_line(*pair) for pair in portfolio(good).items()] + [b"torn"] * bad
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines) + b"\n")


def some_invalid(morning: Morning) -> None:
    write_lines(morning.engine, good=60, bad=20)


def many_repeated(morning: Morning) -> None:
    write_ndjson(morning.engine.home / "loans.ndjson", [(f"a{n % 3}", {"n": n}) for n in range(60)])


def half_of_it(morning: Morning) -> None:
    assert morning.run("sync").exit_code == 0
    write_ndjson(morning.engine.home / "loans.ndjson", portfolio(30))


def an_old_one(morning: Morning) -> None:
    os.utime(morning.engine.home / "loans.ndjson", (1_000_000_000, 1_000_000_000))


def as_it_is(morning: Morning) -> None:
    pass


class Guard(NamedTuple):
    """A guard that stops a run, and what stands behind it."""

    name: str
    tables: dict[str, Any]
    flags: dict[str, Any]
    prepare: Callable[[Morning], None]
    then: int
    """The exit code of the run that accepts it."""

    def stops(self, morning: Callable[..., Morning]) -> tuple[Morning, Outcome]:
        """Return a person whose sync it has stopped, and what that has told."""
        person = morning(self.tables, **self.flags)
        self.prepare(person)
        return person, person.run("sync")


GUARDS = [
    Guard("max_invalid", {}, {}, some_invalid, 3),
    Guard("max_superseded", {}, {}, many_repeated, 0),
    Guard("max_rejected", {}, {"reject": list(LOANS)[:20]}, as_it_is, 3),
    Guard("max_shrink", {"guard": {"max_shrink": "10%"}}, {}, half_of_it, 0),
    Guard("min_records", {"guard": {"min_records": 100}}, {}, as_it_is, 0),
    Guard("max_age", {"guard": {"max_age": "20h"}}, {}, an_old_one, 0),
    Guard("max_gone", {"guard": {"max_gone": "1%"}, "delta": {"mode": "changed", "gone": CLOSED}}, {}, half_of_it, 0),
]

each_guard = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: str(guard.name))


@each_guard
def test_what_a_guard_advises_goes_on(guard: Guard, morning: Callable[..., Morning]) -> None:
    person, stopped = guard.stops(morning)
    assert stopped.exit_code == 65, stopped.err
    told = stopped.out + stopped.err
    [override] = set(OVERRIDE.findall(told))
    assert override.startswith(f"ENGINE_GUARD__{guard.name.upper()}=")
    with_override = [command for command in advised(stopped.out) if command.startswith(override)]
    if stopped.out:
        assert len(with_override) == 1, stopped.out
        status = person.run("status").out
        without = [command for command in advised(status) if not command.startswith("ENGINE_")]
        assert not [command for command in without if " sync " in command and "--fresh" not in command], (
            "that would be stopped once more"
        )
    command = with_override[0] if with_override else f'{override} python -m engine sync -c "{CONFIG}"'
    done = person.typed(command)
    assert done.exit_code == guard.then, f"{command}\n{done.out}{done.err}"
    assert person.typed(command.replace(" sync ", " status ").replace(" --fresh", "")).exit_code == 0


@each_guard
def test_every_command_beside_it_runs(guard: Guard, morning: Callable[..., Morning]) -> None:
    """After the source is mended, none of them is refused for how it is written, or for what the state holds."""
    person, stopped = guard.stops(morning)
    person.engine.server.change(reject=[])
    write_ndjson(person.engine.home / "loans.ndjson", portfolio(120))
    commands = advised(stopped.out) + advised(person.run("status").out)
    for command in commands:
        if command.startswith("ENGINE_") or (" sync " in command and "--fresh" not in command):
            continue  # tried above; the plain one is refused, as another source lies there now
        done = person.typed(command)
        assert done.exit_code == 0, f"{command}\n{done.out}{done.err}"


def test_check_says_what_the_guard_says_and_not_that_check_does(morning: Callable[..., Morning]) -> None:
    person = morning()
    some_invalid(person)
    checked = person.run("check")
    assert checked.exit_code == 65
    assert "python -m engine check" not in checked.out
    assert checked.out.splitlines()[-1] == "Not ready: mend what is crossed out."


def test_a_few_invalid_records_do_not_hold_the_night(morning: Callable[..., Morning]) -> None:
    person = morning()
    write_lines(person.engine, good=60, bad=2)
    checked = person.run("check")
    assert checked.exit_code == 3
    assert checked.out.splitlines()[-1].startswith("Ready, but for the invalid records, which will be left out: ")
    [command] = advised(checked.out)
    assert person.typed(command).exit_code == 3


def test_check_is_ready_and_the_command_runs(morning: Callable[..., Morning]) -> None:
    person = morning()
    [command] = advised(person.run("check").out)
    assert person.typed(command).exit_code == 0


@pytest.mark.parametrize("flags", [[], ["--limit", "55"], ["--full"]], ids=" ".join)
def test_a_waiting_run_goes_on_as_it_is_told(flags: list[str], morning: Callable[..., Morning]) -> None:
    person = morning({"delta": {"mode": "changed"}})
    (person.engine.home / "config.toml").write_bytes((person.engine.home / CONFIG).read_bytes())
    stopped = cut(person.engine, LOANS, *flags, done=2)
    run_id = stopped.report["run_id"]
    for told in (person.run("status").out, person.run("status", run_id).out, person.run("check").out):
        assert advised(told), told
    resumed = person.typed(advised(person.run("status").out)[-1])
    assert resumed.exit_code == 0, resumed.err
    assert run_id in person.run("status", "--json").out
    assert '"resumable": null' in person.run("status", "--json").out


def test_a_killed_run_of_another_source_by_now(morning: Callable[..., Morning]) -> None:
    person = morning()
    (person.engine.home / "config.toml").write_bytes((person.engine.home / CONFIG).read_bytes())
    killed(person.engine, LOANS, done=2, at="before-reply")
    write_ndjson(person.engine.home / "loans.ndjson", changed(LOANS))
    refused = person.run("sync")
    assert refused.exit_code == 65
    [command] = advised(person.run("status").out)
    done = person.typed(command)
    assert (done.exit_code, "--fresh" in command) == (0, True), done.err


def test_a_replay_is_run_as_it_is_told(morning: Callable[..., Morning]) -> None:
    person = morning({"guard": {"max_rejected": "100%"}}, reject=list(LOANS)[:3])
    finished = person.run("sync")
    assert finished.exit_code == 3
    person.engine.server.change(reject=[])
    [command] = [each for each in advised(finished.out) if " replay " in each]
    assert advised(person.run("find", next(iter(LOANS))).out) == [command], "find says the same"
    assert person.typed(command).exit_code == 0
    nothing = person.typed(command)
    assert nothing.exit_code == 0
    assert "Nothing to send" in nothing.out
