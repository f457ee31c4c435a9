"""Times in which everything is refused: told from single refusals, probed ever more rarely, and measured."""

from __future__ import annotations

from math import inf

from engine.pacing.learned.block import Block


def refuse(block: Block, *starts: float) -> list[bool]:
    return [block.refused(at) for at in starts]


def test_a_few_refusals_in_a_row_are_a_block_and_an_accepted_request_ends_it() -> None:
    block = Block()
    assert refuse(block, 10.0, 10.1) == [False, False]
    assert block.accepted(10.2, first_at=0.0) is None
    assert refuse(block, 10.3, 10.4, 10.5) == [False, False, True]
    assert block.rate_max < inf
    assert block.accepted(10.6, first_at=0.0) is None
    assert block.rate_max == inf


def test_what_started_before_a_block_does_not_end_it() -> None:
    block = Block()
    refuse(block, 10.0, 10.1, 10.2)
    assert block.accepted(9.9, first_at=0.0) is None
    assert block.rate_max < inf


def test_probes_become_rarer_but_come_every_few_seconds() -> None:
    block = Block()
    rates = []
    for second in range(60):
        block.refused(10.0 + second)
        rates.append(block.rate_max)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[2] > 2 * rates[-1]
    assert rates[-1] == 0.25


def test_a_long_block_tells_the_period_of_a_quota() -> None:
    """It ended between the latest probe that was refused and the one that was accepted."""
    block = Block()
    refuse(block, 2.0, 2.1, 2.2, 9.0)
    assert block.accepted(10.0, first_at=0.5) == (0.5, 9.5)
    refuse(block, 15.0, 15.1, 15.2, 19.0)
    assert block.accepted(20.0, first_at=0.5) == (9.5, 19.5)
    assert block.period_s == 10.0


def test_a_silence_that_the_server_asked_for_is_no_block() -> None:
    block = Block()
    refuse(block, 10.0, 10.1, 10.2)
    block.forget()
    assert block.rate_max == inf
    assert block.accepted(12.0, first_at=0.0) is None
