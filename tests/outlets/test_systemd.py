"""sd_notify against a real socket: what is said, and that signs of life need progress."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from engine.outlets.displays import NoProgress
from engine.outlets.progress import ProgressSnapshot
from engine.outlets.systemd import SupervisedDisplay, SystemdNotifier, Watchdog


class Listener:
    """The supervisor's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@engine-test-{secrets.token_hex(8)}"
    listener = Listener(address)
    yield listener
    listener.close()


def test_the_words_of_the_protocol(listener: Listener) -> None:
    notifier = SystemdNotifier.from_environment({"NOTIFY_SOCKET": listener.address})
    notifier.ready()
    notifier.status("42%,\n1,000 records\r\nREADY=0")
    notifier.alive()
    notifier.stopping()
    assert listener.heard() == ["READY=1", "STATUS=42%, 1,000 records READY=0", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_socket_nothing_happens() -> None:
    notifier = SystemdNotifier.from_environment({})
    assert notifier._address is None
    notifier.ready()
    SystemdNotifier.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"}).ready()


def test_a_supervisor_that_is_gone_or_slow_disturbs_nobody(tmp_path: Path) -> None:
    SystemdNotifier(str(tmp_path / "nobody")).ready()
    listener = Listener(str(tmp_path / "slow"))
    notifier = SystemdNotifier(listener.address)
    for _ in range(10_000):  # far more than the socket holds; a blocking send would never return
        notifier.status("x")
    assert 0 < len(listener.heard()) < 10_000
    listener.close()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_whether_signs_of_life_are_wanted(variables: dict[str, str], expected: float | None) -> None:
    assert SystemdNotifier.from_environment({"NOTIFY_SOCKET": "@x", **variables}).watchdog_s == expected


def test_a_hanging_run_goes_silent_although_its_timer_ticks() -> None:
    watchdog = Watchdog(interval_s=40, wait_s_max=900)
    assert watchdog.deserved(0, 1, waiting=False)
    assert not any(watchdog.deserved(second, 1, waiting=False) for second in range(1, 1000))
    assert watchdog.deserved(1000, 2, waiting=False)


def test_a_declared_wait_counts_but_not_for_ever() -> None:
    watchdog = Watchdog(interval_s=40, wait_s_max=900)
    pings = [second for second in range(3000) if watchdog.deserved(second, 1, waiting=True)]
    assert pings == list(range(0, 901, 10))
    assert watchdog.deserved(3000, 2, waiting=True)


def test_progress_soon_after_a_sign_of_life_is_not_forgotten() -> None:
    watchdog = Watchdog(interval_s=40, wait_s_max=900)
    assert watchdog.deserved(0, 1, waiting=False)
    assert not watchdog.deserved(1, 2, waiting=False)  # too soon after the last one
    assert watchdog.deserved(10, 2, waiting=False)


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=200))
def test_steady_progress_is_never_silent_for_an_interval(steps: list[tuple[float, bool]]) -> None:
    watchdog = Watchdog(interval_s=60, wait_s_max=900)
    now = last_sign = 0.0
    for count, (pause, waiting) in enumerate(steps):
        now += pause
        if watchdog.deserved(now, count, waiting=waiting):
            last_sign = now
        assert now - last_sign < 60


def test_a_run_as_the_supervisor_sees_it(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "notify"))
    now = [0.0]
    notifier = SystemdNotifier(listener.address, watchdog_s=40.0)
    display = SupervisedDisplay(NoProgress(), notifier, wait_s_max=900, clock=lambda: now[0])
    snapshot = ProgressSnapshot(0.0, in_flight=1, in_flight_max=8)
    display.update(snapshot)
    assert listener.heard() == ["WATCHDOG=1", "STATUS=0 records, 0/s; 1 of 8 in flight"]
    now[0] = 1.0
    display.update(replace(snapshot, elapsed_s=1.0, records_done=500))
    assert listener.heard() == []  # a moment later: too soon for either
    now[0] = 10.0
    display.update(replace(snapshot, elapsed_s=10.0, records_done=5000))
    assert listener.heard() == ["WATCHDOG=1", "STATUS=5,000 records, 500/s; 1 of 8 in flight"]
    now[0] = 60.0
    display.update(replace(snapshot, elapsed_s=60.0, records_done=5000))
    assert [message.partition("=")[0] for message in listener.heard()] == ["STATUS"]  # no progress, no sign of life
    display.stopping("stopped by SIGTERM")
    display.close()
    assert listener.heard() == ["STOPPING=1", "STATUS=stopped by SIGTERM"]
    listener.close()


class Broken:
    """A display that fails whatever it is asked."""

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        raise TypeError

    def message(self, text: str) -> None:
        raise TypeError

    def close(self) -> None:
        raise TypeError


def test_a_display_that_fails_leaves_the_supervisor_its_signs_of_life(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(str(tmp_path / "notify"))
    display = SupervisedDisplay(Broken(), SystemdNotifier(listener.address, watchdog_s=40.0), wait_s_max=900)
    display.update(ProgressSnapshot(0.0))
    display.prompt()
    display.message("waiting")
    display.close()
    assert [message.partition("=")[0] for message in listener.heard()] == ["WATCHDOG", "STATUS", "STOPPING", "STATUS"]
    assert [record.getMessage() for record in caplog.records] == ["not_shown"]
    listener.close()
