"""The suite that every store passes, against a real server of Azure's blobs; and a whole portfolio from there."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import obstore
import pytest

from engine.sources.spec import StoreAccess
from engine.sources.stored.object_store import ObjectStore
from engine.values.errors import AccessRefused
from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import portfolio, write_parquet
from tests.gateways.score import assert_delivered
from tests.places.azurite import ACCOUNT, CONTAINER, ENVIRONMENT, KEY, AzureServer
from tests.places.conftest import assert_no_mixture
from tests.sources.stored.test_store_contract import Place, TestListing, TestOpening, TestVersions

__all__ = ["TestListing", "TestOpening", "TestVersions"]


@pytest.fixture
def server(azure_server: AzureServer) -> AzureServer:
    return azure_server


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def empty(server: AzureServer) -> Place:
    prefix = uuid4().hex
    return Place(
        ObjectStore(StoreAccess(endpoint=server.endpoint)),
        f"az://{CONTAINER}/{prefix}/",
        lambda key, content: obstore.put(server.bucket, f"{prefix}/{key}", content) and None,
        lambda key: obstore.delete(server.bucket, f"{prefix}/{key}"),
    )


def test_an_object_that_is_replaced_in_mid_read_is_no_mixture(empty: Place) -> None:
    assert_no_mixture(empty)


def test_a_wrong_key_is_refused(place: Place, server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = base64.b64encode(b"wrong" * 10).decode()
    monkeypatch.setenv("AZURE_STORAGE_KEY", wrong)
    for pattern in ("a.csv", "*.csv"):
        with pytest.raises(AccessRefused, match=r"Azure Blob Storage refuses our keys \(status 403") as caught:
            ObjectStore(StoreAccess(endpoint=server.endpoint)).list(place.root + pattern)
        assert wrong not in str(caught.value)


def test_no_account_at_all_is_said(place: Place, server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    with pytest.raises(AccessRefused, match="nothing says who we are to Azure Blob Storage"):
        ObjectStore(StoreAccess(endpoint=server.endpoint)).list(f"{place.root}a.csv")


def test_a_connection_string_is_enough(place: Place, server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    said = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={server.endpoint};"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
    assert len(ObjectStore(StoreAccess()).list(f"{place.root}a.csv")) == 1


def test_a_portfolio_arrives_as_from_a_disk(
    make_engine: Callable[..., Engine], empty: Place, server: AzureServer, tmp_path: Path
) -> None:
    loans = portfolio(3_000)
    write_parquet(tmp_path / "part", loans)
    empty.put("out/part-0.parquet", (tmp_path / "part").read_bytes())
    empty.put("out/_SUCCESS", b"")
    engine = make_engine()
    engine.env |= ENVIRONMENT
    engine.configure(source={"path": f"{empty.root}out", "endpoint": server.endpoint, "id": "loan_id"})
    assert_delivered(engine, engine.sync(), loans)
