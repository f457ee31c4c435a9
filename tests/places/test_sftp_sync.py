"""A portfolio that is fetched by SFTP, from the command to the server's state: the same as from a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import Portfolio, portfolio, write_csv, write_ndjson, write_parquet
from tests.gateways.score import assert_delivered, killed_in_mid_run
from tests.places.cutting_proxy import CuttingProxy
from tests.places.sshd import SshServer

MakeEngine = Callable[..., Engine]

RECORDS = 3_000
LARGE = 140_000
"""So many records that a process of its own reads them."""


@pytest.fixture
def proxy(ssh_server: SshServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(ssh_server.port) as proxy:
        ssh_server.trust(proxy.port)
        yield proxy
        ssh_server.trust(ssh_server.port)


def over_sftp(engine: Engine, server: SshServer, folder: Path, pattern: str, port: int = 0, **source: Any) -> Engine:
    engine.env["HOME"] = str(server.home)
    source |= {"path": f"{server.address(port)}{folder.name}/{pattern}"}
    engine.configure(source=source, upload={"batch_size": 100, "concurrency": 4})
    return engine


@pytest.mark.parametrize(("write", "suffix"), [(write_csv, "csv"), (write_parquet, "parquet")])
def test_parts_with_columns_and_keys_arrive(
    make_engine: MakeEngine,
    ssh_server: SshServer,
    folder: Path,
    write: Callable[[Path, Portfolio], None],
    suffix: str,
) -> None:
    expected: Portfolio = {}
    for state, first in (("KA", 0), ("TN", RECORDS)):
        loans = portfolio(RECORDS, first)
        (folder / f"state={state}").mkdir()
        write(folder / f"state={state}" / f"part-0.{suffix}", loans)
        expected |= {record_id: data | {"state": state} for record_id, data in loans.items()}
    types: dict[str, Any] = {"types": {"emi_amount": "integer"}} if suffix == "csv" else {}
    engine = over_sftp(make_engine(), ssh_server, folder, f"*/*.{suffix}", id="loan_id", **types)
    checked = engine.run("check")
    assert checked.exit_code == 0, checked.out + checked.err
    assert_delivered(engine, engine.sync(), expected)


def test_a_killed_run_goes_on(make_engine: MakeEngine, ssh_server: SshServer, folder: Path) -> None:
    loans = portfolio(RECORDS)
    write_ndjson(folder / "loans.ndjson", loans)
    engine = over_sftp(make_engine(), ssh_server, folder, "*.ndjson")
    with killed_in_mid_run(engine):
        pass
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.report["resumes"] == 1


def test_cut_connections_lose_and_double_nothing(
    make_engine: MakeEngine, ssh_server: SshServer, proxy: CuttingProxy, folder: Path
) -> None:
    loans = portfolio(LARGE)
    write_ndjson(folder / "loans.ndjson", loans)
    engine = over_sftp(make_engine(), ssh_server, folder, "loans.ndjson", proxy.port)
    engine.configure(upload={"batch_size": 5_000})
    proxy.cut_after = 8_000_000
    assert_delivered(engine, engine.sync(), loans)
    assert proxy.cuts > 1


def test_a_file_that_grows_while_it_is_read_is_not_trusted(
    make_engine: MakeEngine, ssh_server: SshServer, proxy: CuttingProxy, folder: Path
) -> None:
    write_ndjson(folder / "loans.ndjson", portfolio(LARGE))
    engine = over_sftp(make_engine(), ssh_server, folder, "loans.ndjson", proxy.port)

    def grow(passed: int) -> None:
        if passed > 2_000_000:
            proxy.on_bytes = lambda _: None
            with (folder / "loans.ndjson").open("ab") as file:
                file.write(b'{"id":"late","data":{"a":1}}\n')

    proxy.on_bytes = grow
    done = engine.sync()
    assert done.exit_code == 65, done.err
    assert "loans.ndjson grew from" in done.report["message"]


def test_an_unknown_host_is_no_reason_to_send_anything(
    make_engine: MakeEngine, ssh_server: SshServer, folder: Path
) -> None:
    write_ndjson(folder / "loans.ndjson", portfolio(10))
    engine = over_sftp(make_engine(), ssh_server, folder, "loans.ndjson")
    engine.env["HOME"] = str(engine.home)  # where there is no known_hosts
    done = engine.sync()
    assert (done.exit_code, engine.server.state()) == (77, {})
    assert "shows a host key that is not the one in known_hosts" in done.err


def test_a_password_in_the_address_is_a_mistake_and_not_repeated(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.configure(source={"path": "sftp://user:pass-4711@127.0.0.1/loans.ndjson"})
    done = engine.sync()
    assert done.exit_code == 2
    assert "source.path: holds a secret" in done.err
    assert "pass-4711" not in done.out + done.err


def test_reports_are_published_over_those_of_the_night_before(
    make_engine: MakeEngine, ssh_server: SshServer, folder: Path
) -> None:
    ssh_server.trust(ssh_server.port)
    write_ndjson(folder / "loans.ndjson", portfolio(RECORDS))
    engine = over_sftp(make_engine(reject="loan_000007"), ssh_server, folder, "loans.ndjson")
    for with_rejects in (False, True):
        out = folder / f"out {with_rejects}"
        place = f"{ssh_server.address()}{folder.name}/{out.name}/nights"
        engine.configure(state={"publish": place, "publish_rejects": with_rejects})
        for night in (1, 2):
            done = engine.sync()
            assert done.exit_code == 3, done.err
            assert "not_published" not in done.err
            of_run = engine.home / "engine-state" / "runs" / done.report["run_id"]
            published = out / "nights" / "runs" / of_run.name
            for name in ("report.json", "report.html"):
                assert (published / name).read_bytes() == (of_run / name).read_bytes()
            index = (out / "nights" / "index.html").read_bytes()
            assert index == (engine.home / "engine-state" / "index.html").read_bytes()
            assert done.report["run_id"].encode() in index
            assert (published / "rejected.ndjson").exists() == with_rejects
            assert len(list((out / "nights" / "runs").iterdir())) == night
        written = [path for path in out.rglob("*") if path.is_file()]
        assert not [path for path in written if path.stat().st_mode & 0o077 or path.suffix == ".part"]
        assert published.stat().st_mode & 0o777 == 0o700


def test_a_place_that_may_not_be_written_to_is_one_warning(
    make_engine: MakeEngine, ssh_server: SshServer, folder: Path
) -> None:
    ssh_server.trust(ssh_server.port)
    loans = portfolio(10)
    write_ndjson(folder / "loans.ndjson", loans)
    (folder / "nights").write_text("a file, where a folder is wanted", encoding="utf-8")
    engine = over_sftp(make_engine(), ssh_server, folder, "loans.ndjson")
    engine.configure(state={"publish": f"{ssh_server.address()}{folder.name}/nights"})
    done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.err.count("not_published") == 1
