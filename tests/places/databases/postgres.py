"""PostgreSQL, with a database `bank` and a user `reader` who may only read; and PgBouncer in front of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from string import Template
from typing import Any

import psycopg

from tests.gateways.program import listens
from tests.places.databases.server import UNPRIVILEGED, Server
from tests.ports import free_port

PASSWORD = "correct-horse-battery"
ADMIN_PASSWORD = "admin-of-all"

POOLER = Template("""
[databases]
bank = host=127.0.0.1 port=$server dbname=bank
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = plain
auth_file = $directory/users.txt
pool_mode = transaction
""")


class Postgres(Server):
    packages = "postgresql"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        password_file = self.directory / "password"
        password_file.write_text(ADMIN_PASSWORD)
        password_file.chmod(0o644)
        data = str(self.directory / "data")
        self.run("initdb", "-D", data, "-U", "admin", "-A", "scram-sha-256", f"--pwfile={password_file}", "-N",
                 "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        self.restart()
        self.execute("CREATE DATABASE bank", database="postgres")
        self.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        self.execute("GRANT pg_read_all_data TO reader", f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")

    def restart(self) -> None:
        self.start(
            "postgres", "-D", str(self.directory / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", "",
            "-c", "fsync=off", ready=self._answers,
        )  # fmt: skip

    def execute(self, *statements: str, database: str = "bank") -> list[tuple[Any, ...]]:
        """Execute statements as the administrator, each on its own; return the rows of the last one."""
        with psycopg.connect(self._url("admin", database), password=ADMIN_PASSWORD, autocommit=True) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def url(self) -> str:
        """The database, as the reader calls it."""
        return self._url("reader", "bank")

    def _url(self, user: str, database: str, port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def url_by(self, port: int) -> str:
        """The same database by way of another port."""
        return self._url("reader", "bank", port)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("admin", "postgres"), password=ADMIN_PASSWORD, connect_timeout=5).close()
        except psycopg.Error:
            return False
        return True


class PgBouncer(Server):
    packages = "pgbouncer"

    def __init__(self, postgres: Postgres) -> None:
        super().__init__()
        self.port = free_port()
        self._write("users.txt", f'"reader" "{PASSWORD}"\n')
        text = POOLER.substitute(server=postgres.port, port=self.port, directory=self.directory)
        configuration = self._write("pgbouncer.ini", text)
        self.start("pgbouncer", str(configuration), ready=lambda: listens(self.port))
        self.url = postgres.url_by(self.port)

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        if os.geteuid() == 0:
            shutil.chown(path, UNPRIVILEGED)
        return path
