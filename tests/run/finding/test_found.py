"""What is found out about an id, as plain values."""

from __future__ import annotations

import pytest

from engine.run.finding.found import Answer, Found


@pytest.mark.parametrize("answer", Answer)
def test_all_answers_but_one_say_that_something_is_known(answer: Answer) -> None:
    assert Found(id="a", campaign_id="camp", answer=answer).is_known is (answer is not Answer.UNKNOWN)
