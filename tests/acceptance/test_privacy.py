"""Servers that quote what they refuse: nothing of a record is told but in the reject file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.listeners import HealthCheck
from tests.acceptance.portfolios import ndjson_line

MakeEngine = Callable[..., Engine]

VALUES = {
    "first_name": "Tirumala Kanarienvogel",
    "hindi_name": "कनारी पुणेकर",
    "phone_number": "+919876598765",
    "email": "canary.bird@example.in",
    "due_date": "2031-07-19",
    "emi_amount": 73519.25,
    "loan_number": 8844221177,
    "address": {"lines": ["Chidiya Ghar", "Nariman"]},
}
CANARIES = (
    "tirumala", "kanarienvogel", "कनारी", "पुणेकर", "98765", "canary.bird", "2031-07", "73519", "8844221177",
    "chidiya", "ghar", "nariman",
)  # fmt: skip
IDS = [f"CANID-{number:03}-Q" for number in range(1, 13)]


@pytest.fixture
def check() -> Iterator[HealthCheck]:
    with HealthCheck() as check:
        yield check


def prepared(engine: Engine, check: HealthCheck) -> Engine:
    lines = [ndjson_line(record_id, VALUES) for record_id in IDS]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    engine.configure(
        source={"path": "loans.ndjson"},
        log={"level": "debug"},
        notify={"healthcheck_url": check.url, "prometheus_textfile": "sync.prom"},
        guard={"max_rejected": "100%"},
    )
    return engine


def all_that_is_told(engine: Engine, check: HealthCheck) -> str:
    """Return whatever the engine leaves or says, but for the reject file."""
    outputs = [engine.run("sync"), engine.run("sync", "--json", "--log-format", "console"), engine.run("status")]
    outputs += [engine.run("replay"), engine.run("status", "--json")]
    texts = [text for done in outputs for text in (done.out, done.err)] + [ping.body for ping in check.pings]
    files = (path for path in engine.home.rglob("*") if path.is_file())
    told = (path for path in files if path.name not in ("rejected.ndjson", "loans.ndjson"))
    texts += [path.read_bytes().decode("utf-8", "replace") for path in told]
    return "\n".join(texts)


@pytest.mark.parametrize(
    "flags",
    [
        {"reject": IDS, "error_shape": "id"},
        {"reject": IDS, "error_shape": "text"},
        {"reject": IDS, "error_shape": "index"},
        {"reject": IDS[:2], "error_shape": "unknown-id"},
        {"reject": IDS, "partial_status": 422, "error_shape": "nested"},
        {"poison": IDS[:2]},
    ],
    ids=lambda flags: flags.get("error_shape", "poison"),
)
def test_a_server_that_quotes_is_quoted_nowhere(
    flags: dict[str, Any], make_engine: MakeEngine, check: HealthCheck
) -> None:
    engine = prepared(make_engine(quote=True, **flags), check)
    told = all_that_is_told(engine, check).casefold()
    assert not [canary for canary in CANARIES if canary in told]
    assert "phone_number …" in told  # what is wrong can still be read
    assert not [ping.body for ping in check.pings if "CANID" in ping.body]
    reasons = {reject["reason"] for reject in engine.rejects()}
    assert len(reasons) == 1, reasons


def test_different_words_about_one_trouble_are_one_reason(make_engine: MakeEngine, check: HealthCheck) -> None:
    engine = prepared(make_engine(quote=True, reject=IDS), check)
    [reason] = engine.sync().report["reasons"]
    assert (reason["count"], reason["reason"][:65]) == (
        len(IDS),
        "Record … refused: first_name … is invalid; hindi_name … is invali",
    )
