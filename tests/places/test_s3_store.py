"""The suite that every store passes, against a real S3 server; and what only object stores can get wrong."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from engine.sources.spec import StoreAccess
from engine.sources.stored.object_store import ObjectStore
from engine.values.errors import AccessRefused, ConfigError, Interrupted, SourceMissing, SourceUntrusted
from tests.places.cutting_proxy import CuttingProxy
from tests.places.seaweed import ACCESS_KEY, BUCKET, ENVIRONMENT, SECRET_KEY, S3Server
from tests.sources.stored.test_store_contract import Place, TestListing, TestOpening, TestVersions, read_all

__all__ = ["TestListing", "TestOpening", "TestVersions"]

LARGE = b"".join(b"%015d\n" % number for number in range(600_000))
"""More than is fetched at once, and no two parts alike."""

EXPIRED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nContent-Length: 82\r\n\r\n"
    b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error> "
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # no profile of whoever runs the tests
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix() -> str:
    return f"{uuid4().hex}/"


@pytest.fixture
def empty(s3_server: S3Server, prefix: str) -> Place:
    return Place(
        ObjectStore(StoreAccess(endpoint=s3_server.endpoint)),
        f"s3://{BUCKET}/{prefix}",
        lambda key, content: s3_server.put(prefix + key, content),
        lambda key: s3_server.remove(prefix + key),
    )


def through(proxy: CuttingProxy, *, window_s: float = 30.0) -> ObjectStore:
    return ObjectStore(StoreAccess(endpoint=proxy.endpoint, retry_window_s=window_s))


class TestKeys:
    def test_what_stands_for_a_folder_is_no_object(self, place: Place) -> None:
        place.put("old/", b"")
        place.put("old/empty.csv", b"")
        assert place.paths("old") == ["old/c.csv", "old/empty.csv", "old/older/e.csv"]
        assert "old" not in place.paths("*")

    def test_a_whole_bucket_may_be_meant(self, place: Place) -> None:
        found = [stored.path for stored in place.store.list(f"s3://{BUCKET}")]
        assert f"{place.root}a.csv" in found

    def test_a_missing_bucket_is_named(self, place: Place) -> None:
        for pattern in ("s3://nowhere/a.csv", "s3://nowhere/*.csv", "s3://nowhere"):
            with pytest.raises(SourceMissing, match="s3://nowhere/ does not exist"):
                place.store.list(pattern)

    def test_the_tag_of_the_content_is_known_without_reading_it(self, place: Place) -> None:
        (stored,) = place.store.list(f"{place.root}a.csv")
        (same,) = place.store.list(f"{place.root}[a].csv")
        assert stored.content_tag == same.content_tag == stored.version


class TestReading:
    @pytest.fixture
    def large(self, empty: Place) -> str:
        empty.put("large.ndjson", LARGE)
        return f"{empty.root}large.ndjson"

    def test_a_large_object_arrives_whole(self, empty: Place, large: str) -> None:
        assert empty.content("large.ndjson") == LARGE

    def test_cut_connections_go_on_where_they_were_cut(self, s3_proxy: CuttingProxy, large: str) -> None:
        store = through(s3_proxy)
        (stored,) = store.list(large)
        s3_proxy.cut_after = 700_000
        with store.open(stored) as stream:
            assert read_all(stream) == LARGE  # no connection lives long enough for a reader that starts anew
        assert s3_proxy.cuts >= len(LARGE) // s3_proxy.cut_after

    def test_a_reader_that_rests_goes_on_though_its_connections_were_closed(
        self, s3_proxy: CuttingProxy, large: str
    ) -> None:
        store = through(s3_proxy)
        (stored,) = store.list(large)
        with store.open(stored) as stream:
            found = []
            while part := stream.read(1_000_000):
                found.append(part)
                s3_proxy.cut_all()
        assert b"".join(found) == LARGE

    def test_a_server_that_stays_away_is_waited_for_and_then_given_up(self, s3_proxy: CuttingProxy, large: str) -> None:
        store = through(s3_proxy, window_s=0.3)
        (stored,) = store.list(large)
        with store.open(stored) as stream:
            stream.read(10)
            s3_proxy.refuses = True
            s3_proxy.cut_all()
            with pytest.raises(Interrupted, match=r"large.ndjson could not be read for 0 s \(.*\); run"):
                read_all(stream)

    def test_an_object_that_is_replaced_in_mid_read_is_no_mixture(self, empty: Place, large: str) -> None:
        (stored,) = empty.store.list(large)
        with empty.store.open(stored) as stream:
            stream.read(10)
            empty.put("large.ndjson", LARGE.replace(b"0\n", b"1\n"))
            with pytest.raises(SourceUntrusted, match=r"large\.ndjson has changed since it was found: it was replaced"):
                read_all(stream)

    def test_an_object_that_is_removed_in_mid_read_is_missed(self, empty: Place, large: str) -> None:
        (stored,) = empty.store.list(large)
        with empty.store.open(stored) as stream:
            stream.read(10)
            empty.remove("large.ndjson")
            with pytest.raises(SourceMissing, match=r"large\.ndjson does not exist"):
                read_all(stream)

    def test_a_key_that_expires_in_mid_read_is_asked_for_once_more(self, s3_proxy: CuttingProxy, large: str) -> None:
        store = through(s3_proxy)
        (stored,) = store.list(large)
        with store.open(stored) as stream:
            stream.read(10)
            s3_proxy.answers = EXPIRED
            with pytest.raises(AccessRefused, match=r"S3 refuses our keys \(status 400 ExpiredToken\)") as caught:
                read_all(stream)
        assert SECRET_KEY not in str(caught.value)

    def test_what_is_packed_by_its_header_says_so(self, empty: Place, s3_server: S3Server, prefix: str) -> None:
        s3_server.put(f"{prefix}packed.csv", gzip.compress(b"id,a\n1,2\n"), Content_Encoding="gzip")
        (stored,) = empty.store.list(f"{empty.root}packed.csv")
        assert empty.store.content_encoding(stored) == "gzip"
        assert gzip.decompress(empty.content("packed.csv")) == b"id,a\n1,2\n"


class TestIdentity:
    def test_a_wrong_key_is_refused(self, place: Place, monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-but-secret")
        store = ObjectStore(StoreAccess(endpoint=s3_server.endpoint))
        for pattern in ("a.csv", "*.csv"):
            with pytest.raises(AccessRefused, match=r"S3 refuses our keys \(status 403") as caught:
                store.list(place.root + pattern)
            assert "wrong-but-secret" not in str(caught.value)

    def test_no_key_at_all_is_said(self, place: Place, monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9/latest/meta-data")  # a machine without a role
        with pytest.raises(AccessRefused, match="nothing says who we are to S3"):
            ObjectStore(StoreAccess(endpoint=s3_server.endpoint)).list(f"{place.root}a.csv")

    @pytest.fixture
    def profile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ENVIRONMENT:
            monkeypatch.delenv(name)
        (tmp_path / ".aws").mkdir()
        return tmp_path / ".aws"

    def test_the_default_profile_is_read(self, place: Place, profile: Path, s3_server: S3Server) -> None:
        (profile / "credentials").write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n", encoding="utf-8"
        )
        (profile / "config").write_text(f"[default]\nendpoint_url = {s3_server.endpoint}\n", encoding="utf-8")
        assert len(ObjectStore(StoreAccess()).list(f"{place.root}a.csv")) == 1

    def test_a_profile_may_ask_a_program_for_keys(
        self, place: Place, profile: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        printed = {"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}
        printed["Expiration"] = "2100-01-01T00:00:00Z"
        (profile / "keys.json").write_text(json.dumps(printed), encoding="utf-8")
        program = f"{sys.executable} -c 'print(open(\"{profile}/keys.json\").read())'"
        (profile / "config").write_text(f"[profile night]\ncredential_process = {program}\n", encoding="utf-8")
        monkeypatch.setenv("AWS_PROFILE", "night")
        assert len(ObjectStore(StoreAccess(endpoint=s3_server.endpoint)).list(f"{place.root}a.csv")) == 1

    def test_a_profile_that_is_not_there_is_named(self, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(ConfigError, match=r"'nobody', which ~/\.aws/config does not have"):
            ObjectStore(StoreAccess()).list(f"s3://{BUCKET}/a.csv")

    def test_plain_http_goes_to_no_other_machine(self) -> None:
        with pytest.raises(ConfigError, match="must begin with https://"):
            ObjectStore(StoreAccess(endpoint="http://192.0.2.1:9000")).list(f"s3://{BUCKET}/a.csv")
