"""haproxy in front of the stand-in."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from string import Template

from tests.gateways.program import Program, address_of
from tests.ports import free_port

CONFIGURATION = Template("""
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 0
    $defaults
frontend gateway
    bind 127.0.0.1:$port
    $frontend
    default_backend api
backend api
    $backend
    server api $address $server
""")


class Haproxy(Program):
    """haproxy that passes everything to `upstream` (a base of the API), with more directives at four places.

    `server` are parameters of the one server, such as `maxconn 1`.
    """

    def __init__(
        self, home: Path, upstream: str, *, defaults: str = "", frontend: str = "", backend: str = "", server: str = ""
    ) -> None:
        port = free_port()
        path = home / f"haproxy-{port}.cfg"
        configuration = CONFIGURATION.substitute(
            port=port,
            address=address_of(upstream),
            defaults=defaults,
            frontend=frontend,
            backend=backend,
            server=server,
        )
        path.write_text(configuration, encoding="utf-8")
        super().__init__(home, port, ["haproxy", "-db", "-f", str(path)])

    def statuses(self) -> list[int]:
        """Stop it as soon as it has finished what it is doing; return the status of each PUT, -1 for none, in order."""
        self.stop(signal.SIGUSR1)
        return [int(status) for status in re.findall(r" (-?\d+) \d+ \S+ \S+ \S{4} .*\"PUT ", self.log)]
