"""The ledger lost, damaged, put back from a backup, or caught by a crash or a full disk while it is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.meddling import at_ledger_step, leave_alone, ledger_steps
from tests.acceptance.nights import (
    CHUNK,
    CLOSED,
    MakeEngine,
    changed,
    gone_ids,
    killed,
    lines_of,
    night,
    server_has,
    with_delta,
    without,
)
from tests.acceptance.portfolios import portfolio

pytestmark = pytest.mark.nights


LOANS = portfolio(100)
OTHER = changed(LOANS, list(LOANS)[::4])
STEPS_MAX = 40


def ledger_files(engine: Engine) -> list[Path]:
    """Return the files of the ledger; there are some after a night with delta."""
    found = sorted(path for path in (engine.home / "engine-state").rglob("*ledger*") if path.is_file())
    assert found
    return found


def lost(engine: Engine) -> None:
    for path in ledger_files(engine):
        path.unlink()


def emptied(engine: Engine) -> None:
    for path in ledger_files(engine):
        path.write_bytes(b"")


def cut_in_half(engine: Engine) -> None:
    for path in ledger_files(engine):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])


def cut_by_a_byte(engine: Engine) -> None:
    for path in ledger_files(engine):
        path.write_bytes(path.read_bytes()[:-1])


def lengthened(engine: Engine) -> None:
    for path in ledger_files(engine):
        path.write_bytes(path.read_bytes() + bytes(8))


def overwritten(engine: Engine) -> None:
    for path in ledger_files(engine):
        path.write_bytes(bytes(path.stat().st_size))


DAMAGES = [lost, emptied, cut_in_half, cut_by_a_byte, lengthened, overwritten]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_ledger_that_is_lost_or_damaged_is_a_full_send_that_says_so(
    damage: Callable[[Engine], None], make_engine: MakeEngine
) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    night(engine, OTHER)
    damage(engine)
    full = night(engine, LOANS)
    assert (full.exit_code, full.counts) == (0, {"read": 100, "updated": 100}), full.outcome.err
    assert full.delta["full"] is True
    assert "ledger" in full.delta["full_reason"]
    assert server_has(engine, LOANS)
    assert night(engine).requests == 0


def test_no_flipped_bit_hides_a_change(make_engine: MakeEngine) -> None:
    engine, dice = with_delta(make_engine()), Random(16)
    export = LOANS
    night(engine, export)
    for number in range(12):
        for path in ledger_files(engine):
            content = bytearray(path.read_bytes())
            place = min(number, len(content) - 1) if number < 4 else dice.randrange(len(content))
            content[place] ^= 1 << dice.randrange(8)
            path.write_bytes(content)
        export = changed(LOANS, emi_amount=number)
        done = night(engine, export)
        assert (done.exit_code, done.delta["full"]) == (0, True), (number, place)
        assert server_has(engine, export), (number, place)
        assert night(engine).requests == 0


@pytest.mark.parametrize("nights_ago", [1, 2, 3])
def test_a_ledger_from_a_backup_is_noticed_and_hides_no_change(nights_ago: int, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    exports = [LOANS, *(changed(LOANS, list(LOANS)[:50], emi_amount=amount) for amount in (1, 2, 3))]
    for number, export in enumerate(exports):
        night(engine, export)
        copy_ledger(engine, engine.home / f"backup-{number}")
    lost(engine)
    backup = 3 - nights_ago
    for path in (engine.home / f"backup-{backup}").iterdir():
        shutil.copy2(path, engine.home / "engine-state" / path.name)
    back = night(engine, exports[backup])  # equal to all that the backup knows
    assert (back.exit_code, back.counts) == (0, {"read": 100, "updated": 100})
    assert back.delta["full"] is True
    assert back.delta["full_reason"]
    assert server_has(engine, exports[backup])
    assert night(engine).requests == 0


def copy_ledger(engine: Engine, target: Path) -> None:
    target.mkdir()
    for path in ledger_files(engine):
        assert path.parent == engine.home / "engine-state"
        shutil.copy2(path, target)


def test_a_lost_ledger_closes_nobody(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"gone": {"payment_status": "closed"}})
    night(engine, LOANS)
    lost(engine)
    done = night(engine, without(LOANS, "loan_000001"))
    assert (done.exit_code, done.counts) == (0, {"read": 99, "updated": 99})
    assert server_has(engine, LOANS)


@pytest.mark.parametrize("damage", [lost, overwritten])
def test_who_was_told_before_the_ledger_was_lost_stays_counted_and_of_the_others_nothing_is_claimed(
    damage: Callable[[Engine], None], make_engine: MakeEngine
) -> None:
    engine = with_delta(make_engine(), delta={"gone": CLOSED}, state={"resume_within": "6h"})
    night(engine, LOANS)
    leaving = list(LOANS)[: 4 * CHUNK]
    killed(engine, without(LOANS, *leaving), done=2, at="before-apply")
    damage(engine)
    resumed = night(engine)
    assert (resumed.exit_code, resumed.report["resumes"]) == (0, 1)
    assert (resumed.gone["found"], gone_ids(engine, resumed)) == (len(leaving), sorted(leaving))
    assert resumed.gone["updated"] <= 2 * CHUNK
    assert resumed.gone["skipped"]
    listed = lines_of(engine, resumed.report["run_id"], "gone.ndjson")
    assert [line for line in listed if "outcome" in line] == []


def test_a_ledger_that_was_lost_on_the_way_leaves_nobody_unnoticed(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"gone": CLOSED}, state={"resume_within": "6h"})
    night(engine, LOANS)
    killed(engine, changed(LOANS), done=3, at="before-reply")
    lost(engine)
    resumed = night(engine)
    assert (resumed.exit_code, resumed.report["resumes"]) == (0, 1)
    after = night(engine, changed(without(LOANS, *list(LOANS)[::10])))
    assert "first complete run" in after.gone["skipped"]  # whom the first part of that run had brought, nobody knows
    assert server_has(engine, changed(LOANS))
    listed = set(gone_ids(engine, night(engine, changed(without(LOANS, *list(LOANS)[::5])))))
    assert set(list(LOANS)[5::10]) <= listed <= set(list(LOANS)[::5])


def prepared(engine: Engine) -> list[str]:
    """Bring the first export, and return the steps that the ledger's files take in the second night."""
    state = engine.home / "engine-state"
    night(engine, LOANS)
    shutil.copytree(state, engine.home / "before")
    at_ledger_step(engine, 0, "note")
    night(engine, OTHER)
    steps = ledger_steps(engine)
    assert 0 < len(steps) <= STEPS_MAX
    return steps


