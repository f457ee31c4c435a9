"""The certificates of the system, which aiohttp loads twice as it is imported: a third of what importing it takes.

They are for connections that name no TLS context. There are none here: what speaks TLS names its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for certificates instead of in the places that the system has for them."""

_left_out = False


def leave_out_unused_certificates() -> None:
    """Have aiohttp imported without certificates, from now on.

    Only for a process of our own: aiohttp's default context then trusts nobody, whoever uses it.
    """
    global _left_out
    _left_out = True


@contextmanager
def unused_certificates_left_out() -> Iterator[None]:
    """Keep OpenSSL from finding certificates within the block, if that was asked for."""
    if not _left_out:
        yield
        return
    before = {name: os.environ.get(name) for name in OPENSSL_VARIABLES}
    os.environ.update(dict.fromkeys(OPENSSL_VARIABLES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
