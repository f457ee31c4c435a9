"""Ports for servers that cannot be asked to take any, or that are to come back at the one they had."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

HOST = "127.0.0.1"

_TAKEN: list[socket.socket] = []
"""A name for each port, which only one process of this machine can have: until its end, and not only from listening on.

Two tests that look for a port at the same time find different ones.
"""


def free_port() -> int:
    """Return a port that nobody listens at, and that nobody is given who asks for any: that could be in between."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0port {port} of a test")
        except OSError:  # another test has it
            name.close()
            continue
        _TAKEN.append(name)
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
