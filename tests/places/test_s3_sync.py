"""A portfolio on S3, from the command to the server's state: the same as from a disk, whatever happens on the way."""

from __future__ import annotations

import gzip
import tomllib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import Portfolio, ndjson_line, portfolio, write_csv, write_parquet
from tests.gateways.program import wait_until
from tests.gateways.score import assert_delivered, killed_in_mid_run
from tests.places.cutting_proxy import CuttingProxy
from tests.places.seaweed import BUCKET, ENVIRONMENT, SECRET_KEY, S3Server

MakeEngine = Callable[..., Engine]

RECORDS = 3_000
CHUNK = 100
LARGE = 140_000
"""So many records that a process of its own reads them."""


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


def as_ndjson(loans: Portfolio) -> bytes:
    return b"".join(ndjson_line(record_id, data) + b"\n" for record_id, data in loans.items())


def on_s3(engine: Engine, endpoint: str, *paths: str, **source: object) -> Engine:
    engine.env |= ENVIRONMENT | {"HOME": str(engine.home)}
    source |= {"path": [f"s3://{BUCKET}/{path}" for path in paths], "endpoint": endpoint}
    engine.configure(source=source, upload={"batch_size": CHUNK, "concurrency": 4})
    return engine


def assert_secrets_are_nowhere(home: Path, *said: str) -> None:
    written = [path for path in home.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if SECRET_KEY.encode() in path.read_bytes()]
    assert not [text for text in said if SECRET_KEY in text]


