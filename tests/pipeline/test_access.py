"""For how long a refused access is borne, and when parts of a request are tried."""

from __future__ import annotations

import pytest

from engine.pipeline.access import DELAY_S_MAX, GRACE_S, PROBES_MAX, Access, Grace


def test_a_refusal_is_borne_for_its_time_and_not_longer() -> None:
    grace, now, delays = Grace(), 1_000.0, []
    while (delay_s := grace.delay_s(now)) is not None:
        delays.append(delay_s)
        now += delay_s
    assert delays[:3] == [1.0, 2.0, 4.0]
    assert max(delays) == DELAY_S_MAX
    assert now == 1_000.0 + GRACE_S


def test_only_a_403_may_be_about_a_record() -> None:
    access = Access()
    access.passed()
    assert [access.may_be_a_record(status) for status in (401, 404, 403)] == [False, False, True]


@pytest.mark.parametrize("succeeded_earlier", [False, True])
def test_before_any_success_of_the_run_it_is_not(succeeded_earlier: bool) -> None:
    access = Access(succeeded_earlier=succeeded_earlier)
    assert access.may_be_a_record(403) == succeeded_earlier
    assert not access.has_passed


def test_forbidden_again_and_again_is_forbidden_whatever_the_records_are() -> None:
    access = Access(succeeded_earlier=True)
    assert [access.may_be_a_record(403) for _ in range(PROBES_MAX + 1)] == [True] * PROBES_MAX + [False]
    access.passed()
    assert access.may_be_a_record(403)
