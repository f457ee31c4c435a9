"""Settings as arguments of a call: what they are called in messages."""

from __future__ import annotations

import pytest

from engine.settings.arguments import from_arguments, from_options, in_terms_of_a_call
from engine.values.errors import ConfigError


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no request has succeeded (upload.retry_window_s)", "no request has succeeded (retry_window_s)"),
        ("check api.campaign_id and api.url", "check campaign_id and url"),
        ("restore it, or use another state.dir", "restore it, or use another state_dir"),
        ("put a valid one into api.token_env or token_file", "put a valid one into token"),
        ("guard.max_rejected (5%)", "max_rejected (5%)"),
        ("no reply in time (api.timeout_s)", "no reply in time (api.timeout_s)"),  # there is no such argument
        ("look at rejected.ndjson", "look at rejected.ndjson"),
    ],
)
def test_messages_name_arguments(message: str, told: str) -> None:
    assert in_terms_of_a_call(message) == told


def test_what_is_required_is_missed_where_it_is_none() -> None:
    given = {"url": None, "campaign_id": None, "state_dir": None, "org_id": None, "batch_size": None}
    with pytest.raises(ConfigError) as caught:
        from_arguments(given, origin="the call")
    assert str(caught.value).splitlines()[1:] == [
        "  - url: must be text, not None",
        "  - campaign_id: must be text, not None",
        "  - state_dir: must be a path, not None",
    ]


def test_the_place_of_the_token_is_an_argument_only_where_it_is_asked_for() -> None:
    given = {"url": "http://127.0.0.1:9", "campaign_id": "c", "state_dir": "s", "token_env": "OTHER"}
    assert from_arguments(given, origin="the call", with_token_keys=True).api.token_env == "OTHER"
    with pytest.raises(ConfigError, match="- token_env: there is no such argument"):
        from_arguments(given, origin="the call")


def test_options_are_text_that_stands_for_arguments() -> None:
    options = {
        "campaign_id": "camp",
        "id": "loan_id",
        "fields": '["a", "b"]',
        "rename": ' {"a": "c"}',
        "exclude": "x",
        "batch_size": "500",
        "requests_per_second": "2.5",
        "max_rejected": "5%",
        "token_env": "OTHER",
    }
    arguments = from_options(options)
    assert arguments == options | {
        "fields": ["a", "b"],
        "rename": {"a": "c"},
        "batch_size": 500,
        "requests_per_second": 2.5,
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch_size": "many"}, "option batch_size: must be a number"),
        ({"fields": "['a']"}, "option fields: is no JSON: write "),
    ],
)
def test_options_that_are_no_json_are_told_without_their_text(options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        from_options(options)
    assert next(iter(options.values())) not in str(caught.value)
