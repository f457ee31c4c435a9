"""nginx in front of the stand-in."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from string import Template

from tests.gateways.program import Program, address_of, listens, wait_until
from tests.ports import free_port

CONFIGURATION = Template("""
daemon off;
$user
worker_processes 1;
pid $directory/pid;
error_log stderr info;
events {}
http {
    log_format seen "$$status $$request_method $$request_length";
    access_log $directory/access.log seen;
    client_body_temp_path $directory/body;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi;
    scgi_temp_path $directory/scgi;
    $http
    server {
        listen 127.0.0.1:$port $listen;
        client_max_body_size 100m;
        $server
        location / {
            proxy_pass $upstream;
            $location
        }
    }
}
""")


class Nginx(Program):
    """nginx that passes everything to `upstream` (a base of the API), with more directives at three levels.

    `listen` are parameters of `listen`, such as `ssl`.
    """

    def __init__(
        self, home: Path, upstream: str, *, http: str = "", server: str = "", location: str = "", listen: str = ""
    ) -> None:
        port = free_port()
        directory = home / f"nginx-{port}"
        directory.mkdir()
        configuration = CONFIGURATION.substitute(
            user="user root;" if os.geteuid() == 0 else "",  # else its workers could not enter a private directory
            directory=directory,
            port=port,
            listen=listen,
            upstream=f"http://{address_of(upstream) or upstream}",
            http=http,
            server=server,
            location=location,
        )
        (directory / "nginx.conf").write_text(configuration, encoding="utf-8")
        self._seen = directory / "access.log"
        # The prefix keeps it from its compiled-in log file until it has read the configuration.
        super().__init__(directory, port, ["nginx", "-e", "stderr", "-p", str(directory), "-c", "nginx.conf"])

    def reload(self) -> None:
        """Have it read its configuration again: new workers begin, old ones finish what they have."""
        self._process.send_signal(signal.SIGHUP)
        assert listens(self.port)

    def wait_for_status(self, status: int) -> None:
        """Return when it has answered a request so."""
        wait_until(lambda: f"{status} PUT" in self._seen.read_text(encoding="utf-8"))

    def statuses(self) -> list[int]:
        """Stop it as soon as it has finished what it is doing; return the status of each PUT, in order."""
        self.stop(signal.SIGQUIT)
        lines = self._seen.read_text(encoding="utf-8").splitlines()
        return [int(status) for status, method, _ in map(str.split, lines) if method == "PUT"]
