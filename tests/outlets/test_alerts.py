"""Telling people through the real Apprise, in its own process: who is told, who is not, and that it ends in time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.outlets import alerts
from engine.outlets.alerts import Alert, misunderstood, send_alert
from engine.values.errors import ConfigError
from tests.acceptance.listeners import Dripping, HealthCheck

ALERT = Alert("bulk-sync camp: failed", "Stopped: <why>.\nread 5\n", "failure")
NOBODY = "json://127.0.0.1:9/canary"
ENOUGH_S = 60.0


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthCheck]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HealthCheck() as chat:
        yield chat


def address_of(chat: HealthCheck) -> str:
    return chat.url.replace("http://", "json://")


def test_people_are_told(chat: HealthCheck) -> None:
    assert send_alert([address_of(chat)], ALERT, timeout_s=ENOUGH_S) is None
    [ping] = chat.pings
    said = json.loads(ping.body)
    assert ping.path == "/ping/uuid"
    assert (said["title"], said["type"]) == (ALERT.title, "failure")
    assert said["message"].split("\n")[:2] == ["Stopped: <why>.", "read 5"]


def test_who_cannot_be_told_keeps_nobody_from_being_told(chat: HealthCheck) -> None:
    problem = send_alert([NOBODY, address_of(chat), "nonsense"], ALERT, timeout_s=ENOUGH_S)
    assert problem == ("address 1 of 3 in notify.urls (json) and address 3 of 3 in notify.urls could not be told")
    assert len(chat.pings) == 1


def test_what_apprise_does_not_understand_is_called_by_its_place() -> None:
    addresses = ["json://host", "canary://host", "slack://"]
    assert misunderstood(addresses, timeout_s=ENOUGH_S) == [
        "address 2 of 3 in notify.urls (canary)",
        "address 3 of 3 in notify.urls (slack)",
    ]


def test_who_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Dripping() as server:
        problem = send_alert([f"json://127.0.0.1:{server.port}"], ALERT, timeout_s=4.0)
    assert problem == "address 1 of 1 in notify.urls (json) could not be told within 4.0 s"


def test_what_is_not_known_in_time_is_no_mistake() -> None:
    assert misunderstood(["canary://host"], timeout_s=0.001) == []


def test_secrets_of_the_run_are_not_for_who_tells(chat: HealthCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what it gets, only its proxies can be seen from outside: without a variable there is none."""
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert send_alert([address_of(chat)], ALERT, timeout_s=ENOUGH_S) is not None
    assert send_alert([address_of(chat)], ALERT, secret_names=["http_proxy"], timeout_s=ENOUGH_S) is None


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "find_spec", lambda name: None)
    for ask in (lambda: misunderstood([NOBODY]), lambda: send_alert([NOBODY], ALERT)):
        with pytest.raises(ConfigError, match=r"pip install 'bulk-sync-engine\[notify\]'$"):
            ask()


def test_a_process_that_dies_or_does_not_start_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MESSENGER", "engine.nothing")
    assert misunderstood([NOBODY]) == []
    assert send_alert([NOBODY], ALERT) == (
        "address 1 of 1 in notify.urls (json) could not be told: the process that tells has died (exit code 1)"
    )
    monkeypatch.setattr(alerts, "module_again", lambda module: ["/nowhere"])
    assert "could not be started (No such file or directory)" in str(send_alert([NOBODY], ALERT))
