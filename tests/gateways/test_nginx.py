"""nginx as it stands before many an API: limits of rate, connections, time and size, restarts, ways with replies."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine
from tests.gateways.nginx import Nginx
from tests.gateways.score import CHUNK, CHUNKS, RECORDS, assert_delivered, away, ended, report_of, running, through
from tests.ports import free_port
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]

FIVE_A_SECOND = "limit_req_zone $binary_remote_addr zone=api:1m rate=5r/s;"


@pytest.mark.parametrize("refusal", ["", "limit_req_status 429;"], ids=["503", "429"])
def test_a_limit_of_requests_is_learned_and_named(refusal: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    limit = f"limit_req zone=api burst=2 nodelay; {refusal}"
    with Nginx(engine.home, engine.server.url, http=FIVE_A_SECOND, location=limit) as nginx:
        loans = through(engine, nginx.url)
        done = engine.run("sync")
        seen = nginx.statuses()
    report = report_of(engine.home)
    assert (done.exit_code, report["records"]["updated"]) == (0, len(loans)), done.err
    assert engine.server.state() == loans
    requests = report["requests"]
    assert (requests["sent"], requests["succeeded"]) == (len(seen), CHUNKS)
    assert 0 < requests["throttled"] <= sum(status != 200 for status in seen)  # the first 503s are not yet understood
    assert requests["sent"] <= 1.6 * CHUNKS
    assert report["duration_s"] <= 2 * CHUNKS / 5  # at least half of what nginx allows
    assert "throttled" in done.out


def test_a_chunk_that_is_too_slow_for_the_gateway_is_made_smaller(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_per_record_us=3_000)  # so 333 records fit into the second
    with Nginx(engine.home, engine.server.url, location="proxy_read_timeout 1s;") as nginx:
        loans = through(engine, nginx.url, records=2 * RECORDS, batch_size=800, retry_window_s=30.0)
        done = engine.sync()
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert 0 < seen.count(504) <= 20  # learned, not met again with each chunk
    assert done.report["requests"]["sent"] == len(seen)


@pytest.mark.parametrize(("limit", "chunk", "records"), [("4k", CHUNK, RECORDS), ("1m", 10_000, 50_000)])
def test_a_body_that_is_too_large_for_the_gateway_is_halved_and_the_size_learned(
    limit: str, chunk: int, records: int, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    with Nginx(engine.home, engine.server.url, location=f"client_max_body_size {limit};") as nginx:
        loans = through(engine, nginx.url, records=records, batch_size=chunk)
        done = engine.sync()
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert 0 < seen.count(413) <= 12


def reload(nginx: Nginx) -> None:
    nginx.reload()


def restart_at_once(nginx: Nginx) -> None:
    nginx.kill()
    nginx.start()


def restart_gracefully(nginx: Nginx) -> None:
    nginx.stop(signal.SIGQUIT)
    nginx.start()


@pytest.mark.parametrize("disturb", [reload, restart_at_once, restart_gracefully])
def test_a_gateway_that_is_disturbed_in_mid_run_is_waited_for(
    disturb: Callable[[Nginx], None], make_engine: MakeEngine
) -> None:
    engine = make_engine(latency_ms=50)
    with Nginx(engine.home, engine.server.url) as nginx:
        loans = through(engine, nginx.url, requests_per_second=20.0)
        with running(engine, "sync", "--json") as process:
            for number in (5, 15):
                engine.server.wait(answered=number)
                disturb(nginx)
            done = ended(process)
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert done.report["requests"]["sent"] >= len(seen)  # a killed nginx takes the lines of what it was doing with it


def test_a_gateway_that_has_lost_the_api_for_a_while_is_waited_for(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply", port=free_port())
    with Nginx(engine.home, engine.server.url) as nginx:
        loans = through(engine, nginx.url)
        with running(engine, "sync", "--json") as process:
            let_through(engine.server, 5)
            away(engine.server)
            done = ended(process)
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert seen.count(502) > 0
    assert done.report["requests"]["sent"] == len(seen)


def test_a_maintenance_page_is_waited_out_for_as_long_as_it_asks(make_engine: MakeEngine) -> None:
    engine = make_engine()
    page = engine.home / "maintenance"
    page.touch()
    closed = f"add_header Retry-After 2 always; if (-f {page}) {{ return 503; }}"
    with Nginx(engine.home, engine.server.url, location=closed) as nginx:
        loans = through(engine, nginx.url)
        with running(engine, "sync", "--json") as process:
            nginx.wait_for_status(503)
            page.unlink()
            done = ended(process)
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert 0 < seen.count(503) <= 8  # those in flight, and perhaps a probe
    assert done.report["duration_s"] >= 2


COMPRESSED = "gzip on; gzip_min_length 1; gzip_types application/json; gzip_proxied any;"


@pytest.mark.parametrize(
    "location", [COMPRESSED, "proxy_buffering off;", "proxy_http_version 1.1; proxy_buffer_size 1k;"]
)
def test_the_ways_in_which_a_gateway_hands_replies_on_make_no_difference(
    location: str, make_engine: MakeEngine
) -> None:
    engine = make_engine(reject=["loan_000007"])
    with Nginx(engine.home, engine.server.url, location=location) as nginx:
        loans = through(engine, nginx.url)
        done = engine.sync()
    assert done.exit_code == 3, done.err
    assert done.records == {"read": len(loans), "updated": len(loans) - 1, "rejected": 1}


def test_a_limit_of_connections_is_throttling(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_ms=100)
    zone = "limit_conn_zone $binary_remote_addr zone=api:1m;"
    with Nginx(engine.home, engine.server.url, http=zone, location="limit_conn api 1;") as nginx:
        loans = through(engine, nginx.url)
        done = engine.sync()
        seen = nginx.statuses()
    assert_delivered(engine, done, loans)
    assert 0 < done.report["requests"]["throttled"] <= seen.count(503)
    assert done.report["requests"]["sent"] == len(seen) <= 1.6 * CHUNKS


def test_connections_that_nginx_closes_cost_no_request_that_is_not_counted(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Nginx(engine.home, engine.server.url, http="keepalive_timeout 1s; keepalive_requests 3;") as nginx:
        loans = through(engine, nginx.url, records=500, requests_per_second=0.7, concurrency=2)
        slow = engine.sync()
        assert_delivered(engine, slow, loans)
        quick_loans = through(engine, nginx.url, requests_per_second=500.0)
        quick = engine.sync()
        seen = nginx.statuses()
    assert_delivered(engine, quick, quick_loans)
    assert slow.report["requests"]["sent"] + quick.report["requests"]["sent"] == len(seen) == 5 + CHUNKS
