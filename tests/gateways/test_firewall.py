"""A firewall that reads bodies refuses a record: it is found, and its neighbours are delivered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import write_ndjson
from tests.gateways.nginx import Nginx
from tests.gateways.program import address_of
from tests.gateways.score import CHUNKS, through
from tests.ports import free_port

MakeEngine = Callable[..., Engine]

FIREWALL = """
client_body_in_single_buffer on;
client_body_buffer_size 1m;
map $request_body $forbidden {{ default ""; "~DROP TABLE" yes; }}
server {{
    listen 127.0.0.1:{port};
    client_max_body_size 100m;
    if ($http_x_forbidden) {{ return {refusal}; }}
    location / {{ proxy_pass http://{api}; }}
}}
"""
"""What a server may refuse is decided before it has read a body, so one server reads it and the next one refuses."""


def firewall(engine: Engine, refusal: int) -> Nginx:
    """Return nginx that answers so to each body with certain words."""
    port = free_port()
    rules = FIREWALL.format(port=port, refusal=refusal, api=address_of(engine.server.url))
    return Nginx(
        engine.home, f"http://127.0.0.1:{port}", http=rules, location="proxy_set_header X-Forbidden $forbidden;"
    )


NOBODY_ANSWERS = 444
"""How nginx's configuration says that the connection is closed without a reply; the nginx before it makes that 502."""


@pytest.mark.parametrize("refusal", [403, 409, 500, NOBODY_ANSWERS])
def test_a_record_that_a_firewall_refuses_is_found_and_its_neighbours_delivered(
    refusal: int, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    with firewall(engine, refusal) as nginx:
        loans = through(engine, nginx.url)
        named = max(loans)  # in the last chunk: when it is tried again, no other one succeeds meanwhile
        loans[named]["note"] = "Robert'); DROP TABLE loans"
        write_ndjson(engine.home / "loans.ndjson", loans)
        done = engine.sync()
    assert done.exit_code == 3, done.err
    records = done.records
    assert (records["updated"], records.get("rejected", 0) + records.get("unknown", 0)) == (len(loans) - 1, 1)
    [reject] = engine.rejects()
    assert (reject["id"], reject["http_status"]) == (named, 502 if refusal == NOBODY_ANSWERS else refusal)
    del loans[named]
    assert engine.server.state() == loans
    assert done.report["requests"]["sent"] <= 2 * CHUNKS


def test_a_record_that_a_firewall_refuses_in_the_very_first_chunk_is_found(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with firewall(engine, 403) as nginx:
        loans = through(engine, nginx.url)
        named = min(loans)
        loans[named]["note"] = "Robert'); DROP TABLE loans"
        write_ndjson(engine.home / "loans.ndjson", loans)
        done = engine.sync()
    assert (done.exit_code, done.records["updated"], done.records["rejected"]) == (3, len(loans) - 1, 1), done.err
    assert [reject["id"] for reject in engine.rejects()] == [named]
