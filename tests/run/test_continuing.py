"""Which run a command continues, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from engine.run.continuing import Claim, Waiting, flags_of, run_to_continue, source_changes
from engine.state.journal import Run
from engine.values.counts import RequestCounts
from engine.values.errors import ConfigError, SourceUntrusted

NOW = 1_800_000_000.0
WITHIN_S = 6 * 3_600.0
IDENTITY = {"api.url": "https://x", "source.path": ["loans.csv"], "upload.batch_size": 10}
FILES = {"loans.csv": (100, "digest-1")}
OTHER_FILES = {"loans.csv": (120, "digest-2")}


def interrupted(kind: str = "sync", **changes: Any) -> Run:
    """A run of which requests were accepted, a minute ago, and that has ended by itself."""
    values: dict[str, Any] = {
        "identity": IDENTITY,
        "fingerprint": {"loans.csv": [100, "digest-1"]},
        "requests": RequestCounts(sent=3, succeeded=3),
        "in_flight": 8,
        "progress_at": NOW - 60.0,
    }
    return Run(f"{kind}-1", kind, "camp", "2026-11-28T02:00:00.000Z", **{**values, **changes})


def continued(run: Run | None, *, kind: str = "sync", sync: Run | None = None, **changes: Any) -> Run | None:
    """The run that a command goes on with, beside `run` of its own kind."""
    values: dict[str, Any] = {"identity": IDENTITY, "found": FILES, **changes}
    waiting = Waiting(sync if kind != "sync" else run, run)
    return run_to_continue(Claim(kind, **values), waiting, resume_within_s=WITHIN_S, now=NOW)


def test_the_same_source_and_settings_continue_it() -> None:
    run = interrupted()
    assert continued(run) is run
    assert continued(None) is None


def test_fresh_begins_a_new_one() -> None:
    assert continued(interrupted(), fresh=True) is None


def test_the_same_bytes_may_be_called_otherwise() -> None:
    run = interrupted()
    identity = IDENTITY | {"source.path": ["loans-2026-11-29.csv"]}
    assert continued(run, identity=identity, found={"loans-2026-11-29.csv": (100, "digest-1")}) is run
    with pytest.raises(SourceUntrusted, match=r"loans\.csv is gone"):
        continued(run, identity=identity, found={"loans-2026-11-29.csv": (120, "digest-2")})


def test_other_settings_are_refused_by_name() -> None:
    with pytest.raises(SourceUntrusted, match=r"sync-1 was interrupted with other settings \(upload\.batch_size\)"):
        continued(interrupted(), identity=IDENTITY | {"upload.batch_size": 20})


def test_a_setting_that_the_run_did_not_know_counts_as_its_default() -> None:
    run = interrupted()
    assert continued(run, identity=IDENTITY | {"source.null_values": []}) is run


def test_another_source_is_refused_and_told() -> None:
    with pytest.raises(SourceUntrusted, match=r"the source has changed since run sync-1 .*grew from 100 to 120 bytes"):
        continued(interrupted(), found=OTHER_FILES)


def test_an_old_run_gives_way_to_another_portfolio() -> None:
    old = interrupted(progress_at=NOW - WITHIN_S - 1.0)
    assert continued(old, found=OTHER_FILES) is None
    assert continued(old) is old  # its own source still continues it


def test_a_run_without_progress_is_as_old_as_its_beginning() -> None:
    assert continued(interrupted(progress_at=None), found=OTHER_FILES) is None  # 2026 is long before `NOW`


def test_an_old_run_of_changes_does_not_give_way() -> None:
    with pytest.raises(SourceUntrusted):
        continued(interrupted(progress_at=NOW - 10 * WITHIN_S), found=OTHER_FILES, holds_all=False)


def test_an_old_run_with_other_settings_does_not_give_way() -> None:
    with pytest.raises(SourceUntrusted, match="other settings"):
        continued(interrupted(progress_at=NOW - 10 * WITHIN_S), identity=IDENTITY | {"api.url": "https://y"})


@pytest.mark.parametrize(
    "changes",
    [
        {"in_flight": 0, "requests": RequestCounts()},
        {"requests": RequestCounts(sent=1, failed=1)},  # refused whole, such as 401, or never connected
        {"requests": RequestCounts(sent=9, throttled=9)},
    ],
)
def test_a_run_in_which_nothing_was_sent_gives_way_at_once(changes: dict[str, Any]) -> None:
    run = interrupted(**changes)
    assert continued(run, found=OTHER_FILES) is None
    assert continued(run, identity=IDENTITY | {"upload.batch_size": 20}) is None
    assert continued(run) is run


@pytest.mark.parametrize(
    "changes",
    [
        {"requests": RequestCounts(sent=1, failed=1, in_doubt=1)},
        {"requests": RequestCounts(), "alive_at": NOW - 60.0},  # killed: it may have had requests open
    ],
)
def test_a_request_of_unknown_end_was_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(SourceUntrusted):
        continued(interrupted(**changes), found=OTHER_FILES)


@pytest.mark.parametrize("kind", ["replay", "push"])
def test_nothing_goes_before_a_sync_that_waits(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"run sync-1 was interrupted and waits .*; a {kind} beside it") as refused:
        continued(None, kind=kind, sync=interrupted(), fresh=True)
    assert refused.value.exit_code == 2
    assert continued(None, kind=kind) is None


def test_a_push_continues_a_push() -> None:
    run = interrupted("push")
    assert continued(run, kind="push") is run


def test_what_is_not_known_of_a_source_is_no_difference() -> None:
    assert source_changes({}, FILES) == []
    assert source_changes({"loans.csv": [100, None]}, FILES) == []
    assert source_changes({"a": [1, "x"], "b": [2, "y"]}, {"b": (2, "y"), "a": (1, "x")}) != []


def test_the_flags_of_a_run_are_those_that_its_command_needs_again() -> None:
    assert flags_of({"--limit": None, "api.url": "https://x"}) == ()
    assert flags_of({"--limit": 500}) == ("--limit", "500")
    assert flags_of({"--limit": 0, "--full": True}) == ("--limit", "0", "--full")


@pytest.mark.parametrize(
    ("begun", "now", "words"),
    [
        ({"--limit": 500}, {"--limit": None}, "was begun with --limit 500; give that again"),
        ({"--full": True, "--limit": None}, {"--limit": None}, "was begun with --full; give that again"),
        ({"--limit": None}, {"--limit": 500}, "was begun without --limit; leave that out"),
        ({"api.url": "a", "--limit": 5}, {"api.url": "b", "--limit": None}, r"other settings \(--limit, api.url\)"),
    ],
)
def test_who_types_other_flags_is_told_which(begun: dict[str, Any], now: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceUntrusted, match=words):
        continued(interrupted(identity=begun), identity=now)
