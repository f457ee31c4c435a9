"""A page, a login or a refusal of the gateway's own in the place of the API: no record is to blame."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine
from tests.gateways.nginx import Nginx
from tests.gateways.score import assert_delivered, assert_refused, ended, running, through
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]

PAGES = {
    "400": "return 400;",
    "403": "return 403;",
    "404": "return 404;",
    "a page": 'default_type text/html; return 200 "<html><body>Welcome</body></html>";',
    "a login": 'default_type text/html; return 200 "<form action=/login><input name=password></form>";',
    "no text": "return 204;",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_is_not_the_api_is_called_so(page: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Nginx(engine.home, engine.server.url, location=page) as nginx:
        through(engine, nginx.url, records=1_000, retry_window_s=10.0)
        done = engine.sync()
        seen = nginx.statuses()
    assert_refused(engine, done, "api.url")
    assert len(seen) <= 20


def test_a_gateway_that_wants_a_password_of_its_own_is_not_the_api(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "passwords").touch()
    login = f"auth_basic staff; auth_basic_user_file {engine.home}/passwords;"
    with Nginx(engine.home, engine.server.url, location=login) as nginx:
        through(engine, nginx.url, retry_window_s=10.0)
        done = engine.sync()
        seen = nginx.statuses()
    assert_refused(engine, done, "HTTP 401", "api.url")
    assert len(seen) <= 20


def test_a_token_that_is_too_long_for_the_gateway_blames_no_record(make_engine: MakeEngine) -> None:
    engine = make_engine(token="t" * 5_000)
    with Nginx(engine.home, engine.server.url, http="large_client_header_buffers 2 1k;") as nginx:
        through(engine, nginx.url, retry_window_s=10.0)
        done = engine.sync()
        seen = nginx.statuses()
    message = assert_refused(engine, done)
    assert engine.server.token not in message + done.err
    assert 0 < len(seen) <= 20


def test_a_redirect_to_a_login_is_not_followed(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with (
        Nginx(engine.home, engine.server.url) as portal,
        Nginx(engine.home, engine.server.url, location=f"return 302 {portal.url};") as nginx,
    ):
        through(engine, nginx.url, records=1_000, retry_window_s=10.0)
        done = engine.sync()
        assert portal.statuses() == []
    assert_refused(engine, done)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ("return 400;", 77),
        ("return 403;", 77),
        ('return 200 "<html><body>Welcome</body></html>";', 75),
    ],
)
def test_a_gateway_that_loses_its_mind_in_mid_run_blames_no_record(
    page: str, code: int, make_engine: MakeEngine
) -> None:
    engine = make_engine(hold="before-reply")
    mad = engine.home / "mad"
    with Nginx(engine.home, engine.server.url, location=f"if (-f {mad}) {{ {page} }}") as nginx:
        loans = through(engine, nginx.url, retry_window_s=10.0)
        with running(engine, "sync", "--json") as process:
            let_through(engine.server, 10)
            mad.touch()
            engine.server.change(hold="nothing")
            stopped = ended(process)
        mad.unlink()
        done = engine.sync()
    assert stopped.exit_code == code, stopped.err
    assert set(stopped.records) == {"read", "updated", "pending"}
    assert_delivered(engine, done, loans)
