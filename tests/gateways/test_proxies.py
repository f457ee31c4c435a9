"""The proxy that leads out of the house: squid and tinyproxy, with and without a password, and TLS through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.acceptance.engine_process import Engine
from tests.gateways.nginx import Nginx
from tests.gateways.program import Program
from tests.gateways.score import assert_delivered, assert_refused, away, ended, running, through
from tests.gateways.squid import Squid
from tests.gateways.tinyproxy import Tinyproxy
from tests.ports import free_port
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]
Start = Callable[..., Program]

USER, PASSWORD = "exporter", "pass-9c1f"


def protected_squid(home: Path) -> Program:
    return Squid(home, user=USER, password=PASSWORD)


def protected_tinyproxy(home: Path) -> Program:
    return Tinyproxy(home, f"BasicAuth {USER} {PASSWORD}")


PROTECTED = pytest.mark.parametrize("start", [protected_squid, protected_tinyproxy], ids=["squid", "tinyproxy"])


def by_way_of(engine: Engine, proxy: Program, credentials: str = "") -> None:
    engine.configure(api={"proxy": f"http://{credentials}127.0.0.1:{proxy.port}"}, upload={"retry_window_s": 10.0})


@pytest.mark.parametrize("start", [Squid, Tinyproxy], ids=["squid", "tinyproxy"])
def test_an_open_proxy_is_gone_through(start: Start, make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = through(engine, engine.server.url)
    with start(engine.home) as proxy:
        by_way_of(engine, proxy)
        done = engine.sync()
    assert_delivered(engine, done, loans)


@PROTECTED
def test_a_proxy_lets_the_right_password_through(start: Start, make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = through(engine, engine.server.url)
    with start(engine.home) as proxy:
        by_way_of(engine, proxy, f"{USER}:{PASSWORD}@")
        done = engine.sync()
    assert_delivered(engine, done, loans)
    assert_kept_secret(engine, done.out, done.err)


@PROTECTED
@pytest.mark.parametrize("credentials", ["", f"{USER}:wrong-{PASSWORD}@"], ids=["none", "wrong"])
def test_a_proxy_that_wants_another_password_is_named(start: Start, credentials: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    through(engine, engine.server.url)
    with start(engine.home) as proxy:
        by_way_of(engine, proxy, credentials)
        done = engine.sync()
        checked = engine.run("check")
    message = assert_refused(engine, done, "api.proxy")
    assert "token" not in message
    assert "api.proxy" in checked.out + checked.err
    assert checked.exit_code == 77
    assert_kept_secret(engine, done.out, done.err, checked.out, checked.err)


@pytest.fixture
def tls_files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A private authority and what it says of 127.0.0.1: the authority's certificate, the server's, and its key."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    files = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(files[0])
    server.cert_chain_pems[0].write_to_path(files[1])
    server.private_key_pem.write_to_path(files[2])
    return files


def tls_nginx(engine: Engine, tls_files: tuple[Path, Path, Path]) -> Nginx:
    _, certificate, key = tls_files
    directives = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    return Nginx(engine.home, engine.server.url, listen="ssl", server=directives)


def test_tls_through_a_proxy_needs_the_private_authority(
    make_engine: MakeEngine, tls_files: tuple[Path, Path, Path]
) -> None:
    engine = make_engine()
    with tls_nginx(engine, tls_files) as nginx, Squid(engine.home) as squid:
        loans = through(engine, nginx.url.replace("http:", "https:"))
        by_way_of(engine, squid)
        refused = engine.sync()
        assert_refused(engine, refused, "api.ca_file")
        engine.configure(api={"ca_file": str(tls_files[0])})
        done = engine.sync()
        of_both = refused.report["requests"]["sent"] + len(nginx.statuses())  # the same run went on
    assert done.report["requests"]["sent"] == of_both
    assert_delivered(engine, done, loans)


@PROTECTED
@pytest.mark.parametrize("credentials", ["", f"{USER}:wrong-{PASSWORD}@"], ids=["none", "wrong"])
def test_a_tunnel_that_wants_another_password_is_named(
    start: Start, credentials: str, make_engine: MakeEngine, tls_files: tuple[Path, Path, Path]
) -> None:
    engine = make_engine()
    with tls_nginx(engine, tls_files) as nginx, start(engine.home) as proxy:
        through(engine, nginx.url.replace("http:", "https:"))
        by_way_of(engine, proxy, credentials)
        engine.configure(api={"ca_file": str(tls_files[0])})
        done = engine.sync()
    message = assert_refused(engine, done, "api.proxy")
    assert "token" not in message
    assert_kept_secret(engine, done.out, done.err)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_proxy_that_forbids_the_host_is_named(
    tls: bool, make_engine: MakeEngine, tls_files: tuple[Path, Path, Path]
) -> None:
    engine = make_engine()
    allowed = engine.home / "allowed"
    allowed.write_text("^elsewhere$\n", encoding="utf-8")
    directives = (f'Filter "{allowed}"', "FilterDefaultDeny Yes", "FilterExtended On")
    with tls_nginx(engine, tls_files) as nginx, Tinyproxy(engine.home, *directives) as proxy:
        through(engine, nginx.url.replace("http:", "https:") if tls else engine.server.url)
        engine.configure(api={"ca_file": str(tls_files[0])})
        by_way_of(engine, proxy)
        done = engine.sync()
    assert_refused(engine, done, "api.proxy")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_squid_that_forbids_everything_is_named(
    tls: bool, make_engine: MakeEngine, tls_files: tuple[Path, Path, Path]
) -> None:
    engine = make_engine()
    with tls_nginx(engine, tls_files) as nginx, Squid(engine.home, access="http_access deny all") as proxy:
        through(engine, nginx.url.replace("http:", "https:") if tls else engine.server.url)
        engine.configure(api={"ca_file": str(tls_files[0])})
        by_way_of(engine, proxy)
        done = engine.sync()
    assert_refused(engine, done, "api.proxy")


@pytest.mark.parametrize("start", [Squid, Tinyproxy], ids=["squid", "tinyproxy"])
def test_a_proxy_that_is_restarted_in_mid_run_is_waited_for(start: Start, make_engine: MakeEngine) -> None:
    engine = make_engine(latency_ms=50)
    loans = through(engine, engine.server.url, requests_per_second=20.0)
    with start(engine.home) as proxy:
        by_way_of(engine, proxy)
        engine.configure(upload={"retry_window_s": 60.0})
        with running(engine, "sync", "--json") as process:
            engine.server.wait(answered=5)
            proxy.kill()
            proxy.start()
            done = ended(process)
    assert_delivered(engine, done, loans)


@pytest.mark.parametrize("start", [Squid, Tinyproxy], ids=["squid", "tinyproxy"])
def test_a_token_that_the_api_refuses_behind_a_proxy_is_the_tokens_fault(start: Start, make_engine: MakeEngine) -> None:
    engine = make_engine()
    through(engine, engine.server.url)
    engine.env["TIMEPAY_TOKEN"] = "another"
    with start(engine.home) as proxy:
        by_way_of(engine, proxy)
        done = engine.sync()
    message = assert_refused(engine, done, "token")
    assert "api.proxy" not in message


@pytest.mark.parametrize("start", [Squid, Tinyproxy], ids=["squid", "tinyproxy"])
def test_an_api_that_a_proxy_cannot_reach_is_an_outage(start: Start, make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply", port=free_port())
    loans = through(engine, engine.server.url)
    with start(engine.home) as proxy:
        by_way_of(engine, proxy)
        engine.configure(upload={"retry_window_s": 60.0})
        with running(engine, "sync", "--json") as process:
            let_through(engine.server, 5)
            away(engine.server)
            done = ended(process)
    assert_delivered(engine, done, loans)
    assert done.report["requests"]["failed"] > 0


def assert_kept_secret(engine: Engine, *texts: str) -> None:
    """The password stands in nothing that the engine has said or stored."""
    assert not [text for text in texts if PASSWORD in text]
    stored = [path for path in (engine.home / "engine-state").rglob("*") if path.is_file()]
    assert not [path for path in stored if PASSWORD.encode() in path.read_bytes()]
