"""Addresses of files that lie in a store: `s3://bucket/key`, `gs://…`, `az://container/key`, `sftp://user@host/path`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.values import ConfigError

OBJECT_SCHEMES = ("s3", "gs", "az")
"""What stands before `://` where keys lie in a bucket (Azure calls it a container)."""

SCHEMES = (*OBJECT_SCHEMES, "sftp")
"""What stands before the `://` of an address; a path without one is local."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SIGNED = re.compile(r"[?&](?:x-amz-|x-goog-|sig=|se=|sv=|awsaccesskeyid=|signature=)", re.IGNORECASE)
"""What signed links hold."""

_SHARED = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_*", *_SHARED, *_CERTIFICATES),
    "gs": ("GOOGLE_*", *_SHARED, *_CERTIFICATES),
    "az": ("AZURE_*", "IDENTITY_*", "MSI_*", *_SHARED, *_CERTIFICATES),
    "sftp": ("SSH_AUTH_SOCK", "USER", "LOGNAME"),
}
"""The variables by which a store is reached, by scheme; what ends in `*` is how names begin."""


class Address(NamedTuple):
    """Where something lies: `place` is the bucket, container or host; `key` may be a glob, or empty for all of it."""

    scheme: str
    place: str
    key: str

    @property
    def root(self) -> str:
        """What stands before the key."""
        return f"{self.scheme}://{self.place}/"


def scheme_of(path: str) -> str:
    """Return what stands before the `://` of an address; nothing for a local path."""
    match = _SCHEME.match(path)
    return match[1].lower() if match else ""


def parse_address(path: str) -> Address:
    """Take an address apart; keys are literal, so nothing is decoded.

    Raises:
        ValueError: it is none, or holds a secret; the text follows the name of a setting, and tells nothing of it.
    """
    scheme = scheme_of(path)
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ValueError(f"begins with an unknown {scheme}://; known are {known}")
    place, _, key = path[len(scheme) + len("://") :].partition("/")
    user, at, _ = place.rpartition("@")
    if _SIGNED.search(path) or (at and (scheme != "sftp" or ":" in user)):
        raise ValueError(
            "holds a secret; leave it out: keys and passwords are read from the variables, profiles and files that the "
            "store's own programs use"
        )
    if not place:
        raise ValueError(f"names no {'host' if scheme == 'sftp' else 'bucket'}: {scheme}://NAME/… is missing its NAME")
    if scheme in OBJECT_SCHEMES and (key.startswith("/") or "//" in key):
        raise ValueError("has a key with two slashes in a row, which cannot be read; copy the object to another key")
    return Address(scheme, place, key)


def address_in_setting(path: str) -> Address:
    """Take apart an address that a person has typed somewhere.

    Raises:
        ConfigError: it is none, or holds a secret, which is not repeated.
    """
    try:
        return parse_address(path)
    except ValueError as error:
        raise ConfigError(f"the address {scheme_of(path)}://… {error}") from None


def environment_of(paths: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return those of the variables by which the stores of `paths` are reached; none for local files."""
    wanted = {name for path in paths for name in _VARIABLES.get(scheme_of(path), ())}
    exact = {name for name in wanted if not name.endswith("*")}
    starts = tuple(name[:-1] for name in wanted - exact)
    return {name: value for name, value in environment.items() if name in exact or (starts and name.startswith(starts))}
