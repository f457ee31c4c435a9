"""The suite that every store passes, against a server that speaks like Google Cloud Storage."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from uuid import uuid4

import pytest

from engine.sources.spec import StoreAccess
from engine.sources.stored.object_store import ObjectStore
from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import ndjson_line, portfolio
from tests.gateways.score import assert_delivered
from tests.places.conftest import assert_no_mixture
from tests.places.fake_gcs import BUCKET, ENVIRONMENT, GcsServer
from tests.sources.stored.test_store_contract import Place, TestListing, TestOpening, TestVersions

__all__ = ["TestListing", "TestOpening", "TestVersions"]


@pytest.fixture
def server(gcs_server: GcsServer) -> GcsServer:
    return gcs_server


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GOOGLE_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def empty(server: GcsServer, prefix: str) -> Place:
    return Place(
        ObjectStore(StoreAccess(endpoint=server.endpoint)),
        f"gs://{BUCKET}/{prefix}/",
        lambda key, content: server.put(f"{prefix}/{key}", content),
        lambda key: server.remove(f"{prefix}/{key}"),
    )


def test_the_version_of_each_reply_is_compared_where_the_server_does_not(empty: Place) -> None:
    assert_no_mixture(empty)


def test_an_object_with_content_encoding_is_read_as_stored_and_unpacked(
    make_engine: Callable[..., Engine], server: GcsServer, prefix: str
) -> None:
    loans = portfolio(3_000)
    lines = b"".join(ndjson_line(record_id, data) + b"\n" for record_id, data in loans.items())
    server.put(f"{prefix}/loans.ndjson", gzip.compress(lines), encoding="gzip")
    engine = make_engine()
    engine.env |= ENVIRONMENT
    engine.configure(source={"path": f"gs://{BUCKET}/{prefix}/*.ndjson", "endpoint": server.endpoint})
    assert_delivered(engine, engine.sync(), loans)
