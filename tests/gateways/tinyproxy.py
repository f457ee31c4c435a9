"""tinyproxy as the proxy that leads out of the house."""

from __future__ import annotations

from pathlib import Path

from tests.gateways.program import Program
from tests.ports import free_port


class Tinyproxy(Program):
    """tinyproxy with more directives, one a line."""

    def __init__(self, home: Path, *directives: str) -> None:
        port = free_port()
        path = home / f"tinyproxy-{port}.conf"
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 30", "LogLevel Connect", *directives]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        super().__init__(home, port, ["tinyproxy", "-d", "-c", str(path)])
