"""A job as plain values: where records go, where they are cut, and what makes a run the same run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.run.job import cutting_of, endpoint_of, identity_of, reading_of, source_identity_of
from engine.settings.loading import from_tables
from engine.settings.tables import Settings
from tests.run.runs import settings_of


def settings(**tables: dict[str, Any]) -> Settings:
    """Settings that differ in these keys from the same ones."""
    given: dict[str, dict[str, Any]] = {
        "api": {"url": "http://127.0.0.1:9/api/v1", "campaign_id": "camp"},
        "source": {"path": "loans.csv", "id": "loan_id"},
    }
    return from_tables(given | {name: given.get(name, {}) | table for name, table in tables.items()})


def test_records_go_where_the_settings_say(tmp_path: Path) -> None:
    api = {"campaign_id": "c", "org_id": "org", "timeout_s": 7.0, "ca_file": "ca.pem", "proxy": "http://proxy:1"}
    endpoint = endpoint_of(settings_of(tmp_path, api=api, upload={"concurrency": 3}))
    assert (endpoint.url, endpoint.campaign_id, endpoint.org_id) == ("http://127.0.0.1:9/api/v1", "c", "org")
    assert (endpoint.timeout_s, endpoint.ca_file, endpoint.proxy, endpoint.concurrency) == (
        7.0, "ca.pem", "http://proxy:1", 3,
    )  # fmt: skip


def test_the_token_is_read_afresh_from_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = endpoint_of(settings_of(tmp_path, api={"token_env": "NIGHT_TOKEN"}))
    for token in ("first", "second"):
        monkeypatch.setenv("NIGHT_TOKEN", token)
        assert endpoint.read_token() == token


def test_a_token_that_is_given_goes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEPAY_TOKEN", "of the environment")
    assert endpoint_of(settings_of(tmp_path), lambda: "given").read_token() == "given"


def test_a_chunk_and_its_envelope_fit_into_a_body(tmp_path: Path) -> None:
    made = settings_of(tmp_path, upload={"max_body_bytes": 1_000, "batch_size": 70, "concurrency": 5})
    cutting = cutting_of(made, limit=9)
    prefix, suffix = endpoint_of(made).envelope()
    assert len(prefix) + cutting.lines_bytes_max + len(suffix) == 1_000
    assert (cutting.batch_size, cutting.concurrency, cutting.limit) == (70, 5, 9)


def test_a_body_too_small_for_its_envelope_still_cuts_somewhere(tmp_path: Path) -> None:
    assert cutting_of(settings_of(tmp_path, upload={"max_body_bytes": 1})).lines_bytes_max == 1


def test_a_source_is_read_as_its_table_says() -> None:
    made = settings(source={"exclude": ["name"]}, upload={"max_body_bytes": 5_000})
    reading = reading_of(made, limit=3)
    assert reading.spec == made.source.spec()
    assert reading_of(made, None, 900.0).spec.access == replace(reading.spec.access, retry_window_s=900.0)
    assert reading.cutting == cutting_of(made, 3)
    assert reading.record_bytes_max == 5_000


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("api", "url", "https://other.example/api/v1"),
        ("api", "campaign_id", "another"),
        ("api", "org_id", "another"),
        ("upload", "batch_size", 20),
        ("upload", "max_body_bytes", 20_000),
    ],
)
def test_what_decides_what_is_sent_makes_another_run(table: str, key: str, value: object) -> None:
    before, after = identity_of(settings()), identity_of(settings(**{table: {key: value}}))
    assert {name for name in before if before[name] != after[name]} == {f"{table}.{key}"}


def test_a_limit_makes_another_run() -> None:
    assert identity_of(settings(), 5) == identity_of(settings()) | {"--limit": 5}


@pytest.mark.parametrize(
    "tables",
    [
        {"upload": {"concurrency": 2, "requests_per_second": 3.0, "retry_window_s": 5.0, "deadline": "06:30"}},
        {"api": {"token_env": "OTHER", "timeout_s": 3.0, "proxy": "http://proxy:1"}},
        {"guard": {"max_rejected": "50%", "min_records": 3}},
        {"state": {"dir": "elsewhere"}},
        {"notify": {"healthcheck_url": "http://127.0.0.1:9/x"}},
        {"log": {"level": "debug"}},
    ],
    ids=lambda tables: next(iter(tables)),
)
def test_pace_guards_and_whoever_is_told_make_no_other_run(tables: dict[str, dict[str, Any]]) -> None:
    assert identity_of(settings(**tables)) == identity_of(settings())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", "other.csv"),
        ("format", "tsv"),
        ("id", "customer_id"),
        ("fields", ["emi"]),
        ("exclude", ["name"]),
        ("rename", {"a": "b"}),
        ("types", {"emi": "integer"}),
        ("nulls", "send"),
    ],
)
def test_whatever_shapes_the_records_makes_another_run(key: str, value: object) -> None:
    before, after = source_identity_of(settings()), source_identity_of(settings(source={key: value}))
    assert {name for name in before if before[name] != after[name]} == {f"source.{key}"}


def test_a_job_is_quick_to_import() -> None:
    """The second process is started by it, while everything else is still being imported."""
    program = "import sys\nfrom engine.run import reading_of\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiohttp", "pyarrow", "sqlite3", "engine.run.lifecycle", "engine.pipeline.pipeline"} & set(loaded)
