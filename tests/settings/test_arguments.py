"""Settings as arguments of a call: what they are called in messages."""

from __future__ import annotations

import pytest

from engine.settings.arguments import from_arguments, in_terms_of_a_call
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
