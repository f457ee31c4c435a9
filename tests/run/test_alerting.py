"""When people are told of a run, and what: on failure, on change, always; and what could not begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.outlets.alerts import Alert
from engine.report.history import write_report
from engine.report.report import Report, RunStatus, status_of
from engine.run import alerting
from engine.run.alerting import alert_end, alert_no_run, alert_test, earlier_ends, is_wanted, prove_addresses
from engine.settings.tables import RunSettings
from engine.values.errors import ConfigError
from tests.acceptance.listeners import HealthCheck
from tests.reports import partial_report, succeeded_report
from tests.run.runs import settings_of

BEFORE, NOW = "20261122T020000Z-07b3f9", "20261123T020000Z-07b3f9"


def ended(exit_code: int, run_id: str = NOW) -> Report:
    return replace(succeeded_report(), run_id=run_id, exit_code=exit_code, status=status_of(exit_code))


@pytest.mark.parametrize(
    ("on", "earlier", "exit_code", "wanted"),
    [
        ("always", [], 0, True),
        ("always", [ended(0, BEFORE)], 0, True),
        ("failure", [ended(3, BEFORE)], 0, False),
        *[("failure", [ended(code, BEFORE)], code, True) for code in (3, 65, 75, 77)],
        ("failure", [ended(75)], 75, False),  # it was resumed, and came no further
        ("failure", [ended(75)], 77, True),
        ("change", [], 0, False),
        ("change", [], 3, True),
        ("change", [ended(0, BEFORE)], 0, False),
        ("change", [ended(3, BEFORE)], 3, False),
        ("change", [ended(0, BEFORE)], 3, True),
        ("change", [ended(77, BEFORE), ended(0, BEFORE)], 0, True),  # good again
        ("change", [ended(77, BEFORE), ended(0, BEFORE)], 77, True),  # still not as the last complete one
        ("change", [ended(75), ended(0, BEFORE)], 0, True),
    ],
)
def test_who_is_told_of_what(on: str, earlier: list[Report], exit_code: int, wanted: bool) -> None:
    assert is_wanted(on, ended(exit_code), earlier) is wanted


def test_an_end_is_compared_with_the_last_end_and_the_last_complete_run(tmp_path: Path) -> None:
    def left(run_id: str, exit_code: int, **changes: object) -> None:
        write_report(replace(ended(exit_code, run_id), **changes), tmp_path / run_id)  # type: ignore[arg-type]

    left("20261120T020000Z-000001", 0)
    left("20261120T030000Z-000002", 3)
    left("20261120T040000Z-000003", 0, limit=5)
    left("20261120T050000Z-000004", 0, kind="replay")
    left("20261121T020000Z-000005", 65)
    left("20261122T020000Z-000006", 75)
    left("20261123T020000Z-000007", 0)
    found = earlier_ends(tmp_path, "sync", "20261122T020000Z-000006")
    assert [(end.run_id[-1], end.exit_code) for end in found] == [("6", 75), ("2", 3)]
    assert earlier_ends(tmp_path / "missing", "sync", NOW) == []


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthCheck]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HealthCheck() as chat:
        monkeypatch.setenv("CHAT", chat.url.replace("http://", "json://"))
        yield chat


def settings(tmp_path: Path, **notify: object) -> RunSettings:
    return settings_of(tmp_path, notify={"urls": ["env:CHAT"], **notify})


async def test_it_has_the_headline_the_figures_and_the_reasons_but_no_ids(tmp_path: Path, chat: HealthCheck) -> None:
    report = partial_report()
    assert await alert_end(settings(tmp_path), report, []) is None
    [said] = [json.loads(ping.body) for ping in chat.pings]
    assert (said["title"], said["type"]) == ("bulk-sync 69bd2c: partial", "warning")
    assert said["message"].startswith("Finished, but 19 of 4,210,000 records were not accepted.")
    assert "updated 4,208,776" in said["message"]
    assert "8 rejected: emi_due_date: not a date" in said["message"]
    assert not [id_ for reason in report.reasons for id_ in reason.example_ids if id_ in said["message"]]


async def test_who_does_not_want_to_hear_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "send_alert", None)  # whoever calls it fails
    assert await alert_end(settings_of(tmp_path), ended(65), []) is None
    assert await alert_end(settings(tmp_path), ended(0), []) is None
    assert alert_no_run(settings_of(tmp_path), 66) is None
    assert alert_no_run(settings(tmp_path), 75) is None
    assert alert_no_run(settings(tmp_path), 69) is None


def test_what_could_not_begin_is_told(tmp_path: Path, chat: HealthCheck) -> None:
    assert alert_no_run(settings(tmp_path), 66) is None
    [said] = [json.loads(ping.body) for ping in chat.pings]
    assert (said["title"], said["type"]) == ("bulk-sync camp: no run", "failure")
    assert said["message"].startswith("The run could not begin: the source is missing or empty.")


def test_a_refused_command_is_not_called_a_wrong_configuration(tmp_path: Path, chat: HealthCheck) -> None:
    assert alert_no_run(settings(tmp_path), 2) is None
    [said] = [json.loads(ping.body) for ping in chat.pings]
    assert said["message"].startswith("The run could not begin: the command or the configuration was refused.")


def test_a_test_says_that_it_is_one(tmp_path: Path, chat: HealthCheck) -> None:
    assert alert_test(settings(tmp_path, on="change")) is None
    assert "This is a test." in chat.pings[0].body


async def test_addresses_are_proven_before_a_run(tmp_path: Path, chat: HealthCheck) -> None:
    assert await prove_addresses(settings_of(tmp_path).notify) == 0
    assert await prove_addresses(settings(tmp_path).notify) == 1
    with pytest.raises(ConfigError, match=r"^address 2 of 2 in notify\.urls \(canary\): Apprise does not understand"):
        await prove_addresses(settings(tmp_path, urls=["env:CHAT", "canary://x"]).notify)
    with pytest.raises(ConfigError, match="MISSING is not set"):
        await prove_addresses(settings(tmp_path, urls=["env:MISSING"]).notify)
    assert not chat.pings


async def test_what_is_gone_at_the_end_is_a_sentence(tmp_path: Path) -> None:
    missing = settings(tmp_path, urls=["env:MISSING"])
    assert "MISSING is not set" in str(await alert_end(missing, ended(65), []))
    assert alert_no_run(missing, 2) is None  # why there is no run has said it


async def test_secrets_are_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: HealthCheck) -> None:
    names: list[str] = []

    def send(addresses: tuple[str, ...], alert: Alert, *, secret_names: tuple[str, ...]) -> None:
        names.extend(secret_names)

    monkeypatch.setattr(alerting, "send_alert", send)
    await alert_end(settings(tmp_path), ended(65), [])
    assert names == ["TIMEPAY_TOKEN", "ENGINE_NOTIFY__URLS", "CHAT"]
    assert set(alerting.KINDS) == set(RunStatus)
