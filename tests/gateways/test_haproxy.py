"""haproxy in front of the API: limits of time, of connections and of rate, and connections that it drops."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine
from tests.gateways.haproxy import Haproxy
from tests.gateways.score import CHUNKS, RECORDS, assert_delivered, away, ended, running, through
from tests.ports import free_port
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]

FIVE_A_SECOND = """
    stick-table type string size 1 expire 60s store http_req_rate(1s)
    http-request track-sc0 str(api)
    http-request deny deny_status {status} if {{ sc0_http_req_rate gt 5 }}
"""
EACH_FOURTH = """
    stick-table type string size 1 expire 60s store gpc0
    http-request track-sc0 str(api)
    http-request {action} if {{ sc0_inc_gpc0,mod(4) eq 0 }}
"""


def test_a_chunk_that_is_too_slow_for_the_gateway_is_made_smaller(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_per_record_us=3_000)  # so 333 records fit into the second
    with Haproxy(engine.home, engine.server.url, backend="timeout server 1s") as haproxy:
        loans = through(engine, haproxy.url, records=2 * RECORDS, batch_size=800, retry_window_s=30.0)
        done = engine.sync()
        seen = haproxy.statuses()
    assert_delivered(engine, done, loans)
    assert 0 < seen.count(504) <= 20
    assert done.report["requests"]["sent"] == len(seen)


def test_a_queue_that_is_too_long_for_the_gateway_is_throttling(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_ms=300)
    queue = {"defaults": "timeout queue 200ms", "server": "maxconn 1"}
    with Haproxy(engine.home, engine.server.url, **queue) as haproxy:
        loans = through(engine, haproxy.url)
        done = engine.sync()
        seen = haproxy.statuses()
    assert_delivered(engine, done, loans)
    assert done.report["requests"]["sent"] == len(seen) <= 1.6 * CHUNKS
    assert done.report["requests"]["throttled"] > 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_of_requests_is_learned(status: int, make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Haproxy(engine.home, engine.server.url, frontend=FIVE_A_SECOND.format(status=status)) as haproxy:
        loans = through(engine, haproxy.url)
        done = engine.sync()
        seen = haproxy.statuses()
    assert_delivered(engine, done, loans)
    requests = done.report["requests"]
    assert 0 < requests["throttled"] <= seen.count(status)
    assert requests["sent"] == len(seen) <= 2 * CHUNKS  # haproxy counts also what it refuses, so one overshoot lasts


@pytest.mark.parametrize("action", ["reject", "silent-drop", "deny deny_status 500", "deny deny_status 502"])
def test_each_fourth_request_fails_and_all_is_delivered(action: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Haproxy(engine.home, engine.server.url, frontend=EACH_FOURTH.format(action=action)) as haproxy:
        loans = through(engine, haproxy.url)
        engine.configure(api={"timeout_s": 1.0})
        done = engine.sync()
        seen = haproxy.statuses()
    assert_delivered(engine, done, loans)
    requests = done.report["requests"]
    assert requests["sent"] == len(seen)
    # A few may have been sent in halves: what is dropped in silence looks like what takes too long.
    assert requests["succeeded"] == sum(status == 200 for status in seen) >= CHUNKS
    assert requests["failed"] == len(seen) - requests["succeeded"] >= CHUNKS // 4


def test_an_api_that_is_gone_for_a_while_is_waited_for(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply", port=free_port())
    with Haproxy(engine.home, engine.server.url) as haproxy:
        loans = through(engine, haproxy.url)
        with running(engine, "sync", "--json") as process:
            let_through(engine.server, 5)
            away(engine.server)
            done = ended(process)
        seen = haproxy.statuses()
    assert_delivered(engine, done, loans)
    assert seen.count(503) > 0
    # What the API drops in a used connection, haproxy drops, too, and its log does not tell.
    assert len(seen) <= done.report["requests"]["sent"] <= len(seen) + 4
