"""MariaDB, with a database `bank` and a user `reader` who may only read."""

from __future__ import annotations

from typing import Any

import pymysql

from tests.places.databases.postgres import ADMIN_PASSWORD, PASSWORD
from tests.places.databases.server import Server
from tests.ports import free_port


class MariaDb(Server):
    packages = "mariadb-server"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        data = str(self.directory / "data")
        setup = self.directory / "setup.sql"
        setup.write_text(
            f"CREATE USER admin@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
            "GRANT ALL ON *.* TO admin@'%';\nCREATE DATABASE bank CHARACTER SET utf8mb4;\n"
            f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT SELECT ON bank.* TO reader@'%';\n"
        )
        setup.chmod(0o644)
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal")
        self.start(
            "mariadbd", "--no-defaults", f"--datadir={data}", "--bind-address=127.0.0.1", f"--port={self.port}",
            f"--socket={self.directory}/socket", "--skip-name-resolve",
            f"--init-file={setup}", "--innodb-flush-log-at-trx-commit=0",
            ready=self._answers,
        )  # fmt: skip

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements as the administrator; return the rows of the last one."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="admin", password=ADMIN_PASSWORD, database="bank", autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @property
    def url(self) -> str:
        """The database, as the reader calls it."""
        return self.url_by(self.port)

    def url_by(self, port: int) -> str:
        """The same database by way of another port."""
        return f"mysql://reader@127.0.0.1:{port}/bank"

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.Error:
            return False
        return True
