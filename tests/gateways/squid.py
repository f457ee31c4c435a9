"""squid as the proxy that leads out of the house."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from string import Template

from tests.gateways.program import Program
from tests.ports import free_port

CONFIGURATION = Template("""
http_port 127.0.0.1:$port
pid_filename none
coredump_dir $directory
access_log none
cache_log $directory/cache.log
cache deny all
cache_mem 0
shutdown_lifetime 0 seconds
pinger_enable off
$access
""")

PASSWORD_PROTECTED = Template("""
auth_param basic program /usr/lib/squid/basic_ncsa_auth $passwords
auth_param basic children 1 startup=1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
""")

USER = "proxy"
"""Squid does not serve as root; this is whom Debian's becomes instead."""


class Squid(Program):
    """squid that lets through whom `access` says, or only one user with a password."""

    def __init__(
        self, home: Path, *, access: str = "http_access allow all", user: str = "", password: str = ""
    ) -> None:
        port = free_port()
        self._files = tempfile.TemporaryDirectory()  # the directories of tests are root's alone
        directory = Path(self._files.name)
        if user:
            passwords = directory / "passwords"
            passwords.write_text(f"{user}:{hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()}\n")
            access = PASSWORD_PROTECTED.substitute(passwords=passwords)
        path = directory / "squid.conf"
        path.write_text(CONFIGURATION.substitute(port=port, directory=directory, access=access))
        if os.geteuid() == 0:
            shutil.chown(directory, USER)
        self._service = f"squid{port}"
        super().__init__(home, port, ["squid", "-N", "-n", self._service, "-d1", "-f", str(path)])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        super().stop(number)
        self._files.cleanup()
        for shared in Path("/dev/shm").glob(f"{self._service}-*"):  # noqa: S108 - there it leaves it when it is killed
            shared.unlink()
