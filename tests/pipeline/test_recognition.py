"""Whose replies these are: what nobody documents is about no record, unless others pass beside it."""

from __future__ import annotations

import pytest

from engine.api.verdict import Fatal, RefusedWhole, Settled, Trouble, TryAgain, Unproven, Verdict
from engine.pipeline.recognition import ALIKE_MAX, REFUSALS_MAX, Recognition
from engine.pipeline.sending import Doubted
from engine.values.errors import NotTheApi

ACCEPTED = TryAgain(
    "could not be read", Trouble.CONTRADICTION, 202, oddity="HTTP 202 with a JSON object without results"
)
PAGE = TryAgain("could not be read", Trouble.OUTAGE, 200, oddity="HTTP 200 with a web page")
OUTAGE = TryAgain("HTTP 503", Trouble.OUTAGE, 503)
REFUSED = RefusedWhole("HTTP 400", 400, oddity="HTTP 400 with a web page")
TOO_LARGE = RefusedWhole("HTTP 413", 413, too_large=True, oddity="HTTP 413 with a web page")
DOUBTED = Doubted("HTTP 400", 400, "HTTP 400, and others pass")
DOCUMENTED = [Settled(), Unproven((), [0], "unnamed", 207), RefusedWhole("phone is invalid", 422)]


def judged(*verdicts: Verdict) -> Verdict | Doubted:
    """What becomes of the last of them."""
    recognition = Recognition()
    for verdict in verdicts:
        last = recognition.judge(verdict)
    return last


@pytest.mark.parametrize("odd", [ACCEPTED, PAGE])
def test_two_alike_that_are_not_documented_end_the_run(odd: TryAgain) -> None:
    assert judged(*[odd] * (ALIKE_MAX - 1)) is odd
    verdict = judged(*[odd] * ALIKE_MAX)
    assert isinstance(verdict, Fatal)
    assert isinstance(verdict.error, NotTheApi)
    assert odd.oddity in str(verdict.error)
    assert "api.url" in str(verdict.error)


def test_two_that_are_not_alike_do_not() -> None:
    assert judged(ACCEPTED, PAGE) is PAGE


@pytest.mark.parametrize("documented", DOCUMENTED)
def test_after_a_reply_in_the_documented_form_a_success_that_is_none_is_waited_out(documented: Verdict) -> None:
    assert judged(documented, *[PAGE] * 9) is PAGE


def test_refusals_among_successes_may_be_for_the_sake_of_records_for_ever() -> None:
    mixed: list[Verdict] = [Settled(), REFUSED] * 99
    assert judged(*mixed) == DOUBTED


@pytest.mark.parametrize("documented", DOCUMENTED)
def test_refusals_without_a_success_between_them_end_the_run_at_any_time(documented: Verdict) -> None:
    assert judged(documented, *[REFUSED] * (REFUSALS_MAX - 1)) == DOUBTED
    assert isinstance(judged(documented, *[REFUSED] * REFUSALS_MAX), Fatal)


def test_outages_prove_nothing_about_who_answers() -> None:
    assert judged(*[OUTAGE] * 99) is OUTAGE
    assert isinstance(judged(OUTAGE, PAGE, OUTAGE, PAGE), Fatal)


def test_a_refusal_that_is_not_documented_blames_no_record_and_ends_the_run_soon() -> None:
    assert judged(REFUSED) == DOUBTED
    assert judged(*[REFUSED] * (REFUSALS_MAX - 1)) == DOUBTED
    verdict = judged(*[REFUSED] * REFUSALS_MAX)
    assert isinstance(verdict, Fatal)
    assert "this is not the API: HTTP 400 with a web page" in str(verdict.error)


def test_a_gateway_is_believed_that_a_request_is_too_large() -> None:
    assert judged(*[TOO_LARGE] * 99) is TOO_LARGE
