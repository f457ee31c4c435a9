"""The same id written in another way is noticed; ids that only happen to be alike are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.jobs.sync import sync
from engine.run.look_alikes import EXAMPLES_MAX, doubt_about, spellings
from engine.simulator.process import StandInProcess
from tests.acceptance.portfolios import write_ndjson
from tests.run.nights import Night

DELTA = {"mode": "changed"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("00123", "123"),
        ("123", "000123"),
        ("ln-7a", "LN-7A"),
        ("LN-7", "ln-7"),
        (" 7", "7"),
        ("7", "7 "),
        ("L 7", "L7"),
    ],
)
def test_an_id_is_looked_for_as_other_exports_write_it(old: str, new: str) -> None:
    assert new in spellings(old)
    assert old not in spellings(old)


def test_no_empty_id_is_looked_for() -> None:
    assert "" not in spellings("000")
    assert "" not in spellings(" ")


def test_a_few_are_named() -> None:
    assert doubt_about([]) is None
    pairs = [(f"0{number}", f"{number}") for number in range(1, EXAMPLES_MAX + 2)]
    doubt = str(doubt_about(pairs))
    assert "'01' is now '1'" in doubt
    assert f"'0{EXAMPLES_MAX + 1}'" not in doubt


async def doubts_after(night: Night, old: list[str], new: list[str]) -> list[str]:
    """The doubts of a night with other ids beside the others, after one with the old ones."""
    write_ndjson(night.path, night.loans | {each: {"amount": 1} for each in old})
    await sync(night.settings)
    write_ndjson(night.path, night.loans | {each: {"amount": 1} for each in new})
    return (await sync(night.settings)).doubts


async def test_ids_that_have_lost_their_zeros_are_a_doubt(tmp_path: Path, server: StandInProcess) -> None:
    [doubt] = await doubts_after(Night(tmp_path, server, delta=DELTA), ["00417", "00418"], ["417", "418"])
    assert "'00417' is now '417', '00418' is now '418'" in doubt


async def test_an_id_that_was_there_before_is_none(tmp_path: Path, server: StandInProcess) -> None:
    assert await doubts_after(Night(tmp_path, server, delta=DELTA), ["00417", "417"], ["417"]) == []
