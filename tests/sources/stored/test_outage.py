from __future__ import annotations

import pytest

from engine.sources.stored.outage import Outage
from engine.values.errors import Interrupted


def wait_forever(outage: Outage) -> None:
    while True:
        outage.wait("no connection")


def test_it_is_waited_for_the_whole_window_and_then_said_why(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("engine.sources.stored.outage.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("engine.sources.stored.outage.time.sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    outage = Outage("s3://b/k", 100.0)
    why = r"s3://b/k could not be read for 100 s \(no connection\); run the same"
    with pytest.raises(Interrupted, match=why):
        wait_forever(outage)
    assert clock[0] == pytest.approx(100.0)
    outage.over()
    outage.wait("no connection")
    assert clock[0] < 101.0
