"""What fails where it may: it is logged once, without what its message holds, and a cancellation goes on."""

from __future__ import annotations

import asyncio

import pytest

from engine.outlets.harmless import Harmless


def fail() -> None:
    raise ValueError("secret")


def test_what_fails_ends_there_and_is_logged_once_as_places(caplog: pytest.LogCaptureFixture) -> None:
    harmless = Harmless("the display")
    for _ in range(3):
        with harmless:
            fail()
    [record] = caplog.records
    message = record.fields["message"]  # type: ignore[attr-defined]  # of our own log
    assert record.levelname == "WARNING"
    assert message.startswith("the display failed (ValueError at test_harmless.py:13 < test_harmless.py:")
    assert "secret" not in message


def test_what_succeeds_is_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    with Harmless("the display"):
        pass
    assert not caplog.records


@pytest.mark.parametrize("wish", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_a_wish_to_end_goes_on(wish: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(wish), Harmless("the display"):
        raise wish
    assert not caplog.records