def as_before(engine: Engine) -> None:
    """Put back the state directory and the server as they were after the first night."""
    state = engine.home / "engine-state"
    leave_alone(engine)
    shutil.rmtree(state)
    shutil.copytree(engine.home / "before", state)
    engine.configure(delta={"mode": "off"}, state={"dir": "engine-state-2"})
    night(engine, LOANS)
    engine.configure(delta={"mode": "changed"}, state={"dir": "engine-state"})


def test_a_crash_at_any_step_of_the_merge_loses_nothing_and_sends_little_again(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), state={"resume_within": "6h"})
    for number, where in enumerate(prepared(engine), 1):
        as_before(engine)
        at_ledger_step(engine, number, "kill")
        assert night(engine, OTHER).exit_code == -9, where
        leave_alone(engine)
        done = night(engine)
        assert done.exit_code == 0, where
        assert done.delta["full"] is False, where
        assert done.requests <= 3, where
        assert server_has(engine, OTHER), where
        assert night(engine).requests == 0, where


def test_a_disk_that_is_full_in_the_merge_loses_nothing(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), state={"resume_within": "6h"})
    for number, where in enumerate(prepared(engine), 1):
        if "remove" in where:
            continue  # that needs no room
        as_before(engine)
        at_ledger_step(engine, number, "full")
        assert night(engine, OTHER).exit_code == 74, where
        leave_alone(engine)
        done = night(engine)
        assert done.exit_code == 0, (where, done.outcome.err)
        assert done.delta["full"] is False, where
        assert server_has(engine, OTHER), where
        assert night(engine).requests == 0, where