def test_every_format_arrives_as_from_a_disk(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    loans = portfolio(RECORDS)
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/day=1/*.ndjson.gz")
    s3_server.put(f"{prefix}/day=1/_SUCCESS", b"")
    s3_server.put(f"{prefix}/day=1/part 1.ndjson.gz", gzip.compress(as_ndjson(loans)))
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert_secrets_are_nowhere(engine.home, done.out, done.err)


@pytest.mark.parametrize(("write", "suffix"), [(write_csv, "csv"), (write_parquet, "parquet")])
def test_parts_with_columns_and_keys_arrive(
    make_engine: MakeEngine,
    s3_server: S3Server,
    prefix: str,
    tmp_path: Path,
    write: Callable[[Path, Portfolio], None],
    suffix: str,
) -> None:
    expected: Portfolio = {}
    for state, first in (("KA", 0), ("TN", RECORDS)):
        loans = portfolio(RECORDS, first)
        write(tmp_path / "part", loans)
        s3_server.put(f"{prefix}/state={state}/part-0.{suffix}", (tmp_path / "part").read_bytes())
        expected |= {record_id: data | {"state": state} for record_id, data in loans.items()}
    types = {"types": {"emi_amount": "integer"}} if suffix == "csv" else {}
    engine = on_s3(make_engine(), s3_server.endpoint, prefix, id="loan_id", **types)
    assert_delivered(engine, engine.sync(), expected)


def test_an_object_with_content_encoding_is_unpacked(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    loans = portfolio(RECORDS)
    s3_server.put(f"{prefix}/loans.ndjson", gzip.compress(as_ndjson(loans)), Content_Encoding="gzip")
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/loans.ndjson")
    assert_delivered(engine, engine.sync(), loans)


def test_what_is_packed_and_does_not_say_so_is_not_trusted(
    make_engine: MakeEngine, s3_server: S3Server, prefix: str
) -> None:
    s3_server.put(f"{prefix}/loans.ndjson", gzip.compress(as_ndjson(portfolio(10))))
    done = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/loans.ndjson").sync()
    assert done.exit_code == 65
    assert "is gzip data, which its name does not say" in done.err


def test_a_marker_may_lie_in_the_store(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    loans = portfolio(RECORDS)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    marker = f"s3://{BUCKET}/{prefix}/_SUCCESS"
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson", done_marker=marker)
    early = engine.sync()
    assert (early.exit_code, engine.server.state()) == (66, {})
    assert f"{marker} (source.done_marker) does not exist" in early.err
    s3_server.put(f"{prefix}/_SUCCESS", b"")
    assert_delivered(engine, engine.sync(), loans)


def test_a_dry_run_and_a_check_read_the_store(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(portfolio(RECORDS)))
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson")
    dry = engine.run("sync", "--dry-run")
    assert dry.exit_code == 0, dry.err
    assert "3,000" in dry.out
    checked = engine.run("check")
    assert checked.exit_code == 0, checked.out + checked.err
    assert engine.server.state() == {}


def test_a_killed_run_goes_on_from_the_same_object(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    loans = portfolio(RECORDS)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson")
    with killed_in_mid_run(engine):
        pass
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.report["resumes"] == 1


def test_a_killed_run_does_not_go_on_with_another_object(
    make_engine: MakeEngine, s3_server: S3Server, prefix: str
) -> None:
    loans = portfolio(RECORDS)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson")
    with killed_in_mid_run(engine):
        pass
    newer = {record_id: data | {"first_name": "Meera"[: len(data["first_name"])]} for record_id, data in loans.items()}
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(newer))
    changed = engine.sync()
    assert changed.exit_code == 65, changed.err
    assert "the source has changed since run" in changed.err
    assert_delivered(engine, engine.sync("--fresh"), newer)


def test_an_object_that_is_replaced_while_it_is_read_is_never_a_mixture(
    make_engine: MakeEngine, s3_server: S3Server, s3_proxy: CuttingProxy, prefix: str
) -> None:
    loans = portfolio(LARGE)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    newer = as_ndjson({record_id: data | {"payment_status": "closed"} for record_id, data in loans.items()})
    engine = on_s3(make_engine(), s3_proxy.endpoint, f"{prefix}/loans.ndjson")

    def replace_once(passed: int) -> None:
        if passed > 1_000_000:
            s3_proxy.on_bytes = lambda _: None
            s3_server.put(f"{prefix}/loans.ndjson", newer)

    s3_proxy.on_bytes = replace_once
    done = engine.sync()
    assert done.exit_code == 65, done.err
    assert "has changed since it was found: it was replaced" in done.report["message"]
    assert "closed" not in {data["payment_status"] for data in engine.server.state().values()}


def test_cut_connections_lose_and_double_nothing(
    make_engine: MakeEngine, s3_server: S3Server, s3_proxy: CuttingProxy, prefix: str
) -> None:
    loans = portfolio(LARGE)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    engine = on_s3(make_engine(), s3_proxy.endpoint, f"{prefix}/loans.ndjson")
    engine.configure(upload={"batch_size": 5_000})
    s3_proxy.cut_after = 1_500_000
    assert_delivered(engine, engine.sync(), loans)
    assert s3_proxy.cuts > 5


def test_a_store_that_stays_away_ends_the_run_unfinished(
    make_engine: MakeEngine, s3_server: S3Server, s3_proxy: CuttingProxy, prefix: str
) -> None:
    loans = portfolio(LARGE)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    engine = on_s3(make_engine(latency_ms=20), s3_proxy.endpoint, f"{prefix}/loans.ndjson")
    engine.configure(upload={"retry_window_s": 1.0})

    def go_away(passed: int) -> None:
        if passed > 2_000_000:
            s3_proxy.refuses = True
            s3_proxy.cut_all()

    s3_proxy.on_bytes = go_away
    away = engine.sync()
    assert (away.exit_code, away.report["status"]) == (75, "interrupted"), away.err
    s3_proxy.on_bytes, s3_proxy.refuses = (lambda _: None), False
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.report["resumes"] == 1


def test_refused_keys_are_no_reason_to_send_anything(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(portfolio(10)))
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson")
    engine.env["AWS_ACCESS_KEY_ID"] = "AKIANOBODY"
    done = engine.sync()
    assert (done.exit_code, engine.server.state()) == (77, {})
    assert "S3 refuses our keys" in done.err
    assert_secrets_are_nowhere(engine.home, done.out, done.err)


def test_secrets_in_an_address_are_a_mistake_and_not_repeated(make_engine: MakeEngine) -> None:
    engine = make_engine()
    for path in (f"s3://AKIA:{SECRET_KEY}@bucket/a.csv", f"s3://bucket/a.csv?X-Amz-Signature={SECRET_KEY}"):
        engine.configure(source={"path": path})
        done = engine.sync()
        assert done.exit_code == 2
        assert "source.path: holds a secret" in done.err
        assert SECRET_KEY not in done.out + done.err


def test_reports_are_published_and_rejects_only_if_that_is_wanted(
    make_engine: MakeEngine, s3_server: S3Server, prefix: str
) -> None:
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(portfolio(RECORDS)))
    engine = on_s3(make_engine(reject="loan_000007"), s3_server.endpoint, f"{prefix}/*.ndjson")
    for with_rejects in (False, True):
        place = f"{prefix}/out-{with_rejects}"
        engine.configure(state={"publish": f"s3://{BUCKET}/{place}/", "publish_rejects": with_rejects})
        done = engine.sync()
        assert done.exit_code == 3, done.err
        run_dir = engine.home / "engine-state" / "runs" / done.report["run_id"]
        for name in ("report.json", "report.html"):
            assert s3_server.get(f"{place}/runs/{run_dir.name}/{name}") == (run_dir / name).read_bytes()
        assert b"<html" in s3_server.get(f"{place}/index.html")
        rejected = s3_server.request("HEAD", f"/{BUCKET}/{place}/runs/{run_dir.name}/rejected.ndjson")
        assert rejected == (200 if with_rejects else 404)


def test_what_cannot_be_published_is_one_warning(make_engine: MakeEngine, s3_server: S3Server, prefix: str) -> None:
    loans = portfolio(RECORDS)
    s3_server.put(f"{prefix}/loans.ndjson", as_ndjson(loans))
    engine = on_s3(make_engine(), s3_server.endpoint, f"{prefix}/*.ndjson")
    engine.configure(state={"publish": "az://container/engine"})  # whose account nobody has told
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.err.count("not_published") == 1
    assert "the report was not published" in done.err


def test_init_proposes_a_configuration_for_a_store(
    make_engine: MakeEngine, s3_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    loans = portfolio(RECORDS)
    write_csv(tmp_path / "part", loans)
    s3_server.put(f"{prefix}/loans.csv", (tmp_path / "part").read_bytes())
    engine = make_engine()
    engine.env |= ENVIRONMENT
    source = f"s3://{BUCKET}/{prefix}/*.csv"
    proposed = engine.run("init", source, "--endpoint", s3_server.endpoint, "--region", "ap-south-1")
    assert proposed.exit_code == 0, proposed.err
    table = tomllib.loads(proposed.out)["source"]
    assert (table["path"], table["endpoint"], table["region"]) == (source, s3_server.endpoint, "ap-south-1")
    assert table["id"] == "loan_id"


def test_a_store_that_is_out_of_reach_holds_no_stop(make_engine: MakeEngine, s3_proxy: CuttingProxy) -> None:
    s3_proxy.refuses = True
    engine = on_s3(make_engine(), s3_proxy.endpoint, "loans.ndjson")
    process = engine.start("sync", "--json")
    wait_until(lambda: s3_proxy.connections > 1)
    process.terminate()
    stopped = engine.outcome(process)
    assert (stopped.exit_code, engine.server.state()) == (75, {})
    assert "stopped by SIGTERM" in stopped.err
